// SPDX-License-Identifier: MIT
// How long the recorder's transactions take, and how much is in them.
#ifndef HARK_PROXY_COMMIT_TIMES_H
#define HARK_PROXY_COMMIT_TIMES_H

#include "hark/server_counts.h"

#include <stdatomic.h>
#include <stdint.h>

// Owner: the recorder. Thread: the writer's to add, any to read.
struct commit_times {
    atomic_int_fast64_t by_bound[COUNTS_BOUNDS + 1];
    atomic_int_fast64_t all_us;
    atomic_int_fast64_t records;
};

void commit_times_add(struct commit_times *times, int64_t took_us, int64_t records);
void commit_times_get(const struct commit_times *times, struct server_counts *counts);

#endif
