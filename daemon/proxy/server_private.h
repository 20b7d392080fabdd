// SPDX-License-Identifier: MIT
// What the workers ask their server.
#ifndef HARK_PROXY_SERVER_PRIVATE_H
#define HARK_PROXY_SERVER_PRIVATE_H

#include "hark/server.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>

// Any thread.
// The worker with the fewest connections; `self` among equals, since that costs no message.
struct worker *server_least_busy_worker(const struct server *server, struct worker *self);
// Is there room for one more connection (max_connections, descriptors)?
bool server_may_accept(const struct server *server);

#endif
