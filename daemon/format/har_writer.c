// SPDX-License-Identifier: MIT
// An exchange as an entry of a HAR file (HTTP Archive 1.2).
//
// What the format has no place for is in `_hark` of the entry and in `_wire` and `_chunks` of its
// bodies, so that an import makes the same exchange of it.
#include "har_cookies.h"
#include "hark/exchange_view.h"
#include "hark/har.h"
#include "hark/utf8.h"
#include "hark/version.h"
#include "hark/websocket.h"
#include "json_body.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define US_PER_S 1000000

// What stands for a media type that is not known, as browsers write it.
#define TYPE_UNKNOWN "x-unknown"

void har_begin(struct json_out *json)
{
    json_put_open(json, NULL, '{');
    json_put_open(json, "log", '{');
    json_put_text(json, "version", "1.2");
    json_put_open(json, "creator", '{');
    json_put_text(json, "name", "hark");
    json_put_text(json, "version", HARK_VERSION);
    json_put_close(json, '}');
    json_put_open(json, "pages", '[');
    json_put_close(json, ']');
    json_put_open(json, "entries", '[');
}

int har_end(struct json_out *json)
{
    buffer_append_char(&json->line, '\n');
    json_put_close(json, ']');
    json_put_close(json, '}');
    json_put_close(json, '}');
    buffer_append_char(&json->line, '\n');
    return json_out_flush(json);
}

// --- times --------------------------------------------------------------------------------------

static void put_started(struct json_out *json, int64_t started_us)
{
    time_t seconds = (time_t)(started_us / US_PER_S);
    struct tm when;
    char date[32];
    char text[64];
    gmtime_r(&seconds, &when);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &when);
    snprintf(text, sizeof(text), "%s.%06" PRId64 "Z", date, started_us % US_PER_S);
    json_put_text(json, "startedDateTime", text);
}

// A phase in milliseconds; one that is optional in HAR is -1 if it is not known, else 0.
static void put_phase(struct json_out *json, const char *key, int64_t us, bool is_optional)
{
    if (us < 0)
        json_put_integer(json, key, is_optional ? -1 : 0);
    else
        json_put_thousandths(json, key, us);
}

static int64_t known(int64_t us)
{
    return us < 0 ? 0 : us;
}

static void put_timings(struct json_out *json, const struct row_timing *timing)
{
    bool has_connect = timing->connect_us >= 0 || timing->tls_us >= 0;
    int64_t connect_us = has_connect ? known(timing->connect_us) + known(timing->tls_us) : -1;
    json_put_thousandths(json, "time",
                         known(timing->dns_us) + known(connect_us) + known(timing->send_us) +
                             known(timing->wait_us) + known(timing->receive_us));
    json_put_open(json, "timings", '{');
    json_put_integer(json, "blocked", -1);
    put_phase(json, "dns", timing->dns_us, true);
    put_phase(json, "connect", connect_us, true);
    put_phase(json, "ssl", timing->tls_us, true);
    put_phase(json, "send", timing->send_us, false);
    put_phase(json, "wait", timing->wait_us, false);
    put_phase(json, "receive", timing->receive_us, false);
    json_put_close(json, '}');
}

// --- heads --------------------------------------------------------------------------------------

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL ? text : otherwise;
}

static void put_headers(struct json_out *json, const struct fields *fields)
{
    json_put_open(json, "headers", '[');
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        json_put_open(json, NULL, '{');
        json_put_text_n(json, "name", field->name, field->name_length);
        json_put_text_n(json, "value", field->value, field->value_length);
        json_put_close(json, '}');
    }
    json_put_close(json, ']');
}

static int64_t length_of(const char *text)
{
    return text != NULL ? (int64_t)strlen(text) : 0;
}

// Both lines have two spaces and, like the empty line, a line end.
static int64_t request_head_bytes(const struct exchange_row *row)
{
    return length_of(row->method) + length_of(row->path) + length_of(row->query) +
           (row->query != NULL) + length_of(row->request_version) + 6 +
           (int64_t)fields_wire_bytes(&row->request_headers);
}

static int64_t response_head_bytes(const struct exchange_row *row)
{
    return length_of(row->response_version) + 3 + length_of(row->reason) + 6 +
           (int64_t)fields_wire_bytes(&row->response_headers);
}

static void put_url(struct json_out *json, const struct exchange_row *row)
{
    struct buffer url = {0};
    row_append_url(row, &url);
    json_put_text_n(json, "url", url.data != NULL ? url.data : "", url.length);
    buffer_fini(&url);
}

static void put_request_head(struct json_out *json, const struct exchange_row *row)
{
    json_put_open(json, "request", '{');
    json_put_text(json, "method", text_or(row->method, ""));
    put_url(json, row);
    json_put_text(json, "httpVersion", text_or(row->request_version, ""));
    har_put_cookies(json, &row->request_headers, BODY_REQUEST);
    put_headers(json, &row->request_headers);
    json_put_open(json, "queryString", '[');
    har_put_parameters(json, text_or(row->query, ""), (size_t)length_of(row->query));
    json_put_close(json, ']');
    json_put_integer(json, "headersSize", request_head_bytes(row));
    json_put_integer(json, "bodySize", row->request_size);
}

