// SPDX-License-Identifier: MIT
// hark doctor: what this shell gives to the programs it starts, and what hark itself runs with.
#include "doctor.h"
#include "hark/address.h"
#include "hark/mem.h"
#include "port_owner.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RESOLVE_MAX_S 3

// --- variables -----------------------------------------------------------------------------------

static const char *const proxy_variables[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                              "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};
static const char *const file_variables[] = {
    "SSL_CERT_FILE",  "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO", "AWS_CA_BUNDLE",  "PIP_CERT",           "CARGO_HTTP_CAINFO",
    "DENO_CERT",      "SSL_CERT_DIR",   "NIX_SSL_CERT_FILE",  "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
};

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0';) {
        at += strspn(at, ", ");
        size_t item = strcspn(at, ", ");
        if (item == length && strncasecmp(at, word, length) == 0)
            return true;
        at += item;
    }
    return false;
}

// "http://127.0.0.1:4275" as an address; no name is looked up. -1 for what is elsewhere.
static int local_port(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme == NULL ? url : scheme + 3;
    const char *at = strrchr(host, '@');
    host = at == NULL ? host : at + 1;
    char *text = mem_strndup(host, strcspn(host, "/"));
    struct address address;
    bool is_name = strncmp(text, "localhost:", strlen("localhost:")) == 0;
    char *numeric = is_name ? mem_printf("127.0.0.1:%s", strchr(text, ':') + 1) : mem_strdup(text);
    bool is_local = address_parse(numeric, &address) == 0 && address_is_loopback(&address);
    int port = is_local ? address_port(&address) : -1;
    free(numeric);
    free(text);
    return port;
}

static void check_proxy_variable(struct doctor *doctor, const char *name)
{
    const char *value = getenv(name);
    struct port_owner owner;
    int port = value == NULL || *value == '\0' ? -1 : local_port(value);
    if (port > 0 && !port_owner_find(port, &owner))
        doctor_say(doctor, FINDING_PROBLEM, "environment", mem_printf("unset %s", name),
                   "%s points to port %d of this machine, where nobody listens: an older hark?",
                   name, port);
}

static void check_bypass(struct doctor *doctor, const char *name)
{
    static const char *const words[] = {"localhost", "127.0.0.1", "::1", "*"};
    const char *value = getenv(name);
    for (size_t i = 0; value != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (!has_word(value, words[i]))
            continue;
        doctor_say(doctor, FINDING_NOTE, "environment", mem_printf("unset %s", name),
                   "%s has %s: requests to servers of %s go past hark", name, words[i],
                   strcmp(words[i], "*") == 0 ? "all hosts" : "this machine");
        return;
    }
}

static void check_file_variable(struct doctor *doctor, const char *name)
{
    const char *value = getenv(name);
    if (value != NULL && *value != '\0' && access(value, R_OK) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "environment", mem_printf("unset %s", name),
                   "%s points to %s, which cannot be read", name, value);
}

void doctor_check_environment(struct doctor *doctor)
{
    size_t before = doctor->count;
    for (size_t i = 0; i < sizeof proxy_variables / sizeof proxy_variables[0]; i++)
        check_proxy_variable(doctor, proxy_variables[i]);
    check_bypass(doctor, "no_proxy");
    check_bypass(doctor, "NO_PROXY");
    for (size_t i = 0; i < sizeof file_variables / sizeof file_variables[0]; i++)
        check_file_variable(doctor, file_variables[i]);
    if (doctor->count == before)
        doctor_say(doctor, FINDING_OK, "environment", NULL,
                   "no variable of proxies or certificates points nowhere");
}

// --- names ---------------------------------------------------------------------------------------

// Owner: the thread that resolves, which nobody waits for if it takes long.
struct lookup {
    char *host;
    int code; // of getaddrinfo()
};

static void *lookup_main(void *ctx)
{
    struct lookup *lookup = ctx;
    struct addrinfo *found = NULL;
    lookup->code =
        getaddrinfo(lookup->host, NULL, &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found);
    if (lookup->code == 0)
        freeaddrinfo(found);
    return NULL;
}

// NULL: it has an address. The lookup is not freed where the thread still has it.
static const char *why_not_found(const char *host)
{
    struct lookup *lookup = mem_calloc(1, sizeof *lookup);
    lookup->host = mem_strdup(host);
    pthread_t thread;
    struct timespec until;
    if (pthread_create(&thread, NULL, lookup_main, lookup) != 0)
        return "no thread can be started";
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RESOLVE_MAX_S;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        pthread_detach(thread);
        return "no answer within 3 s";
    }
    const char *reason = lookup->code == 0 ? NULL : gai_strerror(lookup->code);
    free(lookup->host);
    free(lookup);
    return reason;
}

static void check_name(struct doctor *doctor, const char *host, const char *what)
{
    const char *reason = why_not_found(host);
    if (reason == NULL)
        doctor_say(doctor, FINDING_OK, "names", NULL, "%s has an address", host);
    else
        doctor_say(doctor, FINDING_PROBLEM, "names", mem_strdup("cat /etc/hosts /etc/resolv.conf"),
                   "%s (%s): %s", host, what, reason);
}

// The host of "socks5h://user@proxy.example:1080".
static char *host_of(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme == NULL ? url : scheme + 3;
    size_t length = strcspn(host, "/");
    const char *at = memrchr(host, '@', length);
    host = at == NULL ? host : at + 1;
    if (*host == '[')
        return mem_strndup(host + 1, strcspn(host + 1, "]"));
    return mem_strndup(host, strcspn(host, ":/"));
}

void doctor_check_names(struct doctor *doctor)
{
    check_name(doctor, "localhost", "this machine");
    if (doctor->config == NULL || doctor->config->upstream_proxy == NULL)
        return;
    char *host = host_of(doctor->config->upstream_proxy);
    check_name(doctor, host, "upstream_proxy");
    free(host);
}
