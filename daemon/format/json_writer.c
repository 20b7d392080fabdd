// SPDX-License-Identifier: MIT
// An exchange as one line of JSON.
#include "hark/exchange_view.h"
#include "hark/human.h"
#include "hark/utf8.h"
#include "hark/websocket.h"
#include "json_body.h"

static void put_times(struct json_out *json, const struct exchange_row *row)
{
    struct buffer started_at = {0};
    human_append_timestamp(&started_at, row->started_us);
    json_put_integer(json, "started_us", row->started_us);
    json_put_text(json, "started_at", started_at.data);
    buffer_fini(&started_at);
    json_put_optional(json, "duration_us", row->duration_us, -1);
    json_put_optional(json, "dns_us", row->timing.dns_us, -1);
    json_put_optional(json, "connect_us", row->timing.connect_us, -1);
    json_put_optional(json, "tls_us", row->timing.tls_us, -1);
    json_put_optional(json, "send_us", row->timing.send_us, -1);
    json_put_optional(json, "wait_us", row->timing.wait_us, -1);
    json_put_optional(json, "receive_us", row->timing.receive_us, -1);
}

static void put_identity(struct json_out *json, const struct exchange_row *row)
{
    json_put_integer(json, "id", row->id);
    json_put_integer(json, "session_id", row->session_id);
    json_put_text(json, "source", row_source_name(row->source));
    json_put_optional(json, "replay_of", row->replay_of, 0);
    put_times(json, row);
    json_put_text(json, "kind", row_kind_name(row->kind));
    json_put_text(json, "state", row_state_name(row->state));
    json_put_text(json, "error", row->error);
    json_put_text(json, "error_text", row->error_text);
    json_put_text(json, "client_addr", row->client_addr);
    json_put_text(json, "server_addr", row->server_addr);
    json_put_text(json, "sni", row->sni);
    json_put_text(json, "tls_version", row->tls_version);
    json_put_text(json, "tls_cipher", row->tls_cipher);
    json_put_literal(json, "server_cert", row->server_cert);
    json_put_bool(json, "body_truncated", row->body_truncated);
    json_put_bool(json, "headers_latin1", row->headers_latin1);
}

static int on_begin(void *ctx, const struct exchange_row *row)
{
    struct json_writer *writer = ctx;
    writer->json.wants_comma = false;
    json_put_open(&writer->json, NULL, '{');
    put_identity(&writer->json, row);
    return 0;
}

static int on_notes(void *ctx, const struct exchange_row *row)
{
    (void)row;
    struct json_writer *writer = ctx;
    json_put_open(&writer->json, "notes", '[');
    return 0;
}

static int on_note(void *ctx, const struct exchange_row *row, const struct shown_note *note)
{
    (void)row;
    struct json_out *json = &((struct json_writer *)ctx)->json;
    json_put_open(json, NULL, '{');
    json_put_integer(json, "created_us", note->created_us);
    json_put_bool(json, "is_mark", note->is_mark);
    if (note->text != NULL)
        json_put_text_n(json, "text", note->text, note->length);
    else
        json_put_text(json, "text", NULL);
    json_put_close(json, '}');
    return 0;
}

static int on_notes_end(void *ctx, const struct exchange_row *row)
{
    (void)row;
    struct json_writer *writer = ctx;
    json_put_close(&writer->json, ']');
    return 0;
}

static void put_request(struct json_out *json, const struct exchange_row *row)
{
    struct buffer url = {0};
    row_append_url(row, &url);
    json_put_text(json, "method", row->method);
    json_put_text(json, "url", url.data != NULL ? url.data : "");
    json_put_text(json, "scheme", row->scheme);
    json_put_text(json, "host", row->host);
    json_put_optional(json, "port", row->port, 0);
    json_put_text(json, "path", row->path);
    json_put_text(json, "query", row->query);
    json_put_text(json, "request_version", row->request_version);
    json_put_fields(json, "request_headers", &row->request_headers);
    json_put_optional(json, "request_size", row->request_size, -1);
    json_put_text(json, "request_type", row->request_type);
    buffer_fini(&url);
}

static void put_response(struct json_out *json, const struct exchange_row *row)
{
    json_put_optional(json, "status", row->status, 0);
    json_put_text(json, "reason", row->reason);
    json_put_text(json, "response_version", row->response_version);
    json_put_literal(json, "interim", row->interim);
    json_put_fields(json, "response_headers", &row->response_headers);
    json_put_optional(json, "response_size", row->response_size, -1);
    json_put_text(json, "response_type", row->response_type);
    json_put_text(json, "response_encoding", row->response_encoding);
}

