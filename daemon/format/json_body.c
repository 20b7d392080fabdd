// SPDX-License-Identifier: MIT
// Walks over a body into a JSON value.
#include "json_body.h"

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

static int on_chunk(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    struct json_out *json = ctx;
    (void)seq;
    (void)data;
    json_put_open(json, NULL, '[');
    json_put_integer(json, NULL, at_us);
    json_put_integer(json, NULL, (int64_t)length);
    json_put_close(json, ']');
    return json_out_flush_if_full(json) != 0 ? 1 : 0;
}

int json_put_chunks(struct json_out *json, const char *key, const struct body_view *body,
                    struct err *err)
{
    json_put_open(json, key, '[');
    int result = store_walk_body(body->reader, body->exchange_id, body->side, on_chunk, json, err);
    json_put_close(json, ']');
    return result == 0 ? 0 : -1;
}
