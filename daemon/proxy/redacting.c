// SPDX-License-Identifier: MIT
// A body is searched on the worker that forwards it, chunk by chunk: nothing that is secret is ever
// queued, and no thread has the work of all workers.
#include "redacting.h"

#include "exchange.h"
#include "hark/mem.h"
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

void redacting_append_request(const struct exchange *exchange, struct buffer *out)
{
    const struct redaction rules = redacting_rules(exchange);
    if (redacts_method(&rules, exchange->row->method)) {
        buffer_append_text(out, "(a request line without a method)");
        return;
    }
    buffer_printf(out, "%s ", exchange->row->method);
    redacting_append_url(exchange, out);
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

// On its way: the body of one side, and where its chunks go.
struct passage {
    struct redacting_body *body;
    struct exchange_row *row;
    enum body_side side;
    redacting_chunk_fn give;
    void *ctx;
};

// In chunks of the usual size, without cutting a character.
static bool give_out(void *ctx, struct buffer *out)
{
    struct passage *passage = ctx;
    struct redacting_body *body = passage->body;
    size_t at = 0;
    bool has_room = true;
    body->is_decoded = redact_body_is_decoded(body->search);
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
        has_room = passage->give(passage->ctx, passage->side, chunk);
        chunk_unref(chunk);
        at += length;
    }
    buffer_clear(out);
    return has_room;
}

static void forget_waiting(struct redacting_body *body)
{
    for (size_t i = 0; i < body->waiting_count; i++)
        chunk_unref(body->waiting[i]);
    free(body->waiting);
    body->waiting = NULL;
    body->waiting_count = 0;
}

static void cut(struct passage *passage, const struct err *err)
{
    struct redacting_body *body = passage->body;
    struct exchange_row *row = passage->row;
    const char *name = passage->side == BODY_REQUEST ? "request" : "response";
    body->is_cut = true;
    forget_waiting(body);
    row->body_truncated = true;
    if (row->error_text == NULL)
        row->error_text =
            arena_printf(&row->arena,
                         "of the body of the %s only %" PRId64 " bytes were recorded: what follows "
                         "could not be searched for what redact_json and redact_form name: %s",
                         name, body->out_bytes, err->text);
}

static void search(struct passage *passage, struct chunk *chunk)
{
    struct redacting_body *body = passage->body;
    bool is_resumed = chunk == body->paused;
    struct buffer out = {0};
    struct err err = {0};
    body->at_us = chunk->at_us;
    int rc = is_resumed ? redact_body_resume(body->search, &out, give_out, passage, &err)
                        : redact_body_write_drained(body->search, chunk->data, chunk->length, &out,
                                                    give_out, passage, &err);
    give_out(passage, &out);
    if (rc == 1 && !is_resumed)
        body->paused = chunk_ref(chunk);
    if (rc != 1 && is_resumed) {
        chunk_unref(body->paused);
        body->paused = NULL;
    }
    if (rc < 0)
        cut(passage, &err);
    buffer_fini(&out);
}

static void add_waiting(struct redacting_body *body, struct chunk *chunk)
{
    size_t size = (body->waiting_count + 1) * sizeof(struct chunk *);
    body->waiting = mem_realloc(body->waiting, size);
    body->waiting[body->waiting_count++] = chunk_ref(chunk);
}

static struct chunk *take_waiting(struct redacting_body *body)
{
    struct chunk *chunk = body->waiting[0];
    body->waiting_count--;
    memmove(body->waiting, body->waiting + 1, body->waiting_count * sizeof(struct chunk *));
    return chunk;
}

void redacting_body_add(struct redacting_body *body, const struct redaction *rules,
                        struct exchange_row *row, enum body_side side, struct chunk *chunk,
                        redacting_chunk_fn give, void *ctx)
{
    struct passage passage = {body, row, side, give, ctx};
    if (!body->is_known)
        body->search = redact_body_create(rules, headers_of(row, side), type_of(row, side),
                                          coding_of(row, side));
    body->is_known = true;
    if (body->search == NULL) {
        give(ctx, side, chunk);
        return;
    }
    body->in_bytes += (int64_t)chunk->length;
    body->is_searched = true;
    if (body->is_cut)
        return;
    if (body->paused != NULL)
        add_waiting(body, chunk);
    else
        search(&passage, chunk);
}

static void finish(struct passage *passage)
{
    struct redacting_body *body = passage->body;
    struct buffer out = {0};
    struct err err = {0};
    body->has_ended = true;
    int rc = redact_body_finish(body->search, &out, &err);
    give_out(passage, &out);
    if (rc != 0)
        cut(passage, &err);
    buffer_fini(&out);
}

void redacting_body_end(struct redacting_body *body, struct exchange_row *row, enum body_side side,
                        redacting_chunk_fn give, void *ctx)
{
    struct passage passage = {body, row, side, give, ctx};
    if (!body->is_searched || body->is_cut || body->has_ended)
        return;
    if (body->paused != NULL)
        body->must_end = true;
    else
        finish(&passage);
}

bool redacting_body_is_behind(const struct redacting_body *body)
{
    return body->paused != NULL;
}

void redacting_body_go_on(struct redacting_body *body, struct exchange_row *row,
                          enum body_side side, redacting_chunk_fn give, void *ctx)
{
    struct passage passage = {body, row, side, give, ctx};
    if (body->paused != NULL)
        search(&passage, body->paused);
    while (body->paused == NULL && body->waiting_count > 0) {
        struct chunk *chunk = take_waiting(body);
        search(&passage, chunk);
        chunk_unref(chunk);
    }
    if (body->paused == NULL && body->must_end && !body->is_cut && !body->has_ended)
        finish(&passage);
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
    chunk_unref(body->paused);
    forget_waiting(body);
    *body = (struct redacting_body){0};
}
