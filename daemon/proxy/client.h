// SPDX-License-Identifier: MIT
// The client's side of an exchange: libmicrohttpd, one daemon of it a worker for plain
// connections and one for TLS, driven by the worker's loop. The files client*.c are the only ones
// of the proxy that know it.
#ifndef HARK_PROXY_CLIENT_H
#define HARK_PROXY_CLIENT_H

#include "hark/err.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;
struct MHD_Connection;
struct MHD_Response;
struct early_writer;
struct route;
struct response_head;

// Where libmicrohttpd stands with a request.
enum client_phase {
    CLIENT_HEAD,   // the handler has not been called yet
    CLIENT_EXPECT, // suspended before the body: the client waits for 100 Continue
    CLIENT_BODY,   // being read
    CLIENT_END,    // all of it read
};

// Part of an exchange.
struct client_request {
    struct MHD_Connection *connection; // NULL: it has let go of the exchange
    struct MHD_Response *response;     // the queued one; libmicrohttpd's
    struct early_writer *early;        // NULL: libmicrohttpd sends the answer
    enum client_phase phase;
    bool is_suspended;
    bool is_misframed; // libmicrohttpd takes the body's framing for another than hark does
    bool is_queued;    // a response was queued
    bool is_last;      // the connection closes after it
    bool must_close;   // cut the connection at the next chance
    bool is_watched;   // for the client's going away
    struct watch watch;
};

struct client_side *client_side_create(struct worker *worker, bool is_tls, struct err *err);
// All exchanges have let go.
void client_side_destroy(struct client_side *side);
// Lets libmicrohttpd work if it has something to do; it may call exchanges back.
void client_side_run(struct client_side *side);
// How long the loop may wait for its sake, in microseconds; -1: for ever.
int64_t client_side_timeout_us(struct client_side *side);
// Takes over a connection whose first bytes are still in the socket.
// `route` (NULL: none) is taken over.
void client_side_adopt(struct client_side *side, int fd, const struct peer *peer,
                       struct route *route);

// Starts the delivery, reads on, or goes on writing, whatever is possible.
void client_advance(struct exchange *exchange);
// Passes on an interim response (1xx other than 100), if the client can take it now.
void client_send_interim(struct exchange *exchange, const struct response_head *head);
// Cuts the connection.
void client_cut(struct exchange *exchange);
// Has the worker watch for the client's going away while the exchange waits.
void client_watch_for_close(struct exchange *exchange);

#endif
