// SPDX-License-Identifier: MIT
// `ignore`: exchanges that match its filter are forwarded and not recorded.
//
// An exchange is judged when its request's head is there, when its answer's is, and at its end.
// Until it is known to match it is recorded as any other; if it then does, what is in the recording
// of it is taken out again. Requests that are sent again are always recorded, since their sender
// wants to see what came.
#ifndef HARK_PROXY_IGNORING_H
#define HARK_PROXY_IGNORING_H

#include "hark/config.h"
#include "hark/err.h"
#include "hark/filter_judge.h"

#include <stdbool.h>

struct exchange;
struct worker;

// A filter and the exchanges that began with it. Owner: whoever holds a reference; thread: the
// worker's.
struct ignore_rule;

// Can `ignore` be judged?
int ignoring_check(const struct config *config, struct err *err);
// A reference to what the worker's configuration ignores; NULL: nothing.
struct ignore_rule *ignoring_current(struct worker *worker);
void ignoring_release(struct ignore_rule *rule); // takes NULL

// Stops recording the exchange if what is known of it matches.
void ignoring_judge(struct exchange *exchange, enum filter_stage stage);
// Does it depend on the end, now that the answer's head is known?
bool ignoring_is_open(const struct exchange *exchange);

#endif
