// SPDX-License-Identifier: MIT
// Listening sockets.
#ifndef HARK_LISTENING_H
#define HARK_LISTENING_H

#include "hark/address.h"

// Binds and listens, without blocking. `beside` is a listening socket of this process that is
// about to go: their ports may be the same and their addresses overlap, such as 127.0.0.1 and
// 0.0.0.0; -1: there is none. Returns the descriptor, or -1 with the reason in errno.
int listening_open(const struct address *address, int backlog, int beside);
// Does this listening socket have the port of `address`? Port 0 is no one's.
bool listening_has_port(int fd, const struct address *address);

#endif
