// SPDX-License-Identifier: MIT
// A follow of the recording and the listeners that get its rows as server-sent events.
#ifndef HARK_CONTROL_FEED_H
#define HARK_CONTROL_FEED_H

#include "hark/buffer.h"
#include "hark/store_follow.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a feed is about: listeners of the same wish may share it.
struct feed_wish {
    char *filter_text;
    bool with_pending;
};

// Owner: its feed. Thread: the events' own.
struct listener {
    struct stream *stream;
    int64_t heard_us;    // when something was offered last
    int64_t stuck_us;    // since when there has been no room and nothing was read; 0: there is room
    uint64_t sent_bytes; // by then
    struct listener *next;
};

// Owner: the events. Thread: their own.
struct feed {
    struct feed_wish wish;
    struct filter *filter;
    struct store_follow *follow; // NULL: to be made from `position` once there is room
    struct buffer position;      // after the last row; empty: from now on
    struct listener *listeners;
    struct feed *behind; // made of listeners that could not take a row; see feed_poll()
    struct feed *next;
};

// Takes the filter over.
struct feed *feed_create(const char *filter_text, struct filter *filter, bool with_pending,
                         const char *position);
// Takes NULL. The listeners must have gone.
void feed_destroy(struct feed *feed);

// Takes over a reference to the stream.
void feed_add(struct feed *feed, struct stream *stream);
// Ends the streams of all of them.
void feed_dismiss(struct feed *feed, bool is_whole);
bool feed_is_for(const struct feed *feed, const char *filter_text, bool with_pending);
// Has it told all that there is?
bool feed_is_level(const struct feed *feed);
// Are they about the same and at the same place?
bool feed_is_same(const struct feed *feed, const struct feed *other);
// Gives the listeners of `from` to `to`; `is_welcome`: and tells them where that is.
void feed_merge(struct feed *to, struct feed *from, bool is_welcome);

// Tells what is new, for at most `*budget_bytes`, which is lessened by what was sent to all
// listeners together. Those without room are taken out of the feed, and are found in `behind`,
// a list of feeds of their own which the caller takes over. -1 if the recording cannot be read.
int feed_poll(struct feed *feed, struct store_reader *reader, int64_t *budget_bytes,
              struct err *err);

// Sends a heartbeat to those that have heard nothing for long, and lets go those that are gone, or
// have not read for long. Returns how many are left.
size_t feed_tend(struct feed *feed, int64_t now_us);

#endif
