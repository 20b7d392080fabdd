// SPDX-License-Identifier: MIT
// SOCKS 5 on the proxy's address (RFC 1928): a client that begins with the byte 5 says where it
// wants to go, and from there on its connection is a tunnel like that of CONNECT (tunnel.h).
//
// Owner: the worker. Thread: its own.
#ifndef HARK_PROXY_SOCKS_H
#define HARK_PROXY_SOCKS_H

#include "worker.h"

#include <stdint.h>

// Takes over a connection whose first byte is that of SOCKS 5, still in the socket.
void socks_adopt(struct worker *worker, int fd, const struct peer *peer);
// Refuses a client of SOCKS 4.
void socks_refuse_version_4(struct worker *worker, int fd, const struct peer *peer);
// Closes those that have not said enough for too long. Returns when to look again, monotonic.
int64_t socks_tick(struct worker *worker, int64_t now_us);
void socks_close_all(struct worker *worker);

#endif
