// SPDX-License-Identifier: MIT
// The ids that a long search has still to look through, a window at a time.
//
// Each window is to be a statement of its own, so that no read transaction lasts long, however
// large the recording. Windows widen while the statements are quick and narrow when they are slow,
// so that neither a rare host in millions of rows nor an expensive condition takes many of them.
#ifndef HARK_STORE_ID_RANGE_H
#define HARK_STORE_ID_RANGE_H

#include "filter.h"
#include "reader.h"

// Owner: who declared it. Empty once low > high.
struct id_range {
    struct store_reader *reader;
    bool is_backwards; // from the newest id on
    int64_t low;
    int64_t high;
    int64_t window;
};

// All ids of the recording that can match (`filter` NULL: all); begins the reader's progress.
int id_range_init(struct id_range *range, struct store_reader *reader, const struct filter *filter,
                  bool is_backwards, struct err *err);
void id_range_narrow(struct id_range *range, int64_t low, int64_t high);
bool id_range_is_empty(const struct id_range *range);
// The next window.
void id_range_window(const struct id_range *range, int64_t *low, int64_t *high);
// Takes off the window up to `last`, the last id that was looked at.
void id_range_take(struct id_range *range, int64_t last, int64_t took_us);

#endif
