// SPDX-License-Identifier: MIT
// Entries of HAR files. Those that hark wrote have `_hark`, which makes the exchange what it was;
// those of other tools have the bodies decoded, while their fields speak of a coding: the field is
// kept under another name then, so that the body is not decoded twice.
#include "hark/base64.h"
#include "hark/coding.h"
#include "hark/message.h"
#include "hark/websocket.h"
#include "import_entry.h"
#include "import_values.h"

#include <string.h>
#include <strings.h>

#define US_PER_S 1000000.0

struct har_entry {
    struct whole_exchange *exchange;
    struct exchange_row *row; // the exchange's
    const json_t *entry;
    const json_t *request;
    const json_t *response;
    const json_t *hark; // NULL: another tool wrote it
    struct err *err;
};

// --- heads --------------------------------------------------------------------------------------

static void check_field(const char *name, const char *value, size_t length, struct err *err)
{
    if (!text_is_token(name, strlen(name)))
        err_set(err, "\"%s\" is no name of a header field", name);
    else if (!text_is_field_value(value, length))
        err_set(err, "the value of the header field %s has a control character in it", name);
}

// Chrome joins the values of fields of one name with line feeds.
static void add_values(struct har_entry *har, struct fields *fields, const char *name,
                       const char *value)
{
    do {
        size_t length = strcspn(value, "\r\n");
        // What hark refused was recorded with what was wrong in it.
        if (har->hark == NULL)
            check_field(name, value, length, har->err);
        fields_add(fields, &har->row->arena, name, strlen(name), value, length);
        value += length;
        value += strspn(value, "\r\n");
    } while (*value != '\0');
}

static void add_field(struct har_entry *har, struct fields *fields, const json_t *header)
{
    const char *name = import_text(header, "name", har->err);
    const char *value = import_text(header, "value", har->err);
    if (name == NULL)
        err_set(har->err, "a header has no name");
    // HTTP/2 has what the start line says as fields.
    else if (name[0] != ':')
        add_values(har, fields, name, value != NULL ? value : "");
}

static void read_headers(struct har_entry *har, struct fields *fields, const json_t *message)
{
    const json_t *list = json_object_get(message, "headers");
    size_t i;
    const json_t *header;
    if (list != NULL && !json_is_array(list))
        err_set(har->err, "headers is no list");
    json_array_foreach(list, i, header) add_field(har, fields, header);
}

static enum import_entry read_request(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    row->method = import_row_text(row, har->request, "method", har->err);
    const char *url = import_text(har->request, "url", har->err);
    if (row->method == NULL || !text_is_token(row->method, strlen(row->method)))
        err_set(har->err, "request.method is missing or no method");
    if (url == NULL)
        err_set(har->err, "request.url is missing");
    if (har->err->is_set)
        return IMPORT_INVALID;
    int is_foreign = import_url(row, url, har->err);
    if (is_foreign != 0)
        return is_foreign > 0 ? IMPORT_FOREIGN : IMPORT_INVALID;
    row->request_version = import_row_text(row, har->request, "httpVersion", har->err);
    read_headers(har, &row->request_headers, har->request);
    return IMPORT_READ;
}

static void read_response(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    int64_t status = import_integer(har->response, "status", 0, har->err);
    if (status < -1 || status > 999)
        err_set(har->err, "response.status is no status");
    row->status = status < 0 ? 0 : (int)status; // some tools write -1 where there was no answer
    if (row->status == 0)
        return;
    row->reason = import_row_text(row, har->response, "statusText", har->err);
    row->response_version = import_row_text(row, har->response, "httpVersion", har->err);
    read_headers(har, &row->response_headers, har->response);
}

// --- bodies -------------------------------------------------------------------------------------

static bool is_base64(const json_t *content, struct err *err)
{
    const char *encoding = import_text(content, "encoding", err);
    return encoding != NULL && strcasecmp(encoding, "base64") == 0;
}

// A form that was taken apart, put together again; NULL if there is none.
static json_t *form_text(const json_t *post_data)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._*";
    const char *type = json_string_value(json_object_get(post_data, "mimeType"));
    const json_t *params = json_object_get(post_data, "params");
    if (type == NULL || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0 ||
        json_array_size(params) == 0)
        return NULL;
    struct buffer form = {0};
    size_t i;
    const json_t *param;
    json_array_foreach(params, i, param)
    {
        const char *parts[] = {json_string_value(json_object_get(param, "name")),
                               json_string_value(json_object_get(param, "value"))};
        buffer_append_text(&form, i > 0 ? "&" : "");
        for (size_t part = 0; part < 2; part++) {
            buffer_append_text(&form, part > 0 ? "=" : "");
            for (const char *at = parts[part] != NULL ? parts[part] : ""; *at != '\0'; at++)
                buffer_printf(&form, strchr(plain, *at) != NULL ? "%c" : "%%%02X",
                              (unsigned char)*at);
        }
    }
    json_t *text = json_stringn(form.data, form.length);
    buffer_fini(&form);
    return text;
}