static int on_head(void *ctx, const struct exchange_row *row, enum body_side side)
{
    struct json_writer *writer = ctx;
    if (side == BODY_REQUEST)
        put_request(&writer->json, row);
    else
        put_response(&writer->json, row);
    return 0;
}

void exchange_append_json(const struct exchange_row *row, struct buffer *out)
{
    struct json_out json = {0};
    put_identity(&json, row);
    put_request(&json, row);
    json_put_fields(&json, "request_trailers", &row->request_trailers);
    put_response(&json, row);
    json_put_fields(&json, "response_trailers", &row->response_trailers);
    buffer_append(out, json.line.data, json.line.length);
    json_out_fini(&json);
}

static int on_body(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err)
{
    (void)row;
    struct json_writer *writer = ctx;
    struct json_out *json = &writer->json;
    json_put_open(json, body->side == BODY_REQUEST ? "request_body" : "response_body", '{');
    if (json_put_body(json, body->is_utf8 ? "text" : "base64", body, err) != 0)
        return -1;
    json_put_integer(json, "size", body->shown_bytes);
    json_put_integer(json, "wire_size", body->wire_bytes);
    json_put_bool(json, "truncated", body->is_cut);
    json_put_text(json, "problem", body->problem.is_set ? body->problem.text : NULL);
    if (writer->is_lossless &&
        (json_put_chunks(json, "chunks", body, err) != 0 ||
         (body->coding != NULL && json_put_wire(json, "wire_base64", body, err) != 0)))
        return -1;
    json_put_close(json, '}');
    return 0;
}

static int on_trailers(void *ctx, const struct exchange_row *row, enum body_side side)
{
    struct json_writer *writer = ctx;
    if (side == BODY_REQUEST)
        json_put_fields(&writer->json, "request_trailers", &row->request_trailers);
    else
        json_put_fields(&writer->json, "response_trailers", &row->response_trailers);
    return 0;
}

static int put_payload(struct json_out *json, const struct shown_message *message)
{
    bool is_text = message->opcode != WEBSOCKET_BINARY && message->opcode != WEBSOCKET_CLOSE &&
                   utf8_is_valid(message->data, message->length);
    struct json_stream stream = {.json = json, .is_base64 = !is_text};
    json_stream_begin(&stream, is_text ? "text" : "base64");
    int result = json_stream_add(&stream, message->data, message->length);
    json_stream_end(&stream);
    return result;
}

static int put_message(struct json_out *json, const struct shown_message *message)
{
    json_put_open(json, NULL, '{');
    json_put_integer(json, "seq", message->seq);
    json_put_integer(json, "at_us", message->at_us);
    json_put_text(json, "direction", message->side == BODY_REQUEST ? "send" : "receive");
    json_put_integer(json, "opcode", message->opcode);
    json_put_bool(json, "is_compressed", message->is_compressed);
    if (put_payload(json, message) != 0)
        return -1;
    json_put_integer(json, "size", message->total_bytes);
    json_put_text(json, "problem", message->problem.is_set ? message->problem.text : NULL);
    json_put_close(json, '}');
    return json_out_flush_if_full(json);
}

void message_append_json(const struct shown_message *message, struct buffer *out)
{
    struct json_out json = {0};
    put_message(&json, message);
    buffer_append(out, json.line.data, json.line.length);
    json_out_fini(&json);
}

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    struct json_writer *writer = ctx;
    (void)row;
    return put_message(&writer->json, message);
}

static int on_messages(void *ctx, const struct exchange_row *row)
{
    struct json_writer *writer = ctx;
    (void)row;
    json_put_open(&writer->json, "messages", '[');
    return 0;
}

// Every object has the same keys, with or without a response.
static int on_end(void *ctx, const struct exchange_row *row)
{
    struct json_writer *writer = ctx;
    struct json_out *json = &writer->json;
    if (row->kind == ROW_KIND_WEBSOCKET)
        json_put_close(json, ']');
    else
        json_put_text(json, "messages", NULL);
    if (row->status == 0) {
        put_response(json, row);
        json_put_text(json, "response_body", NULL);
        json_put_fields(json, "response_trailers", &row->response_trailers);
    }
    json_put_close(json, '}');
    buffer_append_char(&json->line, '\n');
    return json_out_flush(json);
}

const struct exchange_writer json_writer_stops = {
    .on_begin = on_begin,
    .on_notes = on_notes,
    .on_note = on_note,
    .on_notes_end = on_notes_end,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_messages = on_messages,
    .on_message = on_message,
    .on_end = on_end,
};
