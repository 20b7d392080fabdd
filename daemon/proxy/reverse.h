// SPDX-License-Identifier: MIT
// Reverse mode: a listener that stands in for an origin, for programs that know no proxy. What
// comes through it goes to that origin, as what comes through a tunnel goes where its CONNECT said.
#ifndef HARK_PROXY_REVERSE_H
#define HARK_PROXY_REVERSE_H

#include "hark/config.h"
#include "hark/err.h"
#include "route.h"

#include <stddef.h>

#define REVERSE_REFUSES_CONNECT "CONNECT is for proxies, and this address stands in for an origin"

struct exchange;

// Is each item of `reverse` one that can be forwarded to?
int reverse_check(const struct config *config, struct err *err);
// Item `index` of `reverse`, which reverse_check() has passed: its listening address as text (the
// caller frees it), and the route of all that comes through there.
char *reverse_listen_text(const struct config *config, size_t index);
struct route *reverse_route_create(const struct config *config, size_t index, struct err *err);

// Directs a request whose target is parsed to the origin, and puts that into Host. Returns 0, or
// the status to answer with the reason in err.
int reverse_apply(struct exchange *exchange, struct err *err);

#endif
