// SPDX-License-Identifier: MIT
// The process_* metrics that every Prometheus client exposes.
#ifndef HARK_CONTROL_PROCESS_METRICS_H
#define HARK_CONTROL_PROCESS_METRICS_H

#include <stdint.h>

// What the kernel says of this process; -1: it does not say.
struct process_metrics {
    int64_t cpu_us;
    int64_t resident_bytes;
    int64_t virtual_bytes;
    int64_t open_fds;
    int64_t max_fds;
};

void process_metrics_read(struct process_metrics *metrics);

#endif
