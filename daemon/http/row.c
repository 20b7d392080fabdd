// SPDX-License-Identifier: MIT
// Exchange rows: making and copying them, the names of their enums, and their URL.
#include "hark/row.h"

#include <stdlib.h>
#include <string.h>

static const char *const source_names[] = {
    [ROW_SOURCE_PROXY] = "proxy",
    [ROW_SOURCE_REPLAY] = "replay",
    [ROW_SOURCE_IMPORT] = "import",
    [ROW_SOURCE_PLAYBACK] = "playback",
};

static const char *const kind_names[] = {
    [ROW_KIND_HTTP] = "http",
    [ROW_KIND_TUNNEL] = "tunnel",
    [ROW_KIND_WEBSOCKET] = "websocket",
};

static const char *const state_names[] = {
    [ROW_STATE_PENDING] = "pending",           [ROW_STATE_DONE] = "done",
    [ROW_STATE_CLIENT_ABORT] = "client-abort", [ROW_STATE_UPSTREAM_ERROR] = "upstream-error",
    [ROW_STATE_TRUNCATED] = "truncated",       [ROW_STATE_INTERRUPTED] = "interrupted",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static int index_of(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

const char *row_source_name(enum row_source source)
{
    return source_names[source];
}

const char *row_kind_name(enum row_kind kind)
{
    return kind_names[kind];
}

const char *row_state_name(enum row_state state)
{
    return state_names[state];
}

int row_source_from_name(const char *name)
{
    return index_of(source_names, COUNT_OF(source_names), name);
}

int row_kind_from_name(const char *name)
{
    return index_of(kind_names, COUNT_OF(kind_names), name);
}

int row_state_from_name(const char *name)
{
    return index_of(state_names, COUNT_OF(state_names), name);
}

struct exchange_row *row_create(void)
{
    struct exchange_row *row = mem_calloc(1, sizeof(*row));
    row->duration_us = -1;
    row->timing = (struct row_timing){-1, -1, -1, -1, -1, -1};
    return row;
}

struct exchange_row *row_clone(const struct exchange_row *row)
{
    struct exchange_row *copy = mem_calloc(1, sizeof(*copy));
    *copy = *row;
    copy->arena = (struct arena){0};

    const char **texts[] = {
        &copy->error,        &copy->error_text,    &copy->client_addr,
        &copy->method,       &copy->scheme,        &copy->host,
        &copy->path,         &copy->query,         &copy->request_version,
        &copy->request_type, &copy->reason,        &copy->response_version,
        &copy->interim,      &copy->response_type, &copy->response_encoding,
        &copy->server_addr,  &copy->tls_version,   &copy->tls_cipher,
        &copy->server_cert,  &copy->sni,
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_strdup(&copy->arena, *texts[i]);

    fields_copy(&copy->request_headers, &copy->arena, &row->request_headers);
    fields_copy(&copy->request_trailers, &copy->arena, &row->request_trailers);
    fields_copy(&copy->response_headers, &copy->arena, &row->response_headers);
    fields_copy(&copy->response_trailers, &copy->arena, &row->response_trailers);
    return copy;
}

void row_destroy(struct exchange_row *row)
{
    if (row == NULL)
        return;
    arena_fini(&row->arena);
    free(row);
}

static bool is_default_port(const char *scheme, int port)
{
    if (scheme == NULL)
        return false;
    return (port == 80 && strcmp(scheme, "http") == 0) ||
           (port == 443 && strcmp(scheme, "https") == 0);
}

static void append_authority(const struct exchange_row *row, struct buffer *out)
{
    bool is_ipv6 = strchr(row->host, ':') != NULL;
    if (row->scheme != NULL) {
        buffer_append_text(out, row->scheme);
        buffer_append_text(out, "://");
    }
    buffer_append_text(out, is_ipv6 ? "[" : "");
    buffer_append_text(out, row->host);
    buffer_append_text(out, is_ipv6 ? "]" : "");
    if (row->port != 0 && !is_default_port(row->scheme, row->port))
        buffer_printf(out, ":%d", row->port);
}

void row_append_url(const struct exchange_row *row, struct buffer *out)
{
    if (row->host != NULL)
        append_authority(row, out);
    if (row->path != NULL && strcmp(row->path, "*") != 0)
        buffer_append_text(out, row->path);
    if (row->query != NULL) {
        buffer_append_char(out, '?');
        buffer_append_text(out, row->query);
    }
}