static void rename_coding(struct exchange_row *row, struct fields *fields)
{
    struct arena scratch = {0};
    bool is_coded = content_encoding(fields, &scratch) != NULL;
    for (size_t i = 0; is_coded && i < fields->count; i++) {
        struct field *field = &fields->items[i];
        if (!field_is_named(field, "Content-Encoding"))
            continue;
        field->name = arena_strdup(&row->arena, CODING_UNDONE_FIELD);
        field->name_length = strlen(CODING_UNDONE_FIELD);
    }
    arena_fini(&scratch);
}

// Returns how long the body was on the wire, as far as is known.
static int64_t read_body(struct har_entry *har, const json_t *message, struct import_body *body,
                         const json_t *content, struct fields *fields)
{
    const json_t *wire = import_member(content, "_wire");
    json_t *form = NULL;
    body->text = wire != NULL ? wire : import_member(content, "text");
    body->is_base64 = wire != NULL || is_base64(content, har->err);
    body->chunks = json_object_get(content, "_chunks");
    if (body->text == NULL)
        body->text = form = form_text(content);
    int64_t length = import_body(har->exchange, body, har->err);
    json_decref(form);
    int64_t size = import_count(message, "bodySize", har->err);
    if (har->hark != NULL)
        return size;
    if (length > 0)
        rename_coding(har->row, fields);
    // There was a body, and the file has not got it.
    if (length == 0 && (size > 0 || import_integer(content, "size", 0, har->err) > 0))
        har->row->body_truncated = true;
    return length > 0 || size < 0 ? length : size;
}

// What the header fields do not say may be said beside the body.
static const char *type_of(struct har_entry *har, const struct fields *headers,
                           const json_t *content)
{
    struct arena *arena = &har->row->arena;
    const char *type = media_type(headers, arena);
    const char *said = json_string_value(json_object_get(content, "mimeType"));
    if (type == NULL && said != NULL)
        type = media_type_of_value(said, arena);
    return type == NULL || strcmp(type, "x-unknown") == 0 ? NULL : type;
}

static void read_bodies(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    struct import_body request = {.side = BODY_REQUEST};
    struct import_body response = {.side = BODY_RESPONSE};
    if (row->duration_us >= 0 && row->timing.receive_us >= 0 &&
        row->duration_us > row->timing.receive_us)
        response.at_us = row->duration_us - row->timing.receive_us;
    const json_t *post_data = import_object(har->request, "postData", har->err);
    const json_t *content = import_object(har->response, "content", har->err);
    row->request_size = read_body(har, har->request, &request, post_data, &row->request_headers);
    row->response_size = read_body(har, har->response, &response, content, &row->response_headers);
    row->request_type = type_of(har, &row->request_headers, post_data);
    row->response_type = type_of(har, &row->response_headers, content);
    row->response_encoding = content_encoding(&row->response_headers, &row->arena);
}

// --- WebSocket ----------------------------------------------------------------------------------

static void read_message(struct har_entry *har, const json_t *given)
{
    struct whole_message message = {0};
    const char *type = import_text(given, "type", har->err);
    const char *encoding = import_text(given, "_encoding", har->err);
    const json_t *data = json_object_get(given, "data");
    double time = json_number_value(json_object_get(given, "time"));
    int64_t opcode = import_integer(given, "opcode", WEBSOCKET_TEXT, har->err);
    struct buffer decoded = {0};
    if (opcode < 0 || opcode > 15)
        err_set(har->err, "the opcode of a message is none");
    message.side = type != NULL && strcmp(type, "send") == 0 ? BODY_REQUEST : BODY_RESPONSE;
    message.opcode = (int)opcode;
    if (time > 0 && time < 1e11)
        message.at_us = (int64_t)(time * US_PER_S + 0.5) - har->row->started_us;
    if (message.at_us < 0)
        message.at_us = 0;
    message.data = json_string_value(data);
    message.length = json_string_length(data);
    bool is_coded =
        opcode == WEBSOCKET_BINARY || (encoding != NULL && strcasecmp(encoding, "base64") == 0);
    // Not every tool writes what is binary as base64.
    if (is_coded && base64_decode(&decoded, message.data, message.length) == 0) {
        message.data = decoded.data;
        message.length = decoded.length;
    }
    whole_exchange_add_message(har->exchange, &message);
    buffer_fini(&decoded);
}

