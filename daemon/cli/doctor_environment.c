// SPDX-License-Identifier: MIT
// hark doctor: what this shell gives to the programs it starts, and what hark itself runs with.
#include "doctor.h"
#include "hark/address.h"
#include "hark/mem.h"
#include "hark/store_reader.h"
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
    if (port > 0 && !port_owner_find(port, 0, &owner))
        doctor_say(doctor, FINDING_PROBLEM, "environment", mem_printf("unset %s", name),
                   "%s points to port %d of this machine, where nobody listens: an older hark?",
                   name, port);
}

// Is it a port where the daemon listens?
static bool is_daemons(const struct doctor *doctor, int port)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(doctor->status, "proxy"), i, item)
    {
        const char *text = json_string_value(item);
        if (text != NULL && port > 0 && local_port(text) == port)
            return true;
    }
    return false;
}

static const char *value_of(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? NULL : value;
}

// Of variables that stand for the same the first one that is set decides.
static bool leads_to_daemon(const struct doctor *doctor, const char *name, const char *other)
{
    const char *value = value_of(name);
    if (value == NULL)
        value = value_of(other);
    if (value == NULL)
        value = value_of("all_proxy");
    if (value == NULL)
        value = value_of("ALL_PROXY");
    return value != NULL && is_daemons(doctor, local_port(value));
}

// Whoever sets the one by hand forgets the other.
static void check_halves(struct doctor *doctor)
{
    bool is_http_ours = leads_to_daemon(doctor, "http_proxy", "HTTP_PROXY");
    bool is_https_ours = leads_to_daemon(doctor, "https_proxy", "HTTPS_PROXY");
    char *env = doctor_hark(doctor, "env");
    if (is_http_ours != is_https_ours)
        doctor_say(doctor, FINDING_WARNING, "environment", mem_printf("eval \"$(%s)\"", env),
                   "%s leads to hark and %s does not: %s requests go past it",
                   is_http_ours ? "http_proxy" : "https_proxy",
                   is_http_ours ? "https_proxy" : "http_proxy", is_http_ours ? "https" : "http");
    free(env);
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

// A key that does not exist is not looked for, so nothing else says that it was mistyped.
static void check_own_variables(struct doctor *doctor)
{
    static const char prefix[] = "HARK_";
    char *const *environment = doctor->invocation->sources.environ;
    for (; environment != NULL && *environment != NULL; environment++) {
        size_t length = strcspn(*environment, "=");
        if (strncmp(*environment, prefix, strlen(prefix)) != 0)
            continue;
        char *name = mem_strndup(*environment, length);
        if (!config_knows_variable(name))
            doctor_say(doctor, FINDING_WARNING, "environment", mem_printf("unset %s", name),
                       "%s is no key of the configuration and has no effect", name);
        free(name);
    }
}

void doctor_check_environment(struct doctor *doctor)
{
    size_t before = doctor->count;
    for (size_t i = 0; i < sizeof proxy_variables / sizeof proxy_variables[0]; i++)
        check_proxy_variable(doctor, proxy_variables[i]);
    check_halves(doctor);
    check_own_variables(doctor);
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

static int on_host(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    char **host = ctx;
    (void)names;
    if (count == 1 && values[0].type == VALUE_TEXT)
        *host = mem_strndup(values[0].data, values[0].length);
    return 0;
}

// The host of the newest exchange that was answered; NULL: there is none. An address is none.
static char *newest_host(const struct doctor *doctor)
{
    struct err err = {0};
    char *host = NULL;
    if (doctor->db_path == NULL || access(doctor->db_path, R_OK) != 0)
        return NULL;
    struct store_reader *reader = store_reader_open(doctor->db_path, &err);
    if (reader != NULL)
        store_query(reader,
                    "SELECT host FROM exchange WHERE id > (SELECT max(id) FROM exchange) - 1000"
                    " AND source = 'proxy' AND status IS NOT NULL AND error IS NULL"
                    " AND host GLOB '*[g-zG-Z]*' AND host NOT IN ('localhost', 'hark.internal')"
                    " ORDER BY id DESC LIMIT 1",
                    NULL, on_host, &host, &err);
    store_reader_close(reader);
    return host;
}

static void check_newest_host(struct doctor *doctor)
{
    char *host = newest_host(doctor);
    const char *reason = host == NULL ? NULL : why_not_found(host);
    if (reason != NULL)
        doctor_say(doctor, FINDING_WARNING, "names", mem_strdup("cat /etc/resolv.conf"),
                   "%s, which the newest exchange was with: %s", host, reason);
    else if (host != NULL)
        doctor_say(doctor, FINDING_OK, "names", NULL, "%s has an address", host);
    free(host);
}

void doctor_check_names(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    check_name(doctor, "localhost", "this machine");
    if (config != NULL && config->upstream_proxy != NULL) {
        char *host = host_of(config->upstream_proxy);
        check_name(doctor, host, "upstream_proxy");
        free(host);
    } else if (config != NULL && config->connect_to.count == 0) {
        check_newest_host(doctor);
    }
}
