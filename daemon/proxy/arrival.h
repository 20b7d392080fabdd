// SPDX-License-Identifier: MIT
// Connections that have become a worker's: what their first bytes are decides who goes on with
// them. Those that have sent nothing yet wait here, for as long as header_timeout.
// Thread: the worker's.
#ifndef HARK_PROXY_ARRIVAL_H
#define HARK_PROXY_ARRIVAL_H

#include "route.h"
#include "worker.h"

#include <stdint.h>

// The descriptor is taken over.
void arrival_adopt(struct worker *worker, int fd, const struct peer *peer);
// The same, for one whose requests go where its CONNECT said. The route is taken over.
void arrival_adopt_routed(struct worker *worker, int fd, const struct peer *peer,
                          struct route *route);
// Closes what has sent nothing for too long. Returns when to look again, monotonic.
int64_t arrival_tick(struct worker *worker, int64_t now_us);
// Closes all that have sent nothing yet.
void arrival_close_all(struct worker *worker);

#endif
