// SPDX-License-Identifier: MIT
// One table: a variable, and the function that makes its value.
#include "client_env.h"

#include "hark/buffer.h"

#include <string.h>

// Addresses that no proxy may be asked for: the metadata service of clouds answers to the machine
// itself only.
#define NEVER_PROXIED "169.254.169.254"

struct maker {
    struct arena *arena;
    const char *proxy;
    const struct client_files *files;
    char *const *environment;
};

static const char *look_up(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

// --- values --------------------------------------------------------------------------------------

// Each is given what the caller's environment says, NULL or "" for nothing. NULL: leave it alone.

static const char *proxy_url(const struct maker *maker, const char *old)
{
    (void)old;
    return arena_printf(maker->arena, "http://%s", maker->proxy);
}

static const char *on(const struct maker *maker, const char *old)
{
    (void)maker;
    (void)old;
    return "1";
}

static const char *bundle(const struct maker *maker, const char *old)
{
    (void)old;
    return maker->files->bundle;
}

// For those that nobody sets unless the program would not trust the usual roots.
static const char *bundle_if_set(const struct maker *maker, const char *old)
{
    return old && *old ? maker->files->bundle : NULL;
}

// These add to the program's own roots; but what the caller had added must not get lost.
static const char *ca(const struct maker *maker, const char *old)
{
    if (!old || !*old || strcmp(old, maker->files->ca) == 0)
        return maker->files->ca;
    return maker->files->bundle;
}

static const char *wgetrc(const struct maker *maker, const char *old)
{
    (void)old;
    return maker->files->wgetrc;
}

// Is `item` one of the parts of `list`, which `separator` parts?
static bool list_has(const char *list, char separator, const char *item, size_t length)
{
    const char separators[] = {separator, '\0'};
    for (const char *at = list; at && *at;) {
        size_t part = strcspn(at, separators);
        if (part == length && strncmp(at, item, length) == 0)
            return true;
        at += part + (at[part] == separator);
    }
    return false;
}

// "a, b c" -> "a,b,c", each once.
static void append_hosts(struct buffer *list, const char *hosts)
{
    static const char separators[] = ", \t";
    for (const char *at = hosts; at && *at;) {
        at += strspn(at, separators);
        size_t length = strcspn(at, separators);
        if (length > 0 && !list_has(list->data, ',', at, length)) {
            if (list->length > 0)
                buffer_append_char(list, ',');
            buffer_append(list, at, length);
        }
        at += length;
    }
}

// Programs read one of the two spellings; the caller may have set either.
static const char *no_proxy(const struct maker *maker, const char *old)
{
    (void)old;
    struct buffer list = {0};
    append_hosts(&list, look_up(maker->environment, "no_proxy"));
    append_hosts(&list, look_up(maker->environment, "NO_PROXY"));
    append_hosts(&list, NEVER_PROXIED);
    const char *value = arena_strdup(maker->arena, list.data);
    buffer_fini(&list);
    return value;
}

static const char *python_path(const struct maker *maker, const char *old)
{
    const char *folder = maker->files->python_folder;
    if (!old || !*old)
        return folder;
    if (list_has(old, ':', folder, strlen(folder)))
        return old;
    return arena_printf(maker->arena, "%s:%s", folder, old);
}

// An empty part stands for the folder that PHP was built with.
static const char *php_scan_folders(const struct maker *maker, const char *old)
{
    const char *folder = maker->files->php_folder;
    if (old && list_has(old, ':', folder, strlen(folder)))
        return old;
    return arena_printf(maker->arena, "%s:%s", old ? old : "", folder);
}

static const char *append_option(const struct maker *maker, const char *old, const char *option)
{
    if (!old || !*old)
        return option;
    return strstr(old, option) ? old : arena_printf(maker->arena, "%s %s", old, option);
}

static bool needs_quotes(const char *text)
{
    return strpbrk(text, " \t\"'\\") != NULL;
}

// In NODE_OPTIONS double quotes keep spaces, and in them a backslash keeps the next character.
static const char *node_options(const struct maker *maker, const char *old)
{
    struct buffer option = {0};
    const char *path = maker->files->node_shim;
    buffer_append_text(&option, "--require ");
    if (needs_quotes(path))
        buffer_append_char(&option, '"');
    for (const char *c = path; *c; c++) {
        if (*c == '"' || *c == '\\')
            buffer_append_char(&option, '\\');
        buffer_append_char(&option, *c);
    }
    if (needs_quotes(path))
        buffer_append_char(&option, '"');
    const char *value = append_option(maker, old, arena_strdup(maker->arena, option.data));
    buffer_fini(&option);
    return value;
}

// --- Java ----------------------------------------------------------------------------------------

// The words of no_proxy as http.nonProxyHosts wants them: parted by |, with * for what is below.
static void append_non_proxy_hosts(struct buffer *text, const char *hosts)
{
    size_t length;
    bool is_first = true;
    for (; *hosts; hosts += length + (hosts[length] == ',')) {
        length = strcspn(hosts, ",");
        const char *dot = *hosts == '.' ? "*" : "";
        if (memchr(hosts, '/', length) || memchr(hosts, ':', length)) // ranges, ports
            continue;
        buffer_printf(text, "%s%s%.*s", is_first ? "" : "|", dot, (int)length, hosts);
        if (!*dot && *hosts != '*' && strspn(hosts, "0123456789.") < length)
            buffer_printf(text, "|*.%.*s", (int)length, hosts);
        is_first = false;
    }
}

static void append_property(struct buffer *options, const char *name, const char *value)
{
    const char *quote = needs_quotes(value) ? "\"" : "";
    buffer_printf(options, "%s-D%s=%s%s%s", options->length > 0 ? " " : "", name, quote, value,
                  quote);
}

// By itself Java does not ask the proxy for this machine; http.nonProxyHosts replaces that rule.
static const char *java_options(const struct maker *maker, const char *old)
{
    const struct client_files *files = maker->files;
    const char *colon = strrchr(maker->proxy, ':');
    if (!files->java_store || !colon)
        return NULL;
    const char *host = arena_strndup(maker->arena, maker->proxy, (size_t)(colon - maker->proxy));
    struct buffer options = {0};
    struct buffer hosts = {0};
    append_non_proxy_hosts(&hosts, no_proxy(maker, NULL));
    append_property(&options, "http.proxyHost", host);
    append_property(&options, "http.proxyPort", colon + 1);
    append_property(&options, "https.proxyHost", host);
    append_property(&options, "https.proxyPort", colon + 1);
    append_property(&options, "http.nonProxyHosts", hosts.data);
    append_property(&options, "javax.net.ssl.trustStore", files->java_store);
    append_property(&options, "javax.net.ssl.trustStoreType", "PKCS12");
    const char *value = append_option(maker, old, arena_strdup(maker->arena, options.data));
    buffer_fini(&hosts);
    buffer_fini(&options);
    return value;
}

// --- the table -----------------------------------------------------------------------------------

static const struct rule {
    const char *name;
    const char *(*make)(const struct maker *maker, const char *old);
} rules[] = {
    {"http_proxy", proxy_url}, // curl, wget, PHP and Ruby read the lower case only
    {"https_proxy", proxy_url},
    {"HTTP_PROXY", proxy_url},
    {"HTTPS_PROXY", proxy_url},
    {"grpc_proxy", proxy_url},
    {"no_proxy", no_proxy},
    {"NO_PROXY", no_proxy},

    {"SSL_CERT_FILE", bundle},      // OpenSSL: Python, Ruby, curl, Go, .NET, Bun, reqwest
    {"CURL_CA_BUNDLE", bundle},     // curl, Python requests
    {"REQUESTS_CA_BUNDLE", bundle}, // Python requests, pip, httpie
    {"PIP_CERT", bundle},
    {"HTTPLIB2_CA_CERTS", bundle},
    {"AWS_CA_BUNDLE", bundle},
    {"CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", bundle},
    {"GIT_SSL_CAINFO", bundle},
    {"CARGO_HTTP_CAINFO", bundle},
    {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", bundle},
    {"NIX_SSL_CERT_FILE", bundle},
    {"npm_config_cafile", bundle_if_set},
    {"SYSTEM_WGETRC", wgetrc},

    {"PERL_LWP_ENV_PROXY", on},
    {"PERL_LWP_SSL_CA_FILE", bundle},
    {"HTTPS_CA_FILE", bundle}, // older Crypt::SSLeay

    {"NODE_EXTRA_CA_CERTS", ca}, // Node, npm, Deno, Bun
    {"NODE_USE_ENV_PROXY", on},  // Node from 22.21 and 24.5 on
    {"NODE_OPTIONS", node_options},
    {"DENO_CERT", ca},

    {"PYTHONPATH", python_path},
    {"PHP_INI_SCAN_DIR", php_scan_folders},
    {"JAVA_TOOL_OPTIONS", java_options},
};

#define RULE_COUNT (sizeof rules / sizeof rules[0])

void client_env_make(struct client_env *env, const char *proxy, const struct client_files *files,
                     char *const *environment)
{
    *env = (struct client_env){0};
    struct maker maker = {&env->arena, proxy, files, environment};
    env->items = arena_alloc(&env->arena, RULE_COUNT * sizeof *env->items);
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const char *value = rules[i].make(&maker, look_up(environment, rules[i].name));
        if (value)
            env->items[env->count++] = (struct client_setting){rules[i].name, value};
    }
}

void client_env_fini(struct client_env *env)
{
    arena_fini(&env->arena);
    *env = (struct client_env){0};
}

// --- merging -------------------------------------------------------------------------------------

static bool is_replaced(const struct client_env *env, const char *variable)
{
    for (size_t i = 0; i < env->count; i++) {
        size_t length = strlen(env->items[i].name);
        if (strncmp(variable, env->items[i].name, length) == 0 && variable[length] == '=')
            return true;
    }
    return false;
}

char **client_env_merge(struct client_env *env, char *const *environment)
{
    size_t old_count = 0;
    while (environment[old_count])
        old_count++;
    char **merged = arena_alloc(&env->arena, (old_count + env->count + 1) * sizeof *merged);
    size_t count = 0;
    for (size_t i = 0; i < old_count; i++)
        if (!is_replaced(env, environment[i]))
            merged[count++] = environment[i];
    for (size_t i = 0; i < env->count; i++)
        merged[count++] =
            arena_printf(&env->arena, "%s=%s", env->items[i].name, env->items[i].value);
    return merged;
}
