// SPDX-License-Identifier: MIT
// CONNECT (RFC 9110 section 9.3.6). libmicrohttpd cannot answer it, so its head is read and
// answered here; then the first bytes inside decide what becomes of the connection:
//
//   a TLS hello     → intercepted: libmicrohttpd's TLS side (or relayed, if so configured)
//   HTTP/1.x        → libmicrohttpd's plain side
//   anything else   → relayed untouched (relay.h)
//
// Owner: the worker. Thread: its own.
#ifndef HARK_PROXY_TUNNEL_H
#define HARK_PROXY_TUNNEL_H

#include "route.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Takes over a connection that begins with a whole and valid CONNECT head, still in the socket.
void tunnel_adopt(struct worker *worker, int fd, const struct peer *peer, const char *head,
                  size_t head_length);

// Why a client may have no tunnel to somewhere.
struct tunnel_refusal {
    int status;
    const char *code;
    const char *reason;
};
bool tunnel_is_refused(struct worker *worker, const struct peer *peer, const struct target *target,
                       struct tunnel_refusal *refusal);
// Takes over a connection, and the route, after the client was told that its tunnel is there.
void tunnel_begin(struct worker *worker, int fd, const struct peer *peer, struct route *route);

// Relays what has kept silent. Returns when to look again, monotonic.
int64_t tunnel_tick(struct worker *worker, int64_t now_us);
void tunnel_close_all(struct worker *worker);

#endif
