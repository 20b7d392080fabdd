// SPDX-License-Identifier: MIT
// Walks over a body into a JSON value.
#include "json_body.h"

#include <string.h>

static int on_data(void *ctx, const void *data, size_t length)
{
    return json_stream_add(ctx, data, length) != 0 ? 1 : 0;
}

int json_put_body(struct json_out *json, const char *key, const struct body_view *body,
                  struct err *err)
{
    struct json_stream stream = {.json = json, .is_base64 = !body->is_utf8};
    json_stream_begin(&stream, key);
    int result = body_view_walk(body, on_data, &stream, err);
    json_stream_end(&stream);
    return result == 0 ? 0 : -1;
}

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    (void)seq;
    (void)at_us;
    return on_data(ctx, data, length);
}

int json_put_wire(struct json_out *json, const char *key, const struct body_view *body,
                  struct err *err)
{
    struct json_stream stream = {.json = json, .is_base64 = true};
    json_stream_begin(&stream, key);
    int result =
        store_walk_body(body->reader, body->exchange_id, body->side, on_segment, &stream, err);
    json_stream_end(&stream);
    return result == 0 ? 0 : -1;
}

static int put_chunk(struct json_out *json, int64_t at_us, int64_t bytes)
{
    json_put_open(json, NULL, '[');
    json_put_integer(json, NULL, at_us);
    json_put_integer(json, NULL, bytes);
    json_put_close(json, ']');
    return json_out_flush_if_full(json) != 0 ? 1 : 0;
}

static int on_chunk(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    (void)seq;
    (void)data;
    return put_chunk(ctx, at_us, (int64_t)length);
}

struct listed_chunks {
    struct json_out *json;
    const char *side;
};

// side, at_us, bytes
static int on_listed_chunk(void *ctx, size_t count, const char *const *names,
                           const struct value *values)
{
    struct listed_chunks *chunks = ctx;
    (void)count;
    (void)names;
    return strcmp(values[0].data, chunks->side) == 0
               ? put_chunk(chunks->json, values[1].integer, values[2].integer)
               : 0;
}

// A long body is not read once more for that.
static int list_chunks(struct json_out *json, const struct body_view *body, struct err *err)
{
    struct listed_chunks chunks = {json, body->side == BODY_REQUEST ? "request" : "response"};
    return store_list_segments(body->reader, body->exchange_id, -1, on_listed_chunk, &chunks, err);
}

int json_put_chunks(struct json_out *json, const char *key, const struct body_view *body,
                    struct err *err)
{
    json_put_open(json, key, '[');
    int result = body->is_whole ? store_walk_body(body->reader, body->exchange_id, body->side,
                                                  on_chunk, json, err)
                                : list_chunks(json, body, err);
    json_put_close(json, ']');
    return result == 0 ? 0 : -1;
}
