// SPDX-License-Identifier: MIT
// Where the requests of a connection go, if not their targets say so: what its CONNECT or its SOCKS
// request asked for.
#ifndef HARK_PROXY_ROUTE_H
#define HARK_PROXY_ROUTE_H

#include "hark/config.h"
#include "hark/message.h"

#include <stdbool.h>

// Owner: the tunnel, then the connection it has become. Zero-terminated texts of its own.
struct route {
    const char *scheme; // "https" or "http"; static
    char *authority;    // as CONNECT said it: "api.example.com:443"
    char *host;         // lower case, IPv6 without brackets
    int port;
    const char *protocol;    // how it was asked for: "HTTP/1.1" or "SOCKS5"; static
    char *sni;               // what the client's TLS hello asked for; NULL: nothing, or no TLS
    const char *why_relayed; // static; NULL: nothing to explain
};

struct route *route_create(const struct target *target);
void route_destroy(struct route *route); // takes NULL

// Does `host` match one of the patterns, in which `*` stands for any run of characters?
bool route_host_matches(const char *host, const struct config_list *patterns);

#endif
