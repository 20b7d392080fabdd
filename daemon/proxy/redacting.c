// SPDX-License-Identifier: MIT
// A body is searched on the worker that forwards it, chunk by chunk: nothing that is secret is ever
// queued, and no thread has the work of all workers.
#include "redacting.h"

#include "exchange.h"
#include "hark/utf8_stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct redaction redacting_rules(const struct exchange *exchange)
{
    return redaction_of(exchange->config, exchange->worker->redact_key);
}

bool redacting_is_off(const struct exchange *exchange)
{
    const struct redaction rules = redacting_rules(exchange);
    return redaction_is_off(&rules);
}

void redacting_append_url(const struct exchange *exchange, struct buffer *out)
{
    const struct redaction rules = redacting_rules(exchange);
    struct buffer url = {0};
    row_append_url(exchange->row, &url);
    if (url.length == 0)
        buffer_append_text(&url, exchange->row->path); // "*", or what is no target at all
    redact_target(&rules, url.data, out);
    buffer_fini(&url);
}

void redacting_append_error(const struct exchange *exchange, const char *code, const char *text,
                            struct buffer *out)
{
    const struct redaction rules = redacting_rules(exchange);
    if (redaction_is_off(&rules))
        buffer_append_text(out, text);
    else
        redact_error(&rules, code, text, out);
}

// --- bodies ------------------------------------------------------------------------------------

static struct fields *headers_of(struct exchange_row *row, enum body_side side)
{
    return side == BODY_REQUEST ? &row->request_headers : &row->response_headers;
}

// An imported answer may be decoded already: the row says so, its header fields do not.
static const char *coding_of(struct exchange_row *row, enum body_side side)
{
    return side == BODY_RESPONSE ? row->response_encoding
                                 : content_encoding(&row->request_headers, &row->arena);
}

// An imported message may have it without a field that says so.
static const char *type_of(const struct exchange_row *row, enum body_side side)
{
    return side == BODY_REQUEST ? row->request_type : row->response_type;
}

// In chunks of the usual size, without cutting a character.
static void give_out(struct redacting_body *body, enum body_side side, const struct buffer *out,
                     redacting_chunk_fn give, void *ctx)
{
    size_t at = 0;
    body->out_bytes += (int64_t)out->length;
    while (at < out->length) {
        size_t length = out->length - at;
        if (length > CHUNK_MAX_BYTES) {
            length = CHUNK_MAX_BYTES;
            length -= utf8_cut_length(out->data + at, length);
        }
        struct chunk *chunk = chunk_create(length, body->at_us);
        chunk_append(chunk, out->data + at, length);
        chunk_seal(chunk);
        give(ctx, side, chunk);
        chunk_unref(chunk);
        at += length;
    }
}

// Where what comes out of one chunk goes. Owner: redacting_body_add().
struct outlet {
    struct redacting_body *body;
    enum body_side side;
    redacting_chunk_fn give;
    void *ctx;
};

static void drain(void *ctx, struct buffer *out)
{
    const struct outlet *outlet = ctx;
    struct redacting_body *body = outlet->body;
    body->is_decoded = redact_body_is_decoded(body->search);
    give_out(body, outlet->side, out, outlet->give, outlet->ctx);
    buffer_clear(out);
}

static void cut(struct redacting_body *body, struct exchange_row *row, enum body_side side,
                const struct err *err)
{
    const char *name = side == BODY_REQUEST ? "request" : "response";
    body->is_cut = true;
    row->body_truncated = true;
    if (row->error_text == NULL)
        row->error_text =
            arena_printf(&row->arena,
                         "of the body of the %s only %" PRId64 " bytes were recorded: what follows "
                         "could not be searched for what redact_json and redact_form name: %s",
                         name, body->out_bytes, err->text);
}

void redacting_body_add(struct redacting_body *body, const struct redaction *rules,
                        struct exchange_row *row, enum body_side side, struct chunk *chunk,
                        redacting_chunk_fn give, void *ctx)
{
    if (!body->is_known)
        body->search = redact_body_create(rules, headers_of(row, side), type_of(row, side),
                                          coding_of(row, side));
    body->is_known = true;
    if (body->search == NULL) {
        give(ctx, side, chunk);
        return;
    }
    struct buffer out = {0};
    struct err err = {0};
    body->in_bytes += (int64_t)chunk->length;
    body->at_us = chunk->at_us;
    body->is_searched = true;
    if (body->is_cut)
        return;
    struct outlet outlet = {.body = body, .side = side, .give = give, .ctx = ctx};
    int rc = redact_body_write_drained(body->search, chunk->data, chunk->length, &out, drain,
                                       &outlet, &err);
    drain(&outlet, &out);
    if (rc != 0)
        cut(body, row, side, &err);
    buffer_fini(&out);
}

void redacting_body_end(struct redacting_body *body, struct exchange_row *row, enum body_side side,
                        redacting_chunk_fn give, void *ctx)
{
    struct buffer out = {0};
    struct err err = {0};
    if (!body->is_searched || body->is_cut || body->has_ended)
        return;
    body->has_ended = true;
    int rc = redact_body_finish(body->search, &out, &err);
    give_out(body, side, &out, give, ctx);
    if (rc != 0)
        cut(body, row, side, &err);
    buffer_fini(&out);
}

static void set_length(struct redacting_body const *body, struct fields *headers,
                       struct arena *arena)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct field *field = &headers->items[i];
        // Of a body that broke off the length is what it was to have been.
        if (!field_is_named(field, "Content-Length") ||
            strtoll(field->value, NULL, 10) != body->in_bytes)
            continue;
        field->value = arena_printf(arena, "%" PRId64, body->out_bytes);
        field->value_length = strlen(field->value);
    }
}

static void drop_coding(struct fields *headers)
{
    size_t kept = 0;
    for (size_t i = 0; i < headers->count; i++)
        if (!field_is_named(&headers->items[i], "Content-Encoding"))
            headers->items[kept++] = headers->items[i];
    headers->count = kept;
}

void redacting_body_describe(const struct redacting_body *body, struct exchange_row *row,
                             enum body_side side)
{
    if (!body->is_searched)
        return;
    struct fields *headers = headers_of(row, side);
    if (body->is_decoded) {
        drop_coding(headers);
        if (side == BODY_RESPONSE)
            row->response_encoding = NULL;
    }
    if (!body->has_ended)
        return;
    set_length(body, headers, &row->arena);
    if (side == BODY_REQUEST)
        row->request_size = body->out_bytes;
    else
        row->response_size = body->out_bytes;
}

void redacting_body_fini(struct redacting_body *body)
{
    redact_body_destroy(body->search);
    *body = (struct redacting_body){0};
}
