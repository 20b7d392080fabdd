// SPDX-License-Identifier: MIT
// An exchange as one line of JSON. The line is written as it grows, so that a body of any size
// passes through a small buffer.
#include "hark/base64.h"
#include "hark/exchange_view.h"
#include "hark/human.h"
#include "hark/json_layout.h"
#include "hark/utf8.h"
#include "hark/utf8_stream.h"
#include "hark/websocket.h"

#include <inttypes.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)64 * 1024)

static int flush(struct json_writer *writer)
{
    fwrite(writer->line.data, 1, writer->line.length, writer->out);
    buffer_clear(&writer->line);
    return ferror(writer->out) ? -1 : 0;
}

static void add_key(struct buffer *line, const char *key)
{
    buffer_printf(line, "%s\"%s\":", line->length > 0 ? "," : "", key);
}

static void add_text(struct buffer *line, const char *key, const char *text)
{
    add_key(line, key);
    if (text)
        buffer_append_json_string(line, text, strlen(text));
    else
        buffer_append_text(line, "null");
}

static void add_integer(struct buffer *line, const char *key, int64_t value)
{
    add_key(line, key);
    buffer_printf(line, "%" PRId64, value);
}

// A number that is null where nothing is known.
static void add_optional(struct buffer *line, const char *key, int64_t value, int64_t null)
{
    if (value == null)
        add_text(line, key, NULL);
    else
        add_integer(line, key, value);
}

static void add_bool(struct buffer *line, const char *key, bool value)
{
    add_key(line, key);
    buffer_append_text(line, value ? "true" : "false");
}

// A text that is JSON itself.
static void add_json(struct buffer *line, const char *key, const char *json)
{
    if (json && json_is_valid(json, strlen(json))) {
        add_key(line, key);
        buffer_append_text(line, json);
    } else {
        add_text(line, key, json);
    }
}

static void add_fields(struct buffer *line, const char *key, const struct fields *fields)
{
    add_key(line, key);
    fields_to_json(fields, line);
}

static void add_times(struct buffer *line, const struct exchange_row *row)
{
    add_integer(line, "started_us", row->started_us);
    add_key(line, "started_at");
    buffer_append_char(line, '"');
    human_append_timestamp(line, row->started_us);
    buffer_append_char(line, '"');
    add_optional(line, "duration_us", row->duration_us, -1);
    add_optional(line, "dns_us", row->timing.dns_us, -1);
    add_optional(line, "connect_us", row->timing.connect_us, -1);
    add_optional(line, "tls_us", row->timing.tls_us, -1);
    add_optional(line, "send_us", row->timing.send_us, -1);
    add_optional(line, "wait_us", row->timing.wait_us, -1);
    add_optional(line, "receive_us", row->timing.receive_us, -1);
}

static void add_identity(struct buffer *line, const struct exchange_row *row)
{
    add_integer(line, "id", row->id);
    add_integer(line, "session_id", row->session_id);
    add_text(line, "source", row_source_name(row->source));
    add_optional(line, "replay_of", row->replay_of, 0);
    add_times(line, row);
    add_text(line, "kind", row_kind_name(row->kind));
    add_text(line, "state", row_state_name(row->state));
    add_text(line, "error", row->error);
    add_text(line, "error_text", row->error_text);
    add_text(line, "client_addr", row->client_addr);
    add_text(line, "server_addr", row->server_addr);
    add_text(line, "sni", row->sni);
    add_text(line, "tls_version", row->tls_version);
    add_text(line, "tls_cipher", row->tls_cipher);
    add_json(line, "server_cert", row->server_cert);
    add_bool(line, "body_truncated", row->body_truncated);
    add_bool(line, "headers_latin1", row->headers_latin1);
}

static int on_begin(void *ctx, const struct exchange_row *row)
{
    struct json_writer *writer = ctx;
    buffer_clear(&writer->line);
    writer->message_count = 0;
    fputc('{', writer->out);
    add_identity(&writer->line, row);
    return 0;
}

static void add_request(struct buffer *line, const struct exchange_row *row)
{
    struct buffer url = {0};
    row_append_url(row, &url);
    add_text(line, "method", row->method);
    add_text(line, "url", url.data ? url.data : "");
    add_text(line, "scheme", row->scheme);
    add_text(line, "host", row->host);
    add_optional(line, "port", row->port, 0);
    add_text(line, "path", row->path);
    add_text(line, "query", row->query);
    add_text(line, "request_version", row->request_version);
    add_fields(line, "request_headers", &row->request_headers);
    add_optional(line, "request_size", row->request_size, -1);
    add_text(line, "request_type", row->request_type);
    buffer_fini(&url);
}

static void add_response(struct buffer *line, const struct exchange_row *row)
{
    add_optional(line, "status", row->status, 0);
    add_text(line, "reason", row->reason);
    add_text(line, "response_version", row->response_version);
    add_json(line, "interim", row->interim);
    add_fields(line, "response_headers", &row->response_headers);
    add_optional(line, "response_size", row->response_size, -1);
    add_text(line, "response_type", row->response_type);
    add_text(line, "response_encoding", row->response_encoding);
}

static int on_head(void *ctx, const struct exchange_row *row, enum body_side side)
{
    struct json_writer *writer = ctx;
    if (side == BODY_REQUEST)
        add_request(&writer->line, row);
    else
        add_response(&writer->line, row);
    return 0;
}

