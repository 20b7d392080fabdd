// SPDX-License-Identifier: MIT
// The early answer. libmicrohttpd takes a response only once it has read the whole request, yet an
// origin may answer sooner: to refuse an upload, or to echo it while it arrives. Such an answer is
// written straight to the socket, which libmicrohttpd, still reading the request, does not write
// to; the connection is closed after it, since libmicrohttpd knows nothing of the answer.
#include "client_early.h"

#include "client_private.h"

#include "hark/clock.h"
#include "hark/mem.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PIECE_BYTES ((size_t)64 * 1024)

// Owner: the client's side of an exchange.
struct early_writer {
    struct exchange *exchange;
    struct watch watch;
    struct buffer out; // being written
    size_t written;
    bool is_chunked;
    bool is_ended; // the end of the answer is in `out`, or was
};

ssize_t client_write(const struct exchange *exchange, const void *data, size_t length)
{
    struct MHD_Connection *connection = exchange->client.connection;
    if (!client_connection_of(connection)->handshake.side->is_tls) {
        return send(client_descriptor_of(connection), data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    ssize_t count = gnutls_record_send(info->tls_session, data, length);
    if (count >= 0)
        return count;
    errno = count == GNUTLS_E_AGAIN ? EAGAIN : count == GNUTLS_E_INTERRUPTED ? EINTR : EPIPE;
    return -1;
}

void client_end_writing(const struct exchange *exchange)
{
    struct MHD_Connection *connection = exchange->client.connection;
    if (client_connection_of(connection)->handshake.side->is_tls) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        gnutls_bye(info->tls_session, GNUTLS_SHUT_WR);
    }
    shutdown(client_descriptor_of(connection), SHUT_WR);
}

static void append_head(struct early_writer *early)
{
    struct exchange *exchange = early->exchange;
    const struct exchange_row *row = exchange->row;
    struct buffer *out = &early->out;
    buffer_printf(out, "HTTP/1.1 %d %s\r\n", row->status, row->reason);
    for (size_t i = 0; i < row->response_headers.count; i++) {
        const struct field *field = &row->response_headers.items[i];
        if (client_forwards_field(exchange, &row->response_headers, field))
            buffer_printf(out, "%s: %s\r\n", field->name, field->value);
    }
    if (exchange->config->via)
        buffer_printf(out, "Via: 1.1 %s\r\n", exchange->worker->via);
    bool has_body = status_has_body(row->status, row->method);
    early->is_chunked =
        has_body && exchange->response_length < 0 && strcmp(row->request_version, "HTTP/1.0") != 0;
    if (early->is_chunked)
        buffer_append_text(out, "Transfer-Encoding: chunked\r\n");
    else if (exchange->response_length > 0 || (has_body && exchange->response_length == 0))
        buffer_printf(out, "Content-Length: %lld\r\n", (long long)exchange->response_length);
    buffer_append_text(out, "Connection: close\r\n\r\n");
}

static void append_end(struct early_writer *early)
{
    const struct fields *trailers = &early->exchange->row->response_trailers;
    early->is_ended = true;
    if (!early->is_chunked)
        return;
    buffer_append_text(&early->out, "0\r\n");
    for (size_t i = 0; i < trailers->count; i++)
        buffer_printf(&early->out, "%s: %s\r\n", trailers->items[i].name, trailers->items[i].value);
    buffer_append_text(&early->out, "\r\n");
}

static void append_content(struct early_writer *early)
{
    struct exchange *exchange = early->exchange;
    static _Thread_local char piece[PIECE_BYTES];
    uint64_t position =
        (uint64_t)(exchange->download.total_bytes - (int64_t)exchange->download.unread_bytes);
    size_t limit = client_readable_bytes(exchange, position, sizeof(piece));
    size_t length = flow_read(&exchange->download, piece, limit);
    if (length == 0)
        return;
    if (early->is_chunked)
        buffer_printf(&early->out, "%zx\r\n", length);
    buffer_append(&early->out, piece, length);
    if (early->is_chunked)
        buffer_append_text(&early->out, "\r\n");
    exchange_download_taken(exchange);
}

// False: there is nothing to write now.
static bool refill(struct early_writer *early)
{
    struct exchange *exchange = early->exchange;
    buffer_clear(&early->out);
    early->written = 0;
    if (early->is_ended)
        return false;
    append_content(early);
    if (early->out.length == 0 && exchange->response == LEG_DONE && exchange_may_finish(exchange))
        append_end(early);
    return early->out.length > 0;
}

static void on_writable(struct watch *watch, uint32_t events)
{
    struct early_writer *early = watch->ctx;
    (void)events;
    worker_watch(early->exchange->worker, watch, 0);
    worker_mark_ready(early->exchange->worker, early->exchange);
}

// True: all of `out` is written.
static bool write_out(struct early_writer *early)
{
    struct exchange *exchange = early->exchange;
    while (early->written < early->out.length) {
        ssize_t count = client_write(exchange, early->out.data + early->written,
                                     early->out.length - early->written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN) {
            worker_watch(exchange->worker, &early->watch, EPOLLOUT);
            return false;
        }
        if (count < 0) {
            exchange_client_gone(exchange, "the client closed the connection");
            client_cut(exchange);
            return false;
        }
        early->written += (size_t)count;
        exchange->active_us = clock_monotonic_us();
    }
    return true;
}

void client_early_begin(struct exchange *exchange)
{
    struct early_writer *early = mem_calloc(1, sizeof(*early));
    early->exchange = exchange;
    early->watch = (struct watch){.fd = client_descriptor_of(exchange->client.connection),
                                  .on_event = on_writable,
                                  .ctx = early};
    exchange->client.early = early;
    if (exchange->client.is_watched) { // one watch a descriptor
        worker_watch(exchange->worker, &exchange->client.watch, 0);
        exchange->client.is_watched = false;
    }
    append_head(early);
    exchange_delivery_begun(exchange);
}

bool client_early_is_done(const struct early_writer *early)
{
    return early->is_ended && early->written == early->out.length;
}

void client_early_advance(struct exchange *exchange)
{
    struct early_writer *early = exchange->client.early;
    if (early->watch.events != 0 || leg_has_ended(exchange->delivery))
        return;
    do {
        if (!write_out(early))
            return;
    } while (refill(early));
    if (client_early_is_done(early)) {
        // The client may still be sending; it learns from the end of the answer that it need not.
        client_end_writing(exchange);
        exchange_delivered(exchange);
    } else if (exchange->response == LEG_FAILED && exchange->download.unread_bytes == 0) {
        client_cut(exchange);
    }
}

void client_early_end(struct exchange *exchange)
{
    struct early_writer *early = exchange->client.early;
    if (early == NULL)
        return;
    worker_watch(exchange->worker, &early->watch, 0);
    buffer_fini(&early->out);
    free(early);
    exchange->client.early = NULL;
}

// libmicrohttpd has written nothing for this request yet and is suspended, so what is written
// here stands before its answer.
void client_send_interim(struct exchange *exchange, const struct response_head *head)
{
    const struct client_request *client = &exchange->client;
    bool is_possible = client->connection != NULL && client->is_suspended && !client->is_queued &&
                       client->phase == CLIENT_END && client->early == NULL &&
                       strcmp(exchange->row->request_version, "HTTP/1.0") != 0;
    if (!is_possible)
        return;
    struct buffer out = {0};
    buffer_printf(&out, "HTTP/1.1 %d %s\r\n", head->status, head->reason);
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct field *field = &head->fields.items[i];
        if (client_forwards_field(exchange, &head->fields, field))
            buffer_printf(&out, "%s: %s\r\n", field->name, field->value);
    }
    buffer_append_text(&out, "\r\n");
    ssize_t count = client_write(exchange, out.data, out.length);
    // Nothing written leaves the final answer as good as it was; a part of it would not.
    if (count > 0 && (size_t)count < out.length)
        client_cut(exchange);
    buffer_fini(&out);
}
