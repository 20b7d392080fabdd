// SPDX-License-Identifier: MIT
// A worker's counters. Each has one writer, its worker, so that counting costs no more than the
// addition; others read them whenever they like.
#ifndef HARK_PROXY_COUNTERS_H
#define HARK_PROXY_COUNTERS_H

#include "hark/row.h"
#include "hark/server_counts.h"

#include <stdatomic.h>
#include <stdint.h>

// Owner: its worker. Thread: the worker's to add, any to read.
struct counters {
    atomic_int_fast64_t ended[COUNTS_KINDS][COUNTS_CLASSES];
    atomic_int_fast64_t errors[COUNTS_ERRORS];
    atomic_int_fast64_t request_bytes;
    atomic_int_fast64_t response_bytes;
    atomic_int_fast64_t replayed;
    atomic_int_fast64_t accepted;
    atomic_int_fast64_t upstream_opened;
};

static inline void counter_add(atomic_int_fast64_t *counter, int64_t amount)
{
    int64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + amount, memory_order_relaxed);
}

// An exchange has ended as its row says.
void counters_note_end(struct counters *counters, const struct exchange_row *row);
// Adds them to the sums.
void counters_sum(const struct counters *counters, struct server_counts *counts);

#endif
