// SPDX-License-Identifier: MIT
// Where the requests of a connection go, if not their targets say so: what its CONNECT or its SOCKS
// request asked for, or the origin that its listener stands in for.
#ifndef HARK_PROXY_ROUTE_H
#define HARK_PROXY_ROUTE_H

#include "hark/config.h"
#include "hark/message.h"

#include <stdbool.h>

// Owner: the tunnel, then the connection it has become; or the listener. Zero-terminated texts of
// its own.
struct route {
    const char *scheme; // "https" or "http"; static
    char *authority;    // as CONNECT said it: "api.example.com:443"; as the configuration did
    char *host;         // lower case, IPv6 without brackets
    int port;
    const char *protocol;    // how it was asked for: "HTTP/1.1" or "SOCKS5"; static
    char *sni;               // what the client's TLS hello asked for; NULL: nothing, or no TLS
    const char *why_relayed; // static; NULL: nothing to explain
    bool is_reverse;         // the listener stands in for that origin
    int listen_port;         // of that listener
};

struct route *route_create(const struct target *target);
struct route *route_clone(const struct route *route);
void route_destroy(struct route *route); // takes NULL

// Makes the target of a request on its way absolute; it borrows the route's texts.
void route_complete_target(const struct route *route, struct target *target);

// Does `host` match one of the patterns, in which `*` stands for any run of characters?
bool route_host_matches(const char *host, const struct config_list *patterns);

#endif
