// SPDX-License-Identifier: MIT
// Lines as hark exports them: the columns under their names. What a person leaves out of one that
// is written by hand is nothing, but the time, the method and the place are needed.
#include "hark/base64.h"
#include "hark/message.h"
#include "hark/websocket.h"
#include "import_entry.h"
#include "import_values.h"

#include <string.h>

static void read_place(struct exchange_row *row, const json_t *line, struct err *err)
{
    const char *url = import_text(line, "url", err);
    row->scheme = import_row_text(row, line, "scheme", err);
    row->host = import_row_text(row, line, "host", err);
    if (row->host == NULL) {
        if (url == NULL || import_url(row, url, err) > 0)
            err_set(err, "there is neither a host nor a url of http or https");
        return;
    }
    int64_t port = import_integer(line, "port", 0, err);
    if (port < 0 || port > 65535)
        err_set(err, "port is no port");
    row->port = (int)port;
    row->path = import_row_text(row, line, "path", err);
    // An empty query is one, too.
    row->query = arena_strdup(&row->arena, import_text(line, "query", err));
}

static void read_start(struct exchange_row *row, const json_t *line, struct err *err)
{
    const char *started_at = import_text(line, "started_at", err);
    row->started_us = import_integer(line, "started_us", -1, err);
    if (row->started_us < 0 &&
        (started_at == NULL || import_date(started_at, &row->started_us) != 0))
        err_set(err, "there is neither started_us nor started_at");
}

static void read_heads(struct exchange_row *row, const json_t *line, struct err *err)
{
    row->method = import_row_text(row, line, "method", err);
    if (row->method == NULL || !text_is_token(row->method, strlen(row->method)))
        err_set(err, "method is missing or no method");
    row->request_version = import_row_text(row, line, "request_version", err);
    import_pairs(row, &row->request_headers, line, "request_headers", err);
    int64_t status = import_integer(line, "status", 0, err);
    if (status < 0 || status > 999)
        err_set(err, "status is no status");
    row->status = (int)status;
    row->reason = arena_strdup(&row->arena, import_text(line, "reason", err)); // may be empty
    row->response_version = import_row_text(row, line, "response_version", err);
    import_pairs(row, &row->response_headers, line, "response_headers", err);
    row->request_type = media_type(&row->request_headers, &row->arena);
    row->response_type = media_type(&row->response_headers, &row->arena);
    row->response_encoding = content_encoding(&row->response_headers, &row->arena);
}

static int64_t read_body(struct whole_exchange *exchange, enum body_side side, const json_t *line,
                         const char *key, struct err *err)
{
    const json_t *given = import_object(line, key, err);
    const json_t *wire = import_member(given, "wire_base64");
    const json_t *base64 = wire != NULL ? wire : import_member(given, "base64");
    const struct import_body body = {
        .side = side,
        .text = base64 != NULL ? base64 : import_member(given, "text"),
        .is_base64 = base64 != NULL,
        .chunks = json_object_get(given, "chunks"),
    };
    return import_body(exchange, &body, err);
}

static void read_bodies(struct whole_exchange *exchange, const json_t *line, struct err *err)
{
    struct exchange_row *row = exchange->row;
    int64_t request = read_body(exchange, BODY_REQUEST, line, "request_body", err);
    int64_t response = read_body(exchange, BODY_RESPONSE, line, "response_body", err);
    bool has_sizes = json_object_get(line, "request_size") != NULL &&
                     json_object_get(line, "response_size") != NULL;
    row->request_size = has_sizes ? import_count(line, "request_size", err) : request;
    row->response_size = has_sizes ? import_count(line, "response_size", err) : response;
}

static void read_message(struct whole_exchange *exchange, const json_t *given, struct err *err)
{
    const char *direction = import_text(given, "direction", err);
    const json_t *base64 = json_object_get(given, "base64");
    const json_t *text = json_object_get(given, "text");
    int64_t opcode = import_integer(given, "opcode", WEBSOCKET_TEXT, err);
    struct buffer decoded = {0};
    if (opcode < 0 || opcode > 15)
        err_set(err, "the opcode of a message is none");
    if (base64 != NULL &&
        base64_decode(&decoded, json_string_value(base64), json_string_length(base64)) != 0)
        err_set(err, "a message is not the base64 it is said to be");
    const struct whole_message message = {
        .side = direction != NULL && strcmp(direction, "send") == 0 ? BODY_REQUEST : BODY_RESPONSE,
        .opcode = (int)opcode,
        .at_us = import_integer(given, "at_us", 0, err),
        .data = base64 != NULL ? decoded.data : json_string_value(text),
        .length = base64 != NULL ? decoded.length : json_string_length(text),
    };
    whole_exchange_add_message(exchange, &message);
    buffer_fini(&decoded);
}

static void read_note(struct whole_exchange *exchange, const json_t *given, struct err *err)
{
    import_note(exchange, import_bool(given, "is_mark", err), import_text(given, "text", err),
                import_count(given, "created_us", err));
}

enum import_entry import_jsonl_entry(struct whole_exchange *exchange, const json_t *line,
                                     struct err *err)
{
    struct exchange_row *row = exchange->row;
    const char *kind = import_text(line, "kind", err);
    int known_kind = kind != NULL ? row_kind_from_name(kind) : ROW_KIND_HTTP;
    if (known_kind < 0)
        err_set(err, "\"%s\" is no kind", kind);
    else
        row->kind = (enum row_kind)known_kind;
    read_heads(row, line, err);
    read_start(row, line, err);
    if (!err->is_set)
        read_place(row, line, err);
    import_columns(row, line, err);
    read_bodies(exchange, line, err);
    size_t i;
    const json_t *message;
    json_array_foreach(json_object_get(line, "messages"), i, message)
        read_message(exchange, message, err);
    const json_t *note;
    json_array_foreach(json_object_get(line, "notes"), i, note) read_note(exchange, note, err);
    return err->is_set ? IMPORT_INVALID : IMPORT_READ;
}
