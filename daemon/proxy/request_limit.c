// SPDX-License-Identifier: MIT
// What comes from a client that has not logged in is not kept: it could fill the disk. The limit is
// for what comes in: a length that is said beforehand is refused before anything goes
// to the origin, a chunked body when it grows too large, with what was recorded of it marked as
// cut.
#include "request_limit.h"

#include "exchange.h"

#include <inttypes.h>

bool request_limit_allows(struct exchange *exchange, int64_t length)
{
    int64_t limit = exchange->config->max_body_bytes;
    if (exchange->login.is_refused) {
        exchange->row->body_truncated = true;
        return false;
    }
    if (limit == 0 || length <= limit || exchange->replay != NULL)
        return true;
    if (exchange->is_too_large)
        return false;
    exchange->is_too_large = true;
    exchange->row->body_truncated = exchange->upload.total_bytes > 0;
    exchange_response_fail(
        exchange, 413, "too-large",
        arena_printf(&exchange->row->arena,
                     "the body of the request is larger than max_body_bytes (%" PRId64 ")", limit));
    return false;
}
