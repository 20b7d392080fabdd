// SPDX-License-Identifier: MIT
// The client of an exchange that has changed its protocol.
#ifndef HARK_PROXY_CLIENT_UPGRADE_H
#define HARK_PROXY_CLIENT_UPGRADE_H

struct exchange;

// Moves what can be moved between the client and the flows.
void client_upgrade_advance(struct exchange *exchange);
// libmicrohttpd lets go of the connection.
void client_upgrade_end(struct exchange *exchange);

#endif