static void put_response_head(struct json_out *json, const struct exchange_row *row)
{
    const struct field *location = fields_find(&row->response_headers, "Location");
    json_put_open(json, "response", '{');
    json_put_integer(json, "status", row->status);
    json_put_text(json, "statusText", text_or(row->reason, ""));
    json_put_text(json, "httpVersion", text_or(row->response_version, ""));
    har_put_cookies(json, &row->response_headers, BODY_RESPONSE);
    put_headers(json, &row->response_headers);
    json_put_text(json, "redirectURL", location != NULL ? location->value : "");
    json_put_integer(json, "headersSize", row->status == 0 ? -1 : response_head_bytes(row));
    json_put_integer(json, "bodySize", row->response_size);
    if (row->error != NULL || row->error_text != NULL)
        json_put_text(json, "_error", text_or(row->error_text, row->error));
}

// An exchange without an answer has a response that says so.
static void put_no_response(struct json_out *json, const struct exchange_row *row)
{
    put_response_head(json, row);
    json_put_open(json, "content", '{');
    json_put_integer(json, "size", 0);
    json_put_text(json, "mimeType", TYPE_UNKNOWN);
    json_put_close(json, '}');
    json_put_close(json, '}');
}

// --- bodies -------------------------------------------------------------------------------------

// The text, how it is written, and what an import needs to make the recorded bytes of it.
static int put_text(struct json_out *json, const struct body_view *body, struct err *err)
{
    if (body->shown_bytes > 0 && json_put_body(json, "text", body, err) != 0)
        return -1;
    if (!body->is_utf8)
        json_put_text(json, "encoding", "base64");
    if (body->problem.is_set)
        json_put_text(json, "comment", body->problem.text);
    if (body->wire_bytes == 0)
        return 0;
    if (body->coding != NULL && json_put_wire(json, "_wire", body, err) != 0)
        return -1;
    return json_put_chunks(json, "_chunks", body, err);
}

static bool is_form(const struct exchange_row *row)
{
    return row->request_type != NULL &&
           strcmp(row->request_type, "application/x-www-form-urlencoded") == 0;
}

static int put_post_data(struct json_out *json, const struct exchange_row *row,
                         const struct body_view *body, struct err *err)
{
    if (body->wire_bytes == 0)
        return 0;
    json_put_open(json, "postData", '{');
    json_put_text(json, "mimeType", text_or(body->content_type, TYPE_UNKNOWN));
    if (is_form(row) && body->is_whole && body->is_utf8) {
        json_put_open(json, "params", '[');
        har_put_parameters(json, body->head.data, body->head.length);
        json_put_close(json, ']');
    }
    int result = put_text(json, body, err);
    json_put_close(json, '}');
    return result;
}

static int put_content(struct json_out *json, const struct body_view *body, struct err *err)
{
    json_put_open(json, "content", '{');
    json_put_integer(json, "size", body->shown_bytes);
    if (body->coding != NULL && body->wire_bytes > 0)
        json_put_integer(json, "compression", body->shown_bytes - body->wire_bytes);
    json_put_text(json, "mimeType", text_or(body->content_type, TYPE_UNKNOWN));
    int result = put_text(json, body, err);
    json_put_close(json, '}');
    return result;
}

// --- WebSocket ----------------------------------------------------------------------------------

static void put_message_time(struct json_out *json, int64_t at_us)
{
    struct buffer text = {0};
    buffer_printf(&text, "%" PRId64 ".%06" PRId64, at_us / US_PER_S, at_us % US_PER_S);
    json_put_number(json, "time", text.data);
    buffer_fini(&text);
}

// Browsers write text as it is and what is binary as base64. Of the others only what is no text
// is base64, and says so.
static int put_message(struct json_out *json, const struct exchange_row *row,
                       const struct shown_message *message)
{
    bool is_base64 =
        message->opcode == WEBSOCKET_BINARY || !utf8_is_valid(message->data, message->length);
    json_put_open(json, NULL, '{');
    json_put_text(json, "type", message->side == BODY_REQUEST ? "send" : "receive");
    put_message_time(json, row->started_us + message->at_us);
    json_put_integer(json, "opcode", message->opcode);
    struct json_stream stream = {.json = json, .is_base64 = is_base64};
    json_stream_begin(&stream, "data");
    int result = json_stream_add(&stream, message->data, message->length);
    json_stream_end(&stream);
    if (is_base64 && message->opcode != WEBSOCKET_BINARY)
        json_put_text(json, "_encoding", "base64");
    if (message->total_bytes > (int64_t)message->length)
        json_put_integer(json, "_size", message->total_bytes);
    if (message->problem.is_set)
        json_put_text(json, "_problem", message->problem.text);
    json_put_close(json, '}');
    return result == 0 ? json_out_flush_if_full(json) : -1;
}

