// SPDX-License-Identifier: MIT
// The request as libcurl is to send it: exactly the fields the client sent, in their order, less
// those that end at this hop. Everything libcurl would add by itself is switched off.
#include "upstream_private.h"

#include "hark/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DNS_CACHE_SECONDS 60L

static void add_line(struct transfer *transfer, const char *line)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, line);
    if (list != NULL)
        transfer->headers = list;
}

// libcurl takes "Name;" for a field without value, and drops "Name:".
static void add_field(struct transfer *transfer, const char *name, const char *value)
{
    char small[512];
    size_t length = strlen(name) + strlen(value) + 3;
    char *line = length <= sizeof(small) ? small : mem_calloc(1, length);
    if (value[0] == '\0')
        snprintf(line, length, "%s;", name);
    else
        snprintf(line, length, "%s: %s", name, value);
    add_line(transfer, line);
    if (line != small)
        free(line);
}

static void add_max_forwards(struct transfer *transfer, const struct field *field)
{
    char value[32];
    unsigned long hops = strtoul(field->value, NULL, 10);
    bool is_number = field->value[0] != '\0' &&
                     field->value[strspn(field->value, "0123456789")] == '\0' && hops > 0;
    snprintf(value, sizeof(value), "%lu", hops - 1);
    add_field(transfer, field->name, is_number ? value : field->value);
}

static bool is_limited_method(const char *method)
{
    return strcmp(method, "TRACE") == 0 || strcmp(method, "OPTIONS") == 0;
}

static bool is_upgrade_field(const struct field *field)
{
    return field_is_named(field, "Upgrade") || field_is_named(field, "Connection");
}

static void add_request_field(struct transfer *transfer, const struct field *field)
{
    const struct exchange *exchange = transfer->exchange;
    const struct exchange_row *row = exchange->row;
    if (field_is_named(field, "Host"))
        // Inside a tunnel it is the client's own; else the target's (RFC 9112 section 3.2.2).
        add_field(transfer, field->name,
                  exchange->route != NULL ? field->value : exchange->target.authority);
    else if (field_is_named(field, "Transfer-Encoding"))
        add_field(transfer, field->name, "chunked");
    else if (field_is_named(field, "Max-Forwards") && is_limited_method(row->method))
        add_max_forwards(transfer, field);
    else if (!field_is_hop_by_hop(&row->request_headers, field) ||
             (transfer->may_upgrade && is_upgrade_field(field)))
        add_field(transfer, field->name, field->value);
}

static void suppress_if_absent(struct transfer *transfer, const char *name, const char *suppressor)
{
    if (fields_find(&transfer->exchange->row->request_headers, name) == NULL)
        add_line(transfer, suppressor);
}

static void add_fields(struct transfer *transfer)
{
    const struct fields *fields = &transfer->exchange->row->request_headers;
    // An empty Host first switches off the one that libcurl would put at the top, and lets ours
    // through at its own place.
    add_line(transfer, "Host:");
    // The same way libcurl does not see an Expect: it would send a refused request again without
    // it. Waiting is done by on_wanted_bytes().
    add_line(transfer, "Expect:");
    if (fields_find(fields, "Host") == NULL)
        add_field(transfer, "Host", transfer->exchange->target.authority);
    for (size_t i = 0; i < fields->count; i++)
        add_request_field(transfer, &fields->items[i]);
    suppress_if_absent(transfer, "Accept", "Accept:");
    suppress_if_absent(transfer, "User-Agent", "User-Agent:");
    suppress_if_absent(transfer, "Content-Type", "Content-Type:");
    add_line(transfer, "Proxy-Connection:");
    if (transfer->exchange->config->via) {
        char via[64];
        snprintf(via, sizeof(via), "1.1 %s", transfer->exchange->worker->via);
        add_field(transfer, "Via", via);
    }
}

static void set_target(struct transfer *transfer)
{
    const struct exchange *exchange = transfer->exchange;
    const struct target *target = &exchange->target;
    struct buffer text = {0};
    buffer_printf(&text, "%s://%s/", target->scheme, target->authority);
    curl_easy_setopt(transfer->job.easy, CURLOPT_URL, text.data);
    buffer_clear(&text);
    // A proxy further on gets the absolute form again.
    bool is_asterisk = strcmp(target->path, "*") == 0;
    if (upstream_has_http_proxy(exchange->config) && strcmp(target->scheme, "http") == 0 &&
        !transfer->may_upgrade)
        buffer_printf(&text, "http://%s", target->authority);
    if (!is_asterisk || text.length == 0)
        buffer_append_text(&text, target->path);
    if (target->query != NULL)
        buffer_printf(&text, "?%s", target->query);
    curl_easy_setopt(transfer->job.easy, CURLOPT_REQUEST_TARGET, text.data);
    buffer_fini(&text);
}

