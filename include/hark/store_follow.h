// SPDX-License-Identifier: MIT
// Following the recording while it grows: every exchange is told once, when it has ended.
//
// Ids are given out when requests arrive, rows are written when exchanges end: a row may appear
// after others with higher ids. So a follow knows the highest id it has seen and, below that, which
// ones are open: still going on, or without a row so far. What has no row a minute after a
// later one was seen never gets one (it was ignored, or lost) and is given up.
//
// Thread: the reader's.
#ifndef HARK_STORE_FOLLOW_H
#define HARK_STORE_FOLLOW_H

#include "hark/buffer.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct store_follow;

struct store_follow_options {
    const struct filter *filter; // NULL: all; outlives the follow
    const char *position;        // go on from there; NULL: from now on
    bool with_pending;           // tell exchanges also when they are first seen pending
    bool is_wide;                // rows as store_list_traffic() with that option gives them
};

// The reader outlives it. NULL if the position is none, or the recording cannot be read.
struct store_follow *store_follow_create(struct store_reader *reader,
                                         const struct store_follow_options *options,
                                         struct err *err);
void store_follow_destroy(struct store_follow *follow); // takes NULL

// Looks for what is new and tells it: rows of the view `traffic`, nearly in the order of their
// ends. Looks at no more than some hundred exchanges at a time; without changes in the recording it
// costs next to nothing. The columns are told before the first row of each call. Returns 0, what a
// callback returned to stop (its row counts as told), or -1.
int store_follow_poll(struct store_follow *follow, value_columns_fn on_columns, value_row_fn on_row,
                      void *ctx, struct err *err);
// Is there more to tell already?
bool store_follow_is_behind(const struct store_follow *follow);
// Appends where it is, "1234;1200-1201,1220": a follow that goes on from there misses nothing and
// tells nothing again. Right also inside of a callback, the row of which counts as told.
void store_follow_position(const struct store_follow *follow, struct buffer *out);
// Is it a text that store_follow_position() may have made?
bool store_follow_is_position(const char *text);

#endif