// --- the entry ----------------------------------------------------------------------------------

static void put_addresses(struct json_out *json, const struct exchange_row *row)
{
    const char *port = row->client_addr != NULL ? strrchr(row->client_addr, ':') : NULL;
    const char *end = row->server_addr != NULL ? strrchr(row->server_addr, ':') : NULL;
    if (end != NULL) {
        bool is_ipv6 = row->server_addr[0] == '[';
        const char *host = row->server_addr + is_ipv6;
        json_put_text_n(json, "serverIPAddress", host, (size_t)(end - host) - is_ipv6);
    }
    if (port != NULL)
        json_put_text(json, "connection", port + 1);
}

static void put_hark_times(struct json_out *json, const struct exchange_row *row)
{
    json_put_optional(json, "duration_us", row->duration_us, -1);
    json_put_optional(json, "dns_us", row->timing.dns_us, -1);
    json_put_optional(json, "connect_us", row->timing.connect_us, -1);
    json_put_optional(json, "tls_us", row->timing.tls_us, -1);
    json_put_optional(json, "send_us", row->timing.send_us, -1);
    json_put_optional(json, "wait_us", row->timing.wait_us, -1);
    json_put_optional(json, "receive_us", row->timing.receive_us, -1);
}

static void put_hark(struct json_out *json, const struct exchange_row *row)
{
    json_put_open(json, "_hark", '{');
    json_put_integer(json, "id", row->id);
    json_put_integer(json, "session_id", row->session_id);
    json_put_text(json, "source", row_source_name(row->source));
    json_put_optional(json, "replay_of", row->replay_of, 0);
    json_put_text(json, "kind", row_kind_name(row->kind));
    json_put_text(json, "state", row_state_name(row->state));
    json_put_text(json, "error", row->error);
    json_put_text(json, "error_text", row->error_text);
    put_hark_times(json, row);
    json_put_text(json, "client_addr", row->client_addr);
    json_put_text(json, "server_addr", row->server_addr);
    json_put_text(json, "sni", row->sni);
    json_put_text(json, "tls_version", row->tls_version);
    json_put_text(json, "tls_cipher", row->tls_cipher);
    json_put_literal(json, "server_cert", row->server_cert);
    json_put_text(json, "request_version", row->request_version);
    json_put_fields(json, "request_trailers", &row->request_trailers);
    json_put_text(json, "reason", row->reason);
    json_put_text(json, "response_version", row->response_version);
    json_put_literal(json, "interim", row->interim);
    json_put_fields(json, "response_trailers", &row->response_trailers);
    json_put_bool(json, "body_truncated", row->body_truncated);
    json_put_bool(json, "headers_latin1", row->headers_latin1);
    json_put_close(json, '}');
}

static int on_begin(void *ctx, const struct exchange_row *row)
{
    struct json_out *json = ctx;
    json_put_newline(json);
    json_put_open(json, NULL, '{');
    put_started(json, row->started_us);
    put_timings(json, &row->timing);
    return 0;
}

static int on_note(void *ctx, const struct exchange_row *row, const struct shown_note *note)
{
    (void)row;
    if (note->is_mark)
        json_put_bool(ctx, "_mark", true);
    else if (note->text != NULL)
        json_put_text_n(ctx, "comment", note->text, note->length);
    return 0;
}

static int on_head(void *ctx, const struct exchange_row *row, enum body_side side)
{
    if (side == BODY_REQUEST)
        put_request_head(ctx, row);
    else
        put_response_head(ctx, row);
    return 0;
}

static int on_body(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err)
{
    return body->side == BODY_REQUEST ? put_post_data(ctx, row, body, err)
                                      : put_content(ctx, body, err);
}

// The trailers are in `_hark`; this is where the message ends.
static int on_trailers(void *ctx, const struct exchange_row *row, enum body_side side)
{
    json_put_close(ctx, '}');
    if (side == BODY_REQUEST && row->status == 0)
        put_no_response(ctx, row);
    return 0;
}

static int on_messages(void *ctx, const struct exchange_row *row)
{
    (void)row;
    json_put_text(ctx, "_resourceType", "websocket");
    json_put_open(ctx, "_webSocketMessages", '[');
    return 0;
}

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    return put_message(ctx, row, message);
}

static int on_end(void *ctx, const struct exchange_row *row)
{
    struct json_out *json = ctx;
    if (row->kind == ROW_KIND_WEBSOCKET)
        json_put_close(json, ']');
    json_put_open(json, "cache", '{');
    json_put_close(json, '}');
    put_addresses(json, row);
    put_hark(json, row);
    json_put_close(json, '}');
    return json_out_flush_if_full(json);
}

const struct exchange_writer har_writer_stops = {
    .on_begin = on_begin,
    .on_note = on_note,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_messages = on_messages,
    .on_message = on_message,
    .on_end = on_end,
};
