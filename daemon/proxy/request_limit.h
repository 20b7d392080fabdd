// SPDX-License-Identifier: MIT
// How large the body of a request may be.
#ifndef HARK_PROXY_REQUEST_LIMIT_H
#define HARK_PROXY_REQUEST_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct exchange;

// May the body be `length` bytes long (negative: not known yet)? If not, the exchange fails with a
// 413, unless it has failed before. Bodies that hark itself sends again are not limited.
bool request_limit_allows(struct exchange *exchange, int64_t length);

#endif
