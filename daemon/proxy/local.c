// SPDX-License-Identifier: MIT
// The pages. Plain text: most of them are read in a terminal or in a log.
#include "local.h"

#include "hark/authority.h"
#include "redacting.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

struct hint {
    const char *code;
    enum row_state state;
    const char *try_this;
};

static const struct hint hints[] = {
    {"dns", ROW_STATE_UPSTREAM_ERROR,
     "Check the spelling of the host, and the name servers of this machine."},
    {"connect", ROW_STATE_UPSTREAM_ERROR,
     "Check that the server runs and that the port is the right one."},
    {"connect-timeout", ROW_STATE_UPSTREAM_ERROR,
     "The host may be down or behind a firewall; the limit is connect_timeout."},
    {"tls-verify", ROW_STATE_UPSTREAM_ERROR,
     "Name the right roots with upstream_ca_file if you trust this server."},
    {"tls", ROW_STATE_UPSTREAM_ERROR, "The server may speak no TLS on this port."},
    {"upstream-reset", ROW_STATE_UPSTREAM_ERROR,
     "The request may have arrived; it was not sent a second time."},
    {"upstream-timeout", ROW_STATE_UPSTREAM_ERROR,
     "Raise header_timeout or idle_timeout if the server needs longer."},
    {"bad-response", ROW_STATE_UPSTREAM_ERROR, "The server's answer is not valid HTTP/1.x."},
    {"bad-request", ROW_STATE_DONE, "The request is not valid; nothing was sent to the server."},
    {"loop", ROW_STATE_DONE, "The request was sent back to hark itself; nothing was forwarded."},
    {"forbidden", ROW_STATE_DONE, "This address is not reachable through the proxy."},
    {"playback-miss", ROW_STATE_DONE,
     "Record it first (mode = record or playback-or-record), or say with playback_match,\n"
     "playback_ignore_query or playback_ignore_headers what does not count."},
    {"not-recording", ROW_STATE_DONE,
     "With this durability nothing is forwarded that cannot be recorded; see hark status."},
    {"too-large", ROW_STATE_DONE, "Raise max_body_bytes if requests may be that large."},
    {"proxy-auth", ROW_STATE_DONE,
     "Give them in the proxy's address: http://USER:PASSWORD@HOST:PORT"},
    {"not-supported", ROW_STATE_DONE, "This version of hark does not do that."},
};

static const struct hint *find_hint(const char *code)
{
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (strcmp(hints[i].code, code) == 0)
            return &hints[i];
    return NULL;
}

static void add_header(struct response_head *head, const char *name, const char *value)
{
    fields_add(&head->fields, head->arena, name, strlen(name), value, strlen(value));
}

static void answer(struct exchange *exchange, struct response_head *head,
                   const struct buffer *content)
{
    head->version = "HTTP/1.1";
    head->reason = local_reason_phrase(head->status);
    head->is_complete = true;
    exchange_response_head(exchange, head, (int64_t)content->length);
    if (content->length > 0 && status_has_body(head->status, exchange->row->method))
        exchange_response_data(exchange, content->data, content->length);
    exchange_response_end(exchange);
}

static struct response_head new_head(struct exchange *exchange, int status,
                                     const char *content_type)
{
    struct response_head head = {.arena = &exchange->row->arena, .status = status};
    add_header(&head, "Content-Type", content_type);
    add_header(&head, "X-Content-Type-Options", "nosniff");
    return head;
}

const char *local_reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 407:
        return "Proxy Authentication Required";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 421:
        return "Misdirected Request";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    case 508:
        return "Loop Detected";
    default:
        return "";
    }
}

void local_append_error_page(const struct exchange *exchange, const char *code, const char *text,
                             struct buffer *page)
{
    const struct exchange_row *row = exchange->row;
    const struct hint *hint = find_hint(code);
    buffer_printf(page, "hark: %s: ", code);
    redacting_append_error(exchange, code, text, page);
    buffer_append_text(page, "\n\n");
    redacting_append_request(exchange, page);
    buffer_append_char(page, '\n');
    if (hint != NULL)
        buffer_printf(page, "%s\n", hint->try_this);
    if (!exchange->journal.is_off)
        buffer_printf(page, "Look at it with: hark show %" PRId64 "\n", row->id);
}