static void read_messages(struct har_entry *har)
{
    const json_t *messages = json_object_get(har->entry, "_webSocketMessages");
    const char *type = import_text(har->entry, "_resourceType", har->err);
    size_t i;
    const json_t *message;
    if (messages != NULL || (type != NULL && strcmp(type, "websocket") == 0))
        har->row->kind = ROW_KIND_WEBSOCKET;
    json_array_foreach(messages, i, message) read_message(har, message);
}

// --- times and places ---------------------------------------------------------------------------

static int64_t known(int64_t us)
{
    return us < 0 ? 0 : us;
}

static void read_times(struct har_entry *har)
{
    struct row_timing *timing = &har->row->timing;
    const json_t *timings = import_object(har->entry, "timings", har->err);
    const char *started = import_text(har->entry, "startedDateTime", har->err);
    if (started == NULL || import_date(started, &har->row->started_us) != 0)
        err_set(har->err, "startedDateTime is missing or no date");
    timing->dns_us = import_ms(timings, "dns", har->err);
    timing->connect_us = import_ms(timings, "connect", har->err);
    timing->tls_us = import_ms(timings, "ssl", har->err);
    timing->send_us = import_ms(timings, "send", har->err);
    timing->wait_us = import_ms(timings, "wait", har->err);
    timing->receive_us = import_ms(timings, "receive", har->err);
    // In HAR the connection's time has that of TLS in it.
    if (timing->connect_us >= 0 && timing->tls_us >= 0)
        timing->connect_us = known(timing->connect_us - timing->tls_us);
    har->row->duration_us = import_ms(har->entry, "time", har->err);
}

static void read_server(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    const char *address = import_row_text(row, har->entry, "serverIPAddress", har->err);
    if (address == NULL)
        return;
    bool is_bare_ipv6 = strchr(address, ':') != NULL && address[0] != '[';
    row->server_addr =
        arena_printf(&row->arena, is_bare_ipv6 ? "[%s]:%d" : "%s:%d", address, row->port);
}

static void read_outcome(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    row->error_text = import_row_text(row, har->response, "_error", har->err);
    row->state = row->status == 0 ? ROW_STATE_UPSTREAM_ERROR : ROW_STATE_DONE;
}

// --- what hark itself wrote ----------------------------------------------------------------------

// Before the rest, which depends on it.
static void read_kind(struct har_entry *har)
{
    const char *kind = import_text(har->hark, "kind", har->err);
    int known_kind = kind != NULL ? row_kind_from_name(kind) : ROW_KIND_HTTP;
    if (known_kind < 0)
        err_set(har->err, "_hark.kind is none");
    else
        har->row->kind = (enum row_kind)known_kind;
}

static void read_hark(struct har_entry *har)
{
    struct exchange_row *row = har->row;
    const json_t *hark = har->hark;
    row->error_text = NULL;
    import_columns(row, hark, har->err);
    row->request_version = import_row_text(row, hark, "request_version", har->err);
    row->reason = arena_strdup(&row->arena, import_text(hark, "reason", har->err));
    row->response_version = import_row_text(row, hark, "response_version", har->err);
}

// An entry does not say when it was commented on.
static void read_notes(struct har_entry *har)
{
    import_note(har->exchange, false, import_text(har->entry, "comment", har->err), 0);
    if (import_bool(har->entry, "_mark", har->err))
        import_note(har->exchange, true, NULL, 0);
}

enum import_entry import_har_entry(struct whole_exchange *exchange, const json_t *entry,
                                   struct err *err)
{
    struct har_entry har = {.exchange = exchange,
                            .row = exchange->row,
                            .entry = entry,
                            .request = import_object(entry, "request", err),
                            .response = import_object(entry, "response", err),
                            .hark = import_object(entry, "_hark", err),
                            .err = err};
    if (har.request == NULL)
        err_set(err, "there is no request");
    read_kind(&har);
    if (err->is_set)
        return IMPORT_INVALID;
    enum import_entry result = read_request(&har);
    if (result != IMPORT_READ)
        return result;
    read_response(&har);
    read_times(&har);
    read_server(&har);
    read_outcome(&har);
    if (har.hark != NULL)
        read_hark(&har);
    read_bodies(&har);
    read_messages(&har);
    read_notes(&har);
    return err->is_set ? IMPORT_INVALID : IMPORT_READ;
}
