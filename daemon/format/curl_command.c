// SPDX-License-Identifier: MIT
// The command is made in a buffer, since a body that does not fit an argument is piped into it and
// stands before it: `printf '…' | curl …`. printf is built into every shell, so that such a body
// has no limit; $'…' is not known to all of them.
//
// Fields that curl would add of itself are taken away with an empty one ("Accept:"). It puts its
// own Host first; where the recorded one stands elsewhere, an empty one before it hides it.
#include "hark/curl_command.h"

#include "hark/base64.h"
#include "hark/utf8.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define INLINE_MAX_BYTES ((int64_t)64 * 1024)   // Linux allows 128 KiB an argument
#define EXPECT_MIN_BYTES ((int64_t)1024 * 1024) // from here on curl asks with Expect

// --- quoting ------------------------------------------------------------------------------------

static void append_quoted(struct buffer *out, const char *text, size_t length)
{
    buffer_append_char(out, '\'');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\'')
            buffer_append_text(out, "'\\''");
        else
            buffer_append_char(out, text[i]);
    }
    buffer_append_char(out, '\'');
}

// A byte in the format of printf, within single quotes.
static void write_escaped(FILE *out, unsigned char c)
{
    switch (c) {
    case '\'':
        fputs("'\\''", out);
        break;
    case '\\':
        fputs("\\\\", out);
        break;
    case '%':
        fputs("%%", out);
        break;
    case '\n':
        fputs("\\n", out);
        break;
    case '\r':
        fputs("\\r", out);
        break;
    case '\t':
        fputs("\\t", out);
        break;
    default:
        if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\%03o", c);
        else
            putc(c, out);
    }
}

// --- the command --------------------------------------------------------------------------------

// Texts of a row are UTF-8; the bytes that were sent may have been others.
static void append_bytes(const struct exchange_row *row, struct buffer *out, const char *text,
                         size_t length)
{
    struct arena arena = {0};
    if (row->headers_latin1)
        text = utf8_restore_bytes(&arena, text, &length);
    buffer_append(out, text, length);
    arena_fini(&arena);
}

static void append_field(struct curl_writer *writer, const struct exchange_row *row,
                         const struct field *field)
{
    struct buffer line = {0};
    append_bytes(row, &line, field->name, field->name_length);
    // "Name;" is curl's way to send a field without a value.
    buffer_append_text(&line, field->value_length > 0 ? ": " : ";");
    append_bytes(row, &line, field->value, field->value_length);
    buffer_append_text(&writer->command, " -H ");
    append_quoted(&writer->command, line.data, line.length);
    buffer_fini(&line);
}

static void hide_field(struct curl_writer *writer, const char *name)
{
    buffer_printf(&writer->command, " -H '%s:'", name);
}

static const char *version_flag(const struct exchange_row *row)
{
    const char *version = row->request_version != NULL ? row->request_version : "";
    if (strcmp(version, "HTTP/1.0") == 0)
        return "--http1.0";
    bool is_2 = strncasecmp(version, "HTTP/2", 6) == 0 || strcasecmp(version, "h2") == 0;
    return is_2 ? "--http2" : "--http1.1";
}

// With the body of a HEAD, curl would wait for an answer's body, which never comes.
static bool leaves_body_out(const struct exchange_row *row)
{
    return row->request_size > 0 && row->method != NULL && strcmp(row->method, "HEAD") == 0;
}

static bool sends_body(const struct exchange_row *row)
{
    return row->request_size > 0 && !leaves_body_out(row);
}

static void append_method(struct curl_writer *writer, const struct exchange_row *row)
{
    bool has_body = sends_body(row);
    const char *method = row->method != NULL ? row->method : "GET";
    if (strcmp(method, "HEAD") == 0) {
        buffer_append_text(&writer->command, " --head");
        return;
    }
    if (strcmp(method, has_body ? "POST" : "GET") == 0)
        return;
    buffer_append_text(&writer->command, " -X ");
    append_quoted(&writer->command, method, strlen(method));
}

// Meant for the proxy alone, or about a body that is not sent, or not as it was.
static bool is_left_out(const struct exchange_row *row, const struct field *field)
{
    return field_is_named(field, "Proxy-Connection") ||
           field_is_named(field, "Proxy-Authorization") ||
           (field_is_named(field, "Content-Length") &&
            (row->body_truncated || leaves_body_out(row))) ||
           (field_is_named(field, "Transfer-Encoding") && leaves_body_out(row));
}

static void append_fields(struct curl_writer *writer, const struct exchange_row *row)
{
    const struct fields *fields = &row->request_headers;
    static const char *const invented[] = {"User-Agent", "Accept"};
    if (fields->count == 0 || !field_is_named(&fields->items[0], "Host"))
        hide_field(writer, "Host");
    for (size_t i = 0; i < sizeof(invented) / sizeof(invented[0]); i++)
        if (fields_find(fields, invented[i]) == NULL)
            hide_field(writer, invented[i]);
    if (sends_body(row) && fields_find(fields, "Content-Type") == NULL)
        hide_field(writer, "Content-Type");
    if (row->request_size > EXPECT_MIN_BYTES && fields_find(fields, "Expect") == NULL)
        hide_field(writer, "Expect");
    for (size_t i = 0; i < fields->count; i++)
        if (!is_left_out(row, &fields->items[i]))
            append_field(writer, row, &fields->items[i]);
    if (fields_find(fields, "Accept-Encoding") != NULL)
        buffer_append_text(&writer->command, " --compressed");
}

