// SPDX-License-Identifier: MIT
// Who may connect at all: the addresses of `allow`, each with so many connections at a time.
//
// Owner: the server. Thread: any; a mutex guards it, which is taken once a connection.
#ifndef HARK_PROXY_ADMISSION_H
#define HARK_PROXY_ADMISSION_H

#include "hark/address.h"
#include "hark/config.h"
#include "hark/log.h"
#include "hark/server.h"

#include <stdbool.h>
#include <stdint.h>

struct admission;
struct client_count; // the open connections of one client

enum admission_verdict {
    ADMITTED,
    ADMISSION_FORBIDDEN, // not in `allow`
    ADMISSION_TOO_MANY   // the client has max_connections_per_client
};

struct admission *admission_create(struct log *log);
void admission_destroy(struct admission *admission); // takes NULL

// What counts from now on. Connections that are open stay so.
void admission_configure(struct admission *admission, const struct config *config);

// Which client an address belongs to: an IPv4 address, or a network of IPv6. False for other
// families.
bool admission_find_client(const struct address *address, uint8_t client[static 16]);

// Is the address loopback, or in `allow`? One that is not gets counted, and logged now and then.
bool admission_allows(struct admission *admission, const struct address *address);
// The same for a connection to the proxy, which also counts among its client's until it leaves.
// `count` (NULL: it is not counted) is what admission_leave() wants.
enum admission_verdict admission_enter(struct admission *admission, const struct address *address,
                                       struct client_count **count);
void admission_leave(struct admission *admission, struct client_count *count); // takes NULL
// One more was turned away since there is no room for anybody.
void admission_count_overload(struct admission *admission);

void admission_get_status(struct admission *admission, struct server_status *status);

#endif
