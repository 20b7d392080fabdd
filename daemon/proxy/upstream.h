// SPDX-License-Identifier: MIT
// The source that forwards: libcurl, one multi handle a worker, driven by the worker's loop.
// The files upstream*.c are the only ones of the proxy that know libcurl.
#ifndef HARK_PROXY_UPSTREAM_H
#define HARK_PROXY_UPSTREAM_H

#include "hark/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct config;
struct exchange;
struct route;
struct upstream;
struct worker;

// Once in the process, before any thread begins.
void upstream_init_library(void);

// Can libcurl work with what is said of the proxy, the roots and the client certificates?
int upstream_check_config(const struct config *config, struct err *err);

// A pool of connections. A worker has one for everybody, and one for each client connection that
// authenticates its connections instead of its requests (NTLM, Negotiate: RFC 4559 section 6).
struct upstream *upstream_create(struct worker *worker, struct err *err);
void upstream_destroy(struct upstream *upstream); // no transfer is going on any more

// Forwards the exchange to its origin.
void upstream_start(struct exchange *exchange);

// A connection for bytes that are not requests, to a route's host and port.
struct upstream_connection;
struct upstream_connect_ops {
    // The descriptor is whoever's is called: it outlives upstream_disconnect(). Through an https://
    // proxy it only tells when there is something to do, and the connection is to be kept.
    void (*on_connected)(void *ctx, int fd, const char *server_addr);
    void (*on_failed)(void *ctx, int status, const char *code, const char *text);
};
// Never calls back before it has returned.
struct upstream_connection *upstream_connect(struct upstream *upstream, const struct route *route,
                                             struct config *config,
                                             const struct upstream_connect_ops *ops, void *ctx);
void upstream_disconnect(struct upstream_connection *connection); // takes NULL
// Does it go through an https:// proxy? Then bytes of the descriptor are that one's TLS, and what
// is inside goes through the next two, which are as recv(2) and send(2). What was sent in part is
// to be sent again from the same place.
bool upstream_is_wrapped(const struct upstream_connection *connection);
ssize_t upstream_receive(struct upstream_connection *connection, void *buffer, size_t size);
ssize_t upstream_send(struct upstream_connection *connection, const void *data, size_t length);

// The loop has looked at all sockets.
void upstream_begin_turn(struct worker *worker);
// Lets libcurl's timers run if they are due, and takes in what it has finished.
void upstream_run(struct worker *worker, int64_t now_us);
// When libcurl wants upstream_run() next, monotonic; INT64_MAX: not before a socket is ready.
int64_t upstream_due_us(const struct worker *worker);

#endif
