// SPDX-License-Identifier: MIT
// The answer on its way to the client.
//
// An answer that is complete when it is queued goes out from one buffer, uncopied. Any other is
// pulled by libmicrohttpd through a content reader, which suspends the connection while there is
// nothing to read. An answer framed by its length keeps it, others are chunked (or end with the
// connection, for HTTP/1.0).
#include "client_private.h"

#include "hark/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define READER_BLOCK_BYTES ((size_t)128 * 1024)
#define HEAD_SLACK_BYTES   ((size_t)1024)
#define FIELD_STRUCT_BYTES ((size_t)80)

// libmicrohttpd writes what it sends beside the request's head, in one pool.
static bool fits_pool(const struct exchange *exchange, const struct fields *answer)
{
    const struct fields *request = &exchange->row->request_headers;
    size_t used = fields_wire_bytes(request) + request->count * FIELD_STRUCT_BYTES +
                  strlen(exchange->request_target) + HEAD_SLACK_BYTES;
    return used + fields_wire_bytes(answer) <=
           client_connection_of(exchange->client.connection)->handshake.side->pool_bytes;
}

bool client_head_fits(const struct exchange *exchange)
{
    return fits_pool(exchange, &exchange->row->response_headers);
}

// Trailers that do not fit are left out, which is allowed (RFC 9110 section 6.5.1): libmicrohttpd
// would cut the answer.
static void add_trailers(const struct exchange *exchange, struct MHD_Response *response)
{
    const struct fields *trailers = &exchange->row->response_trailers;
    if (!fits_pool(exchange, trailers))
        return;
    for (size_t i = 0; i < trailers->count; i++)
        MHD_add_response_footer(response, trailers->items[i].name, trailers->items[i].value);
}

size_t client_readable_bytes(const struct exchange *exchange, uint64_t position, size_t size)
{
    if (exchange->response_length <= 0 || exchange_may_finish(exchange))
        return size;
    uint64_t before_last = (uint64_t)exchange->response_length - 1 - position;
    return before_last < size ? (size_t)before_last : size;
}

static ssize_t on_read(void *cls, uint64_t position, char *buffer, size_t size)
{
    struct exchange *exchange = cls;
    client_connection_of(exchange->client.connection)->handshake.side->calls++;
    if (exchange->client.must_close)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t taken =
        flow_read(&exchange->download, buffer, client_readable_bytes(exchange, position, size));
    if (taken > 0) {
        exchange_download_taken(exchange);
        return (ssize_t)taken;
    }
    if (exchange->response == LEG_FAILED && exchange->download.unread_bytes == 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (exchange->response == LEG_DONE && exchange_may_finish(exchange) &&
        exchange->download.unread_bytes == 0) {
        add_trailers(exchange, exchange->client.response);
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    client_suspend(exchange);
    return 0;
}

static void unref_chunk(void *cls)
{
    chunk_unref(cls);
}

static struct MHD_Response *whole_response(struct exchange *exchange)
{
    struct chunk *chunk = flow_take_whole(&exchange->download);
    if (chunk != NULL)
        return MHD_create_response_from_buffer_with_free_callback_cls(chunk->length, chunk->data,
                                                                      unref_chunk, chunk);
    return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *streamed_response(struct exchange *exchange, uint64_t size)
{
    size_t block = size < READER_BLOCK_BYTES ? (size_t)size + 1 : READER_BLOCK_BYTES;
    return MHD_create_response_from_callback(size, block, on_read, exchange, NULL);
}

// An answer without content: HEAD and 304 keep the length the content would have had; one that
// does not say it cannot be framed by libmicrohttpd, so HEAD closes, and 304 has length 0, which
// no recipient stores (RFC 9111 section 3.2).
static struct MHD_Response *bodyless_response(struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    bool has_length = fields_find(&row->response_headers, "Content-Length") != NULL;
    if (has_length && exchange->response_length > 0)
        return streamed_response(exchange, (uint64_t)exchange->response_length);
    if (has_length || row->status == 204 || row->status == 304)
        return MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    exchange->client.is_last = true;
    struct MHD_Response *response = streamed_response(exchange, MHD_SIZE_UNKNOWN);
    MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    return response;
}

static struct MHD_Response *create_response(struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    if (!status_has_body(row->status, row->method))
        return bodyless_response(exchange);
    if (exchange->response_length < 0)
        return streamed_response(exchange, MHD_SIZE_UNKNOWN);
    bool is_whole = exchange->response == LEG_DONE &&
                    exchange->download.total_bytes <= (int64_t)CHUNK_MAX_BYTES &&
                    exchange->download.first == exchange->download.last;
    if (is_whole)
        return whole_response(exchange);
    return streamed_response(exchange, (uint64_t)exchange->response_length);
}

bool client_forwards_field(const struct exchange *exchange, const struct fields *fields,
                           const struct field *field)
{
    return !field_is_hop_by_hop(fields, field) && !field_is_named(field, "Content-Length") &&
           (exchange->login.is_challenged || !field_is_named(field, "Proxy-Authenticate"));
}

static void add_headers(struct exchange *exchange, struct MHD_Response *response)
{
    const struct exchange_row *row = exchange->row;
    const struct fields *fields = &row->response_headers;
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        if (!client_forwards_field(exchange, fields, field))
            continue;
        // libmicrohttpd refuses an empty value; a recipient drops the space of this one.
        const char *value = field->value_length == 0 ? " " : field->value;
        if (MHD_add_response_header(response, field->name, value) != MHD_YES)
            log_warn(exchange->worker->log, "client", "#%" PRId64 ": libmicrohttpd refused %s",
                     row->id, field->name);
    }
    if (exchange->config->via) {
        char via[64];
        snprintf(via, sizeof(via), "1.1 %s", exchange->worker->via);
        MHD_add_response_header(response, "Via", via);
    }
    bool is_refused = row->error != NULL && strcmp(row->error, "bad-request") == 0;
    if (strcmp(row->request_version, "HTTP/1.0") == 0 || exchange->worker->is_draining ||
        is_refused) {
        exchange->client.is_last = true;
        MHD_add_response_header(response, "Connection", "close");
    }
}

enum MHD_Result client_queue_response(struct exchange *exchange)
{
    struct MHD_Response *response = create_response(exchange);
    if (response == NULL)
        return MHD_NO;
    add_headers(exchange, response);
    exchange->client.response = response;
    exchange->client.is_queued = true;
    exchange_delivery_begun(exchange);
    enum MHD_Result result =
        MHD_queue_response(exchange->client.connection, (unsigned)exchange->row->status, response);
    // The connection has a reference of its own; the pointer is good while it reads content.
    MHD_destroy_response(response);
    return result;
}

// With a durability that promises, an answer that could not be recorded must not go out as if it
// had been.
enum MHD_Result client_queue_unrecorded(struct exchange *exchange)
{
    static const char page[] = "hark: not-recording: the exchange could not be recorded\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof(page) - 1, (void *)page, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
    MHD_add_response_header(response, "Hark-Error", "not-recording");
    MHD_add_response_header(response, "Connection", "close");
    exchange->client.is_queued = true;
    exchange->client.is_last = true;
    flow_drop_reader(&exchange->download);
    exchange_delivery_begun(exchange);
    enum MHD_Result result = MHD_queue_response(exchange->client.connection, 503, response);
    MHD_destroy_response(response);
    return result;
}
