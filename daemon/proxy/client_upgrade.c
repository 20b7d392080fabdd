// SPDX-License-Identifier: MIT
// After a 101: libmicrohttpd's own upgrade would add fields of its own to the head, so it is left
// out of this. Its connection stays suspended, it touches neither socket nor TLS session then, and
// hark reads and writes them itself until both sides have ended.
//
// What a client sends before it has the 101 is lost, should libmicrohttpd have read it with the
// request; no client may (RFC 9110 section 7.8).
#include "client_upgrade.h"

#include "client_private.h"
#include "upgrade.h"

#include "hark/clock.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <sys/socket.h>

// More than a TLS record holds, so that none is left half read where no event tells of it.
#define PIECE_BYTES ((size_t)64 * 1024)
#define ROUNDS_MAX  16

// As recv() does: 0 at the end, -1 with errno.
static ssize_t read_some(const struct exchange *exchange, void *buffer, size_t size)
{
    struct MHD_Connection *connection = exchange->client.connection;
    if (!client_connection_of(connection)->handshake.side->is_tls)
        return recv(client_descriptor_of(exchange->client.connection), buffer, size, MSG_DONTWAIT);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    ssize_t count = gnutls_record_recv(info->tls_session, buffer, size);
    if (count >= 0)
        return count;
    if (count == GNUTLS_E_PREMATURE_TERMINATION)
        return 0; // many clients just close
    errno = count == GNUTLS_E_AGAIN || !gnutls_error_is_fatal((int)count) ? EAGAIN : ECONNRESET;
    return -1;
}

// --- to the client -----------------------------------------------------------------------------

static void append_head(struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    struct buffer *out = &exchange->upgrade->out;
    buffer_printf(out, "HTTP/1.1 %d %s\r\n", row->status, row->reason);
    for (size_t i = 0; i < row->response_headers.count; i++)
        buffer_printf(out, "%s: %s\r\n", row->response_headers.items[i].name,
                      row->response_headers.items[i].value);
    buffer_append_text(out, "\r\n");
}

static void begin(struct exchange *exchange)
{
    struct client_request *client = &exchange->client;
    if (client->is_watched) { // one watch a descriptor
        worker_watch(exchange->worker, &client->watch, 0);
        client->is_watched = false;
    }
    exchange->upgrade->watch.fd = client_descriptor_of(exchange->client.connection);
    append_head(exchange);
    exchange_delivery_begun(exchange);
}

static bool refill(struct exchange *exchange)
{
    struct buffer *out = &exchange->upgrade->out;
    buffer_clear(out);
    exchange->upgrade->written = 0;
    out->length = flow_read(&exchange->download, buffer_reserve(out, PIECE_BYTES), PIECE_BYTES);
    if (out->length > 0)
        exchange_download_taken(exchange);
    return out->length > 0;
}

enum written {
    WRITTEN_ALL,
    WRITTEN_SOME,
    WRITTEN_NOT // the client is gone
};

static enum written write_out(struct exchange *exchange)
{
    struct upgrade *upgrade = exchange->upgrade;
    do {
        while (upgrade->written < upgrade->out.length) {
            ssize_t count = client_write(exchange, upgrade->out.data + upgrade->written,
                                         upgrade->out.length - upgrade->written);
            if (count < 0 && errno == EINTR)
                continue;
            if (count < 0)
                return errno == EAGAIN ? WRITTEN_SOME : WRITTEN_NOT;
            upgrade->written += (size_t)count;
            exchange->active_us = clock_monotonic_us();
        }
    } while (refill(exchange));
    return WRITTEN_ALL;
}

// The origin has ended and the client has everything.
static void pass_end(struct exchange *exchange)
{
    if (exchange->response == LEG_FAILED) {
        client_cut(exchange);
    } else if (exchange_may_finish(exchange)) {
        client_end_writing(exchange);
        exchange->upgrade->shut_us = clock_monotonic_us();
        worker_tick_by(exchange->worker, exchange->upgrade->shut_us);
        exchange_delivered(exchange);
    }
}

// --- from the client ---------------------------------------------------------------------------

static bool may_read(const struct exchange *exchange)
{
    return !exchange->upgrade->has_client_ended &&
           (exchange->upload.is_ended || exchange_wants_request_data(exchange));
}

// False: the connection is broken.
static bool read_in(struct exchange *exchange)
{
    static _Thread_local char piece[PIECE_BYTES];
    for (int i = 0; i < ROUNDS_MAX && may_read(exchange); i++) {
        ssize_t count = read_some(exchange, piece, sizeof(piece));
        if (count < 0)
            return errno == EAGAIN || errno == EINTR;
        if (count == 0)
            upgrade_client_ended(exchange);
        else
            upgrade_client_data(exchange, piece, (size_t)count);
    }
    return true;
}

// --- both --------------------------------------------------------------------------------------

static void on_ready(struct watch *watch, uint32_t events)
{
    struct exchange *exchange = watch->ctx;
    (void)events;
    worker_mark_ready(exchange->worker, exchange);
}

static void drop_client(struct exchange *exchange)
{
    exchange_client_gone(exchange, "the client reset the connection");
    client_cut(exchange);
}

void client_upgrade_advance(struct exchange *exchange)
{
    struct upgrade *upgrade = exchange->upgrade;
    if (!exchange->client.is_suspended || exchange->client.must_close)
        return;
    if (exchange->delivery == LEG_IDLE) {
        upgrade->watch = (struct watch){.on_event = on_ready, .ctx = exchange};
        begin(exchange);
    }
    enum written written = WRITTEN_ALL;
    if (upgrade->shut_us == 0)
        written = write_out(exchange);
    if (written == WRITTEN_NOT || !read_in(exchange) ||
        (exchange->journal.final == FINAL_LOST && upgrade->shut_us == 0)) {
        drop_client(exchange);
        return;
    }
    // Reading may have brought about an answer, which comes first.
    if (written == WRITTEN_ALL && upgrade->shut_us == 0 && leg_has_ended(exchange->response) &&
        exchange->download.unread_bytes == 0)
        pass_end(exchange);
    if (upgrade->shut_us != 0 && upgrade->has_client_ended)
        client_cut(exchange);
    if (exchange->client.must_close)
        return;
    worker_watch(exchange->worker, &upgrade->watch,
                 (may_read(exchange) ? EPOLLIN : 0u) | (written == WRITTEN_SOME ? EPOLLOUT : 0u));
}

void client_upgrade_end(struct exchange *exchange)
{
    if (exchange->upgrade != NULL && exchange->upgrade->watch.events != 0)
        worker_watch(exchange->worker, &exchange->upgrade->watch, 0);
}
