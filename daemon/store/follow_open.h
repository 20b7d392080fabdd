// SPDX-License-Identifier: MIT
// The ids that a follow has not told yet below the highest it has seen: ranges in ascending order.
#ifndef HARK_STORE_FOLLOW_OPEN_H
#define HARK_STORE_FOLLOW_OPEN_H

#include "hark/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum open_kind {
    OPEN_MISSING, // no row has been seen
    OPEN_PENDING, // one exchange that goes on
    OPEN_TO_TELL, // one exchange whose row is to be told
};

struct open_range {
    int64_t first;
    int64_t last;
    int64_t since_us; // when it was found missing
    enum open_kind kind;
    bool is_shown; // was told as pending
};

// Owner: the follow. Zero-initialised is empty.
struct open_set {
    struct open_range *items;
    size_t count;
    size_t capacity;
};

// Adds behind all others; does nothing if `last` is before `first`.
void open_set_add(struct open_set *set, const struct open_range *range);
void open_set_remove(struct open_set *set, size_t index);
void open_set_fini(struct open_set *set);

// "1200-1201,1220"
void open_set_append_text(const struct open_set *set, struct buffer *out);
// Reads what that wrote, as missing since `now_us`. Ids must be below or equal to `highest`. False
// if the text is anything else.
bool open_set_parse(struct open_set *set, const char *text, int64_t highest, int64_t now_us);

#endif