static void append_url(struct curl_writer *writer, const struct exchange_row *row)
{
    struct buffer url = {0};
    struct buffer bytes = {0};
    row_append_url(row, &url);
    append_bytes(row, &bytes, url.data != NULL ? url.data : "", url.length);
    buffer_append_char(&writer->command, ' ');
    append_quoted(&writer->command, bytes.data, bytes.length);
    if (row->path != NULL && strcmp(row->path, "*") == 0)
        buffer_append_text(&writer->command, " --request-target '*'");
    buffer_fini(&bytes);
    buffer_fini(&url);
}

// --- the body -----------------------------------------------------------------------------------

static int write_format(void *ctx, const void *data, size_t length)
{
    FILE *out = ctx;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < length; i++)
        write_escaped(out, bytes[i]);
    return ferror(out) ? 1 : 0;
}

// printf would take a "-" in the first place for an option; behind an empty %s it is none.
static int write_as_text(FILE *out, const struct body_view *body, struct err *err)
{
    fputs("printf '", out);
    if (body->head.length > 0 && body->head.data[0] == '-')
        fputs("%s", out);
    int result = body_view_walk(body, write_format, out, err);
    fputs("' | ", out);
    return result == 0 ? 0 : -1;
}

struct base64_output {
    FILE *out;
    struct base64_stream stream;
    struct buffer letters;
};

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    struct base64_output *output = ctx;
    (void)seq;
    (void)at_us;
    base64_stream_append(&output->stream, &output->letters, data, length);
    fwrite(output->letters.data, 1, output->letters.length, output->out);
    buffer_clear(&output->letters);
    return ferror(output->out) ? 1 : 0;
}

// As on the wire.
static int write_as_base64(FILE *out, const struct body_view *body, struct err *err)
{
    struct base64_output output = {.out = out};
    fputs("printf %s '", out);
    int result =
        store_walk_body(body->reader, body->exchange_id, body->side, on_segment, &output, err);
    base64_stream_finish(&output.stream, &output.letters);
    fwrite(output.letters.data, 1, output.letters.length, out);
    buffer_fini(&output.letters);
    fputs("' | base64 -d | ", out);
    return result == 0 ? 0 : -1;
}

static bool has_control(const struct buffer *text)
{
    for (size_t i = 0; i < text->length; i++)
        if ((unsigned char)text->data[i] < 0x20 || text->data[i] == 0x7f)
            return true;
    return false;
}

static int put_body(struct curl_writer *writer, const struct body_view *body, struct err *err)
{
    if (body->wire_bytes == 0)
        return 0;
    bool is_text = body->coding == NULL && body->is_utf8;
    if (is_text && body->wire_bytes <= INLINE_MAX_BYTES && !has_control(&body->head)) {
        buffer_append_text(&writer->command, " --data-raw ");
        append_quoted(&writer->command, body->head.data, body->head.length);
        return 0;
    }
    buffer_append_text(&writer->command, " --data-binary @-");
    return is_text ? write_as_text(writer->out, body, err)
                   : write_as_base64(writer->out, body, err);
}

// --- the walk -----------------------------------------------------------------------------------

static void say(struct curl_writer *writer, const struct exchange_row *row, const char *what)
{
    fprintf(writer->out, "# exchange %" PRId64 ": %s\n", row->id, what);
}

static int on_begin(void *ctx, const struct exchange_row *row)
{
    struct curl_writer *writer = ctx;
    buffer_clear(&writer->command);
    if (row->kind == ROW_KIND_TUNNEL)
        say(writer, row, "a tunnel, whose content was not recorded");
    if (row->kind == ROW_KIND_WEBSOCKET)
        say(writer, row, "a WebSocket: curl asks for it, and cannot send its messages");
    if (leaves_body_out(row))
        say(writer, row, "a HEAD with a body, which curl cannot send: it is left out");
    if (row->request_trailers.count > 0)
        say(writer, row, "curl cannot send its trailers");
    return 0;
}

static int on_head(void *ctx, const struct exchange_row *row, enum body_side side)
{
    struct curl_writer *writer = ctx;
    (void)side;
    if (row->kind == ROW_KIND_TUNNEL)
        return 0;
    buffer_printf(&writer->command, "curl %s --globoff --path-as-is", version_flag(row));
    append_method(writer, row);
    append_fields(writer, row);
    return 0;
}

static int on_body(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err)
{
    struct curl_writer *writer = ctx;
    if (row->kind == ROW_KIND_TUNNEL)
        return 0;
    if (body->is_cut && sends_body(row))
        say(writer, row, "only the beginning of its body was recorded");
    int result = sends_body(row) ? put_body(writer, body, err) : 0;
    append_url(writer, row);
    buffer_append_char(&writer->command, '\n');
    fwrite(writer->command.data, 1, writer->command.length, writer->out);
    return result;
}

static int on_trailers(void *ctx, const struct exchange_row *row, enum body_side side)
{
    (void)ctx;
    (void)row;
    (void)side;
    return 0;
}

static int on_end(void *ctx, const struct exchange_row *row)
{
    const struct curl_writer *writer = ctx;
    (void)row;
    return ferror(writer->out) ? -1 : 0;
}

const struct exchange_writer curl_writer_stops = {
    .is_for_requests = true,
    .on_begin = on_begin,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_end = on_end,
};