// What follows a 101 is to libcurl a body without framing: it is sent as it is. It takes a
// connection of its own, through proxies in a tunnel.
static void set_upgrade(struct transfer *transfer)
{
    CURL *easy = transfer->job.easy;
    add_line(transfer, "Transfer-Encoding:");
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)-1);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
}

static void set_body(struct transfer *transfer)
{
    const struct exchange *exchange = transfer->exchange;
    const char *method = exchange->row->method;
    bool has_body = exchange->request_length != 0;
    bool is_head = strcmp(method, "HEAD") == 0;
    if (transfer->may_upgrade) {
        set_upgrade(transfer);
    } else if (has_body) {
        curl_off_t length = exchange->request_length < 0 ? -1 : exchange->request_length;
        curl_easy_setopt(transfer->job.easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(transfer->job.easy, CURLOPT_INFILESIZE_LARGE, length);
        transfer->is_complete_at_head = is_head;
    } else if (is_head) {
        curl_easy_setopt(transfer->job.easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(transfer->job.easy, CURLOPT_CUSTOMREQUEST, method);
    // Without a body libcurl would send it again over a new connection if a reused one turns out
    // to be dead; with one it gives up, since it cannot rewind.
    if (!has_body && !method_is_idempotent(method))
        curl_easy_setopt(transfer->job.easy, CURLOPT_FRESH_CONNECT, 1L);
}

// libcurl shares a connection only among requests that name the same file.
static void set_client_cert(struct transfer *transfer)
{
    const struct target *target = &transfer->exchange->target;
    const char *file =
        upstream_find_client_cert(transfer->exchange->config, target->host, target->port);
    if (file == NULL || strcmp(target->scheme, "https") != 0)
        return;
    transfer->client_cert = file;
    curl_easy_setopt(transfer->job.easy, CURLOPT_SSLCERT, file);
    curl_easy_setopt(transfer->job.easy, CURLOPT_SSLKEY, file);
}

void upstream_set_request(struct transfer *transfer)
{
    set_client_cert(transfer);
    set_target(transfer);
    set_body(transfer);
    add_fields(transfer);
    curl_easy_setopt(transfer->job.easy, CURLOPT_HTTPHEADER, transfer->headers);
}

static struct connect_to *newest_connect_to(struct upstream *upstream, struct config *config)
{
    struct connect_to *newest = upstream->connect_to;
    if (newest != NULL && newest->config == config)
        return newest;
    struct connect_to *list = mem_calloc(1, sizeof(*list));
    list->config = config_retain(config);
    for (size_t i = 0; i < config->connect_to.count; i++)
        list->entries = curl_slist_append(list->entries, config->connect_to.items[i]);
    list->next = newest;
    upstream->connect_to = list;
    return list;
}

// Takes the list out that `link` points at.
static void free_connect_to(struct connect_to **link)
{
    struct connect_to *list = *link;
    *link = list->next;
    curl_slist_free_all(list->entries);
    config_release(list->config);
    free(list);
}

void upstream_leave_route(struct upstream_job *job)
{
    job->connect_to->jobs--;
    struct connect_to **link = &job->upstream->connect_to->next;
    while (*link != NULL) {
        if ((*link)->jobs == 0)
            free_connect_to(link);
        else
            link = &(*link)->next;
    }
}

void upstream_free_routes(struct upstream *upstream)
{
    while (upstream->connect_to != NULL)
        free_connect_to(&upstream->connect_to);
}

// Of an origin and of an https:// proxy on the way to it.
static void set_trust(CURL *easy, const struct config *config)
{
    // One's own roots stand beside the system's, which libcurl finds in their folder. Without, it
    // reads the system's one file, and keeps what it read if no folder is named.
    const char *own = config->upstream_ca_file;
    curl_easy_setopt(easy, own != NULL ? CURLOPT_CAINFO : CURLOPT_CAPATH, own);
    curl_easy_setopt(easy, own != NULL ? CURLOPT_PROXY_CAINFO : CURLOPT_PROXY_CAPATH, own);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->upstream_verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->upstream_verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYPEER, config->upstream_verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_VERIFYHOST, config->upstream_verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, upstream_on_tls_context);
}

static bool is_proxy_of(const struct config *config, const char *scheme)
{
    const char *proxy = config->upstream_proxy;
    return proxy != NULL && strncasecmp(proxy, scheme, strlen(scheme)) == 0;
}

bool upstream_has_http_proxy(const struct config *config)
{
    return is_proxy_of(config, "http://") || upstream_has_tls_proxy(config);
}

bool upstream_has_tls_proxy(const struct config *config)
{
    return is_proxy_of(config, "https://");
}

void upstream_set_route(struct upstream_job *job, struct config *config)
{
    CURL *easy = job->easy;
    const char *proxy = config->upstream_proxy;
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy == NULL ? "" : proxy);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, ""); // or it asks the environment
    job->connect_to = newest_connect_to(job->upstream, config);
    job->connect_to->jobs++;
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, job->connect_to->entries);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_SECONDS);
    set_trust(easy, config);
}
