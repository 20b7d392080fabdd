// SPDX-License-Identifier: MIT
// Long texts are taken in slices, since escaping can make six bytes of one.
#include "hark/json_out.h"

#include "hark/utf8_stream.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)64 * 1024)
#define SLICE_BYTES ((size_t)48 * 1024) // a multiple of three: base64 of it has no padding

void json_out_fini(struct json_out *json)
{
    buffer_fini(&json->line);
}

int json_out_flush(struct json_out *json)
{
    if (json->out == NULL)
        return 0;
    fwrite(json->line.data, 1, json->line.length, json->out);
    buffer_clear(&json->line);
    return ferror(json->out) ? -1 : 0;
}

int json_out_flush_if_full(struct json_out *json)
{
    return json->line.length >= FLUSH_BYTES ? json_out_flush(json) : 0;
}

// --- values -------------------------------------------------------------------------------------

static void begin_value(struct json_out *json, const char *key)
{
    if (json->wants_comma)
        buffer_append_char(&json->line, ',');
    if (key != NULL)
        buffer_printf(&json->line, "\"%s\":", key);
    json->wants_comma = true;
}

void json_put_open(struct json_out *json, const char *key, char bracket)
{
    begin_value(json, key);
    buffer_append_char(&json->line, bracket);
    json->wants_comma = false;
}

void json_put_close(struct json_out *json, char bracket)
{
    buffer_append_char(&json->line, bracket);
    json->wants_comma = true;
}

void json_put_newline(struct json_out *json)
{
    if (json->wants_comma)
        buffer_append_char(&json->line, ',');
    buffer_append_char(&json->line, '\n');
    json->wants_comma = false;
}

void json_put_text_n(struct json_out *json, const char *key, const char *text, size_t length)
{
    begin_value(json, key);
    buffer_append_json_string(&json->line, text, length);
}

void json_put_text(struct json_out *json, const char *key, const char *text)
{
    if (text != NULL) {
        json_put_text_n(json, key, text, strlen(text));
        return;
    }
    begin_value(json, key);
    buffer_append_text(&json->line, "null");
}

void json_put_integer(struct json_out *json, const char *key, int64_t value)
{
    begin_value(json, key);
    buffer_printf(&json->line, "%" PRId64, value);
}

void json_put_optional(struct json_out *json, const char *key, int64_t value, int64_t null)
{
    if (value == null)
        json_put_text(json, key, NULL);
    else
        json_put_integer(json, key, value);
}

void json_put_thousandths(struct json_out *json, const char *key, int64_t value)
{
    begin_value(json, key);
    uint64_t size = value < 0 ? (uint64_t)-value : (uint64_t)value;
    buffer_printf(&json->line, "%s%" PRIu64, value < 0 ? "-" : "", size / 1000);
    char digits[5];
    size_t length = (size_t)snprintf(digits, sizeof(digits), ".%03u", (unsigned)(size % 1000));
    while (length > 1 && digits[length - 1] == '0')
        length--;
    if (length > 1)
        buffer_append(&json->line, digits, length);
}

void json_put_number(struct json_out *json, const char *key, const char *digits)
{
    begin_value(json, key);
    buffer_append_text(&json->line, digits);
}

void json_put_bool(struct json_out *json, const char *key, bool value)
{
    begin_value(json, key);
    buffer_append_text(&json->line, value ? "true" : "false");
}

// One way of writing, whoever wrote it before.
void json_put_literal(struct json_out *json, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    char *written = value != NULL ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (written == NULL) {
        json_put_text(json, key, text);
    } else {
        begin_value(json, key);
        buffer_append_text(&json->line, written);
    }
    free(written);
    json_decref(value);
}

void json_put_fields(struct json_out *json, const char *key, const struct fields *fields)
{
    begin_value(json, key);
    fields_to_json(fields, &json->line);
}

// --- strings in pieces --------------------------------------------------------------------------

void json_stream_begin(struct json_stream *stream, const char *key)
{
    begin_value(stream->json, key);
    buffer_append_char(&stream->json->line, '"');
}

// Whole characters, without the quotes.
static void append_escaped(struct buffer *line, const char *text, size_t length)
{
    struct buffer quoted = {0};
    buffer_append_json_string(&quoted, text, length);
    buffer_append(line, quoted.data + 1, quoted.length - 2);
    buffer_fini(&quoted);
}

static void add_text_slice(struct json_stream *stream, const char *data, size_t length)
{
    struct buffer text = {0};
    buffer_append(&text, stream->cut, stream->cut_length);
    buffer_append(&text, data, length);
    stream->cut_length = utf8_cut_length(text.data, text.length);
    size_t whole = text.length - stream->cut_length;
    append_escaped(&stream->json->line, text.data, whole);
    memcpy(stream->cut, text.data + whole, stream->cut_length);
    buffer_fini(&text);
}

int json_stream_add(struct json_stream *stream, const void *data, size_t length)
{
    const char *at = data;
    int result = 0;
    while (result == 0 && length > 0) {
        size_t now = length < SLICE_BYTES ? length : SLICE_BYTES;
        if (stream->is_base64)
            base64_stream_append(&stream->base64, &stream->json->line, at, now);
        else
            add_text_slice(stream, at, now);
        at += now;
        length -= now;
        result = json_out_flush_if_full(stream->json);
    }
    return result;
}

void json_stream_end(struct json_stream *stream)
{
    base64_stream_finish(&stream->base64, &stream->json->line);
    append_escaped(&stream->json->line, stream->cut, stream->cut_length);
    buffer_append_char(&stream->json->line, '"');
}

int json_put_base64(struct json_out *json, const char *key, const void *data, size_t length)
{
    struct json_stream stream = {.json = json, .is_base64 = true};
    json_stream_begin(&stream, key);
    int result = json_stream_add(&stream, data, length);
    json_stream_end(&stream);
    return result;
}
