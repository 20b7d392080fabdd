// SPDX-License-Identifier: MIT
// What the files of the exchange share.
#ifndef HARK_PROXY_EXCHANGE_PRIVATE_H
#define HARK_PROXY_EXCHANGE_PRIVATE_H

#include "exchange.h"

// The one place where a leg moves.
void leg_move(struct exchange *exchange, enum leg_state *leg, enum leg_state to);
void leg_fail(struct exchange *exchange, enum leg_state *leg); // unless it has ended
// No more of the request's body comes, or is wanted.
void exchange_end_upload(struct exchange *exchange);

#endif