void local_answer_error(struct exchange *exchange, int status, const char *code, const char *text)
{
    const struct hint *hint = find_hint(code);
    struct response_head head = new_head(exchange, status, "text/plain; charset=utf-8");
    struct buffer page = {0};
    add_header(&head, "Hark-Error", code);
    if (exchange->login.is_challenged)
        add_header(&head, "Proxy-Authenticate", LOGIN_CHALLENGE);
    local_append_error_page(exchange, code, text, &page);
    exchange_set_outcome(exchange, hint != NULL ? hint->state : ROW_STATE_UPSTREAM_ERROR, code,
                         text);
    answer(exchange, &head, &page);
    buffer_fini(&page);
}

// The first that is known before it is bound; else what `hark run` sets.
static const char *proxy_address(const struct exchange *exchange)
{
    const struct config_list *listen = &exchange->config->listen;
    for (size_t i = 0; i < listen->count; i++) {
        const char *colon = strrchr(listen->items[i], ':');
        if (colon != NULL && strcmp(colon, ":0") != 0)
            return listen->items[i];
    }
    return NULL;
}

static const char help_text[] =
    "This is hark, a flight recorder for HTTP. It is a proxy: point a program at this address\n"
    "and everything it sends and gets is recorded.\n"
    "\n"
    "  http_proxy=%1$s%2$s curl http://example.com/\n"
    "\n"
    "For https:// a program has to trust hark's own certificate authority. Its certificate is\n"
    "http://hark.internal/ca.pem (asked for through the proxy), and ca.pem in the data folder:\n"
    "\n"
    "  https_proxy=%1$s%2$s curl --cacert ca.pem https://example.com/\n"
    "\n"
    "Then look at it:\n"
    "\n"
    "  hark ls               the last exchanges\n"
    "  hark show @last       the last one in full\n"
    "  hark sql 'SELECT host, requests FROM host_stats'\n";

static void answer_text(struct exchange *exchange, int status, const char *content_type,
                        const char *text)
{
    struct response_head head = new_head(exchange, status, content_type);
    struct buffer content = {0};
    buffer_append_text(&content, text);
    answer(exchange, &head, &content);
    buffer_fini(&content);
}

void local_answer_help(struct exchange *exchange)
{
    const char *address = proxy_address(exchange);
    struct buffer text = {0};
    buffer_printf(&text, help_text, address != NULL ? "http://" : "",
                  address != NULL ? address : "$http_proxy");
    answer_text(exchange, 200, "text/plain; charset=utf-8", text.data);
    buffer_fini(&text);
}

void local_answer_internal(struct exchange *exchange)
{
    const char *path = exchange->row->path;
    const struct authority *authority = exchange->worker->authority;
    if (strcmp(path, "/") == 0)
        local_answer_help(exchange);
    else if (strcmp(path, "/ca.pem") == 0 && authority != NULL)
        answer_text(exchange, 200, "application/x-pem-file", authority_pem(authority));
    else
        answer_text(exchange, 404, "text/plain; charset=utf-8",
                    "hark: there is / and /ca.pem here, and nothing else\n");
}

void local_answer_options(struct exchange *exchange)
{
    struct response_head head = {.arena = &exchange->row->arena, .status = 200};
    struct buffer content = {0};
    add_header(&head, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
    answer(exchange, &head, &content);
}

static bool is_secret(const struct field *field)
{
    return field_is_named(field, "Authorization") || field_is_named(field, "Cookie") ||
           field_is_named(field, "Proxy-Authorization");
}

// What comes back is recorded as a body, and so has to be redacted here.
static void append_field(const struct redaction *rules, const struct field *field,
                         struct buffer *out)
{
    buffer_printf(out, "%s: ", field->name);
    redact_field(rules, field->name, field->value, out);
    buffer_append_text(out, "\r\n");
}

void local_answer_trace(struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    const struct redaction rules = redacting_rules(exchange);
    struct response_head head = new_head(exchange, 200, "message/http");
    struct buffer content = {0};
    struct buffer url = {0};
    redacting_append_url(exchange, &url);
    buffer_printf(&content, "%s %s %s\r\n", row->method, url.data, row->request_version);
    for (size_t i = 0; i < row->request_headers.count; i++) {
        const struct field *field = &row->request_headers.items[i];
        if (!is_secret(field))
            append_field(&rules, field, &content);
    }
    buffer_append_text(&content, "\r\n");
    answer(exchange, &head, &content);
    buffer_fini(&url);
    buffer_fini(&content);
}
