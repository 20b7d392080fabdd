// SPDX-License-Identifier: MIT
// What an exchange asks of its connection: to wait, to go on, to answer, to close; and whether the
// client is still there while libmicrohttpd does not look.
#include "client_early.h"
#include "client_private.h"
#include "client_upgrade.h"

#include <sys/socket.h>

// --- suspension --------------------------------------------------------------------------------

// libmicrohttpd hands over all chunks that it has read, also after the first of them led here.
void client_suspend(struct exchange *exchange)
{
    if (exchange->client.is_suspended)
        return;
    MHD_suspend_connection(exchange->client.connection);
    exchange->client.is_suspended = true;
}

void client_resume(struct exchange *exchange)
{
    if (!exchange->client.is_suspended)
        return;
    exchange->client.is_suspended = false;
    MHD_resume_connection(exchange->client.connection);
    client_connection_of(exchange->client.connection)->handshake.side->must_run = true;
}

void client_cut(struct exchange *exchange)
{
    if (exchange->client.connection == NULL)
        return;
    exchange->client.must_close = true;
    bool is_called = exchange->client.is_suspended && exchange->client.phase != CLIENT_BODY;
    client_resume(exchange);
    if (is_called)
        return; // the handler, or the content reader, which close
    // libmicrohttpd waits for the client; this makes it look.
    shutdown(client_descriptor_of(exchange->client.connection), SHUT_RDWR);
}

// --- watching for the client's going away ------------------------------------------------------

static void on_hangup(struct watch *watch, uint32_t events)
{
    struct exchange *exchange = watch->ctx;
    struct client_request *client = &exchange->client;
    (void)events;
    worker_watch(exchange->worker, watch, 0);
    client->is_watched = false;
    if (client->phase == CLIENT_BODY) {
        // What is left of the body is still to be read, and libmicrohttpd may have missed that
        // there is something. A connection that was suspended is looked at anew.
        if (!client->is_suspended) {
            client_suspend(exchange);
            client_resume(exchange);
        }
    } else if (client->is_suspended) {
        exchange_client_gone(exchange, "the client closed the connection while it waited");
        client_cut(exchange);
    }
}

// libmicrohttpd does not look at suspended connections, so the loop does. Only for exchanges that
// last, since it costs two system calls.
void client_watch_for_close(struct exchange *exchange)
{
    struct client_request *client = &exchange->client;
    if (client->connection == NULL || client->is_watched || client->early != NULL ||
        exchange->upgrade != NULL || client->phase == CLIENT_HEAD)
        return;
    client->watch = (struct watch){
        .fd = client_descriptor_of(client->connection), .on_event = on_hangup, .ctx = exchange};
    client->is_watched = true;
    worker_watch(exchange->worker, &client->watch, EPOLLRDHUP);
}

// --- what the loop asks for --------------------------------------------------------------------

static bool can_queue(const struct exchange *exchange)
{
    const struct client_request *client = &exchange->client;
    return client->is_suspended && !client->is_queued &&
           (client->phase == CLIENT_EXPECT || client->phase == CLIENT_END);
}

static bool can_read_on(const struct exchange *exchange)
{
    const struct client_request *client = &exchange->client;
    if (client->is_queued || client->phase == CLIENT_END)
        return false;
    if (client->phase == CLIENT_EXPECT)
        return exchange->may_continue;
    return exchange_wants_request_data(exchange);
}

static bool can_write_on(const struct exchange *exchange)
{
    return exchange->client.is_queued &&
           (exchange->download.unread_bytes > 0 || leg_has_ended(exchange->response));
}

// Sends the answer around libmicrohttpd, if it has to be.
static void advance_early(struct exchange *exchange)
{
    const struct client_request *client = &exchange->client;
    bool is_early = client->phase == CLIENT_BODY && exchange_must_answer_early(exchange);
    bool is_too_large =
        can_queue(exchange) && exchange_can_deliver(exchange) && !client_head_fits(exchange);
    if (client->early == NULL && !client->is_queued && (is_early || is_too_large))
        client_early_begin(exchange);
    if (client->early == NULL)
        return;
    client_early_advance(exchange);
    if (client->phase != CLIENT_BODY && leg_has_ended(exchange->delivery))
        client_cut(exchange);
}

static void advance_unrecorded(struct exchange *exchange)
{
    if (exchange->client.is_queued && exchange->client.response == NULL)
        return; // the 503 is on its way
    if (can_queue(exchange) && client_queue_unrecorded(exchange) == MHD_YES) {
        client_resume(exchange);
        return;
    }
    exchange_client_gone(exchange, "the exchange could not be recorded");
    client_cut(exchange);
}

void client_advance(struct exchange *exchange)
{
    if (exchange->upgrade != NULL) {
        client_upgrade_advance(exchange);
        return;
    }
    if (exchange->journal.final == FINAL_LOST && !leg_has_ended(exchange->delivery)) {
        advance_unrecorded(exchange);
        return;
    }
    advance_early(exchange);
    if (!exchange->client.is_suspended)
        return;
    if (exchange->client.early == NULL && can_queue(exchange) && exchange_can_deliver(exchange)) {
        if (client_queue_response(exchange) == MHD_NO)
            client_cut(exchange);
        client_resume(exchange);
    } else if (can_read_on(exchange) || can_write_on(exchange)) {
        client_resume(exchange);
    }
}
