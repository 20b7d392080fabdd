// SPDX-License-Identifier: MIT
// Answers that hark gives itself: errors, and the help page. They go through the same calls of the
// exchange as those of an origin.
#ifndef HARK_PROXY_LOCAL_H
#define HARK_PROXY_LOCAL_H

#include "exchange.h"

// A short text that names the exchange, what failed and what to try, with `Hark-Error: code`. The
// response leg must be idle.
void local_answer_error(struct exchange *exchange, int status, const char *code, const char *text);

// The text of that page.
void local_append_error_page(const struct exchange *exchange, const char *code, const char *text,
                             struct buffer *page);
// The reason phrase of the statuses that hark answers with itself.
const char *local_reason_phrase(int status);

// The page for people who open the proxy's own address.
void local_answer_help(struct exchange *exchange);
// http://hark.internal/: the same page, the authority's certificate, and nothing else.
void local_answer_internal(struct exchange *exchange);

// OPTIONS with Max-Forwards: 0 ends here (RFC 9110 section 7.6.2).
void local_answer_options(struct exchange *exchange);
// TRACE with Max-Forwards: 0: the request head comes back (RFC 9110 section 9.3.8), without what
// may be secret.
void local_answer_trace(struct exchange *exchange);

#endif
