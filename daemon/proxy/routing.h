// SPDX-License-Identifier: MIT
// Where a request goes: to its origin, or to hark itself.
#ifndef HARK_PROXY_ROUTING_H
#define HARK_PROXY_ROUTING_H

#include "hark/address.h"
#include "hark/err.h"

struct exchange;
struct server;

// Directs an exchange, whose target is parsed, where its connection's route says. Returns 0, or the
// status to answer with the reason in err.
int routing_apply_route(struct exchange *exchange, struct err *err);
// Gives the exchange, whose head is checked and whose target is parsed, its source.
void routing_start(struct exchange *exchange);

// Would a connection to this address come back to hark? Any thread.
enum own_address {
    OWN_NONE,
    OWN_PROXY,
    OWN_PAGE
};
enum own_address server_is_own_address(struct server *server, const struct address *address);

#endif
