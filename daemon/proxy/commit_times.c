// SPDX-License-Identifier: MIT
#include "commit_times.h"

void commit_times_add(struct commit_times *times, int64_t took_us, int64_t records)
{
    size_t i = 0;
    while (i < COUNTS_BOUNDS && took_us > counts_bounds_us[i])
        i++;
    atomic_fetch_add_explicit(&times->by_bound[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&times->all_us, took_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&times->records, records, memory_order_relaxed);
}

void commit_times_get(const struct commit_times *times, struct server_counts *counts)
{
    for (size_t i = 0; i <= COUNTS_BOUNDS; i++)
        counts->commits[i] = atomic_load_explicit(&times->by_bound[i], memory_order_relaxed);
    counts->commit_us = atomic_load_explicit(&times->all_us, memory_order_relaxed);
    counts->records = atomic_load_explicit(&times->records, memory_order_relaxed);
}
