// SPDX-License-Identifier: MIT
// Which exchanges a run sends, one id after the other. What a filter matches is read a page at a
// time, and only up to the newest exchange at the start: a run never meets its own results.
#ifndef HARK_PROXY_REPLAY_PLAN_H
#define HARK_PROXY_REPLAY_PLAN_H

#include "hark/replay.h"

#define REPLAY_PAGE_IDS 512

// Owner: a run. Thread: the run's.
struct replay_plan {
    struct store_reader *reader;
    const struct replay_options *options;
    int64_t newest_id; // when it began
    size_t range;      // the one being read
    int64_t after_id;  // in it: what was read
    bool is_read;      // the range being read has no more ids
    int64_t ids[REPLAY_PAGE_IDS];
    size_t id_count;
    size_t id_at;
    int64_t unsafe; // in the page: see replay_count()
};

int replay_plan_init(struct replay_plan *plan, struct store_reader *reader,
                     const struct replay_options *options, struct err *err);
// The next id. STORE_NOT_FOUND at the end; then it can be begun again with rewind.
enum store_found replay_plan_next(struct replay_plan *plan, int64_t *id, struct err *err);
void replay_plan_rewind(struct replay_plan *plan);

#endif
