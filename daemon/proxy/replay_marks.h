// SPDX-License-Identifier: MIT
// Marks of redaction in a request that is about to be sent again: to a server they are wrong
// values, and what they stand for is not known.
#ifndef HARK_PROXY_REPLAY_MARKS_H
#define HARK_PROXY_REPLAY_MARKS_H

#include "hark/redact.h"
#include "replay_message.h"

#define REPLAY_MARKS_TOLD 4

// Where there are any. Owner: whoever declared it. Zero-initialised is nowhere.
struct replay_marks {
    char places[REPLAY_MARKS_TOLD][64]; // "Authorization", "parameter token"
    size_t count;                       // of all places; the first of them are in `places`
    struct redact_search body;
    bool is_in_body;
};

// Looks into the head and the trailers, of which what ends at this hop does not count.
void replay_marks_find(struct replay_marks *marks, const struct replay_message *message);
// For store_walk_body(), ctx are the marks.
int replay_marks_on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length);
// -1 with the places in `reason` if there are any.
int replay_marks_explain(struct replay_marks *marks, struct err *reason);

#endif
