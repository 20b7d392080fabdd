// SPDX-License-Identifier: MIT
// A result of a replay as a row of values, the same wherever it is shown.
#ifndef HARK_REPLAY_VIEW_H
#define HARK_REPLAY_VIEW_H

#include "hark/replay.h"
#include "hark/store_reader.h"

enum replay_column {
    REPLAY_COLUMN_ID, // of the new exchange; NULL: it was not sent
    REPLAY_COLUMN_REPLAY_OF,
    REPLAY_COLUMN_METHOD,
    REPLAY_COLUMN_URL,
    REPLAY_COLUMN_STATUS,
    REPLAY_COLUMN_MS,
    REPLAY_COLUMN_RESPONSE_SIZE,
    REPLAY_COLUMN_STATE, // as in `traffic`, or "skipped", "missing"
    REPLAY_COLUMN_ERROR, // the same, or "redacted"
    REPLAY_COLUMN_ERROR_TEXT,
    REPLAY_COLUMN_COUNT
};

extern const char *const replay_column_names[REPLAY_COLUMN_COUNT];

// Owner: whoever declared it. Good as long as the result is.
struct replay_view {
    struct value values[REPLAY_COLUMN_COUNT];
    struct buffer url;
    char reason[64];
};

void replay_view_make(struct replay_view *view, const struct replay_result *result);
void replay_view_fini(struct replay_view *view);

#endif
