// SPDX-License-Identifier: MIT
// Answers that libmicrohttpd cannot send: those that begin before the request has ended, and
// heads that do not fit its pool.
#ifndef HARK_PROXY_CLIENT_EARLY_H
#define HARK_PROXY_CLIENT_EARLY_H

#include <stdbool.h>

struct exchange;
struct early_writer;

// Begins the delivery on the connection's own descriptor.
void client_early_begin(struct exchange *exchange);
// Writes what can be written now. Called whenever there may be more.
void client_early_advance(struct exchange *exchange);
// Is everything written?
bool client_early_is_done(const struct early_writer *early);
void client_early_end(struct exchange *exchange);

#endif
