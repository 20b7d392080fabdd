// SPDX-License-Identifier: MIT
// A relay: bytes both ways between a client and its server, untouched, until both have ended.
// What cannot be intercepted, or may not be, goes this way, and is recorded as a `tunnel` row with
// its byte counts and times.
//
// Owner: the worker. Thread: its own.
#ifndef HARK_PROXY_RELAY_H
#define HARK_PROXY_RELAY_H

#include "route.h"
#include "worker.h"

// Takes over the connection and the route, and connects to the server.
void relay_start(struct worker *worker, int fd, const struct peer *peer, struct route *route);
void relay_close_all(struct worker *worker);

#endif