void exchange_append_json(const struct exchange_row *row, struct buffer *out)
{
    struct buffer line = {0};
    add_identity(&line, row);
    add_request(&line, row);
    add_fields(&line, "request_trailers", &row->request_trailers);
    add_response(&line, row);
    add_fields(&line, "response_trailers", &row->response_trailers);
    buffer_append(out, line.data, line.length);
    buffer_fini(&line);
}

// --- bodies ------------------------------------------------------------------------------------

struct body_output {
    struct json_writer *writer;
    bool is_text;
    struct base64_stream base64;
    struct buffer text; // from the last whole character on
};

// The text between the quotes of a JSON string.
static void append_escaped(struct buffer *line, const char *text, size_t length)
{
    struct buffer quoted = {0};
    buffer_append_json_string(&quoted, text, length);
    buffer_append(line, quoted.data + 1, quoted.length - 2);
    buffer_fini(&quoted);
}

static int on_data(void *ctx, const void *data, size_t length)
{
    struct body_output *output = ctx;
    struct buffer *line = &output->writer->line;
    if (output->is_text) {
        struct buffer *text = &output->text;
        buffer_append(text, data, length);
        size_t cut = utf8_cut_length(text->data, text->length);
        append_escaped(line, text->data, text->length - cut);
        memmove(text->data, text->data + text->length - cut, cut);
        text->length = cut;
    } else {
        base64_stream_append(&output->base64, line, data, length);
    }
    return line->length >= FLUSH_BYTES && flush(output->writer) < 0 ? 1 : 0;
}

static int on_body(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err)
{
    (void)row;
    struct json_writer *writer = ctx;
    struct buffer *line = &writer->line;
    struct body_output output = {.writer = writer, .is_text = body->is_utf8};
    buffer_printf(line, ",\"%s_body\":{\"%s\":\"",
                  body->side == BODY_REQUEST ? "request" : "response",
                  output.is_text ? "text" : "base64");
    int rc = body_view_walk(body, on_data, &output, err);
    base64_stream_finish(&output.base64, line);
    buffer_fini(&output.text);
    buffer_append_char(line, '"');
    if (rc != 0)
        return -1;
    add_integer(line, "size", body->shown_bytes);
    add_integer(line, "wire_size", body->wire_bytes);
    add_bool(line, "truncated", body->is_cut);
    add_text(line, "problem", body->problem.is_set ? body->problem.text : NULL);
    buffer_append_char(line, '}');
    return 0;
}

static int on_trailers(void *ctx, const struct exchange_row *row, enum body_side side)
{
    struct json_writer *writer = ctx;
    if (side == BODY_REQUEST)
        add_fields(&writer->line, "request_trailers", &row->request_trailers);
    else
        add_fields(&writer->line, "response_trailers", &row->response_trailers);
    return 0;
}

static void add_payload(struct buffer *line, const struct shown_message *message)
{
    bool is_text = message->opcode != WEBSOCKET_BINARY && message->opcode != WEBSOCKET_CLOSE &&
                   utf8_is_valid(message->data, message->length);
    if (is_text) {
        add_key(line, "text");
        buffer_append_json_string(line, message->data, message->length);
        return;
    }
    struct base64_stream base64 = {0};
    add_key(line, "base64");
    buffer_append_char(line, '"');
    base64_stream_append(&base64, line, message->data, message->length);
    base64_stream_finish(&base64, line);
    buffer_append_char(line, '"');
}

void message_append_json(const struct shown_message *message, struct buffer *line)
{
    buffer_printf(line, "{\"seq\":%" PRId64, message->seq);
    add_integer(line, "at_us", message->at_us);
    add_text(line, "direction", message->side == BODY_REQUEST ? "send" : "receive");
    add_integer(line, "opcode", message->opcode);
    add_bool(line, "is_compressed", message->is_compressed);
    add_payload(line, message);
    add_integer(line, "size", message->total_bytes);
    add_text(line, "problem", message->problem.is_set ? message->problem.text : NULL);
    buffer_append_char(line, '}');
}

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    struct json_writer *writer = ctx;
    (void)row;
    buffer_append_text(&writer->line, writer->message_count++ == 0 ? ",\"messages\":[" : ",");
    message_append_json(message, &writer->line);
    return writer->line.length >= FLUSH_BYTES ? flush(writer) : 0;
}

static void end_messages(struct json_writer *writer, const struct exchange_row *row)
{
    struct buffer *line = &writer->line;
    if (writer->message_count > 0)
        buffer_append_char(line, ']');
    else
        buffer_append_text(line, row->kind == ROW_KIND_WEBSOCKET ? ",\"messages\":[]"
                                                                 : ",\"messages\":null");
}

// Every object has the same keys, with or without a response.
static int on_end(void *ctx, const struct exchange_row *row)
{
    struct json_writer *writer = ctx;
    if (row->status == 0) {
        add_response(&writer->line, row);
        add_text(&writer->line, "response_body", NULL);
        add_fields(&writer->line, "response_trailers", &row->response_trailers);
    }
    end_messages(writer, row);
    buffer_append_text(&writer->line, "}\n");
    return flush(writer);
}

const struct exchange_writer json_writer_stops = {
    .on_begin = on_begin,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_message = on_message,
    .on_end = on_end,
};
