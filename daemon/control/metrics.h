// SPDX-License-Identifier: MIT
// The health counters as Prometheus text (format 0.0.4).
#ifndef HARK_CONTROL_METRICS_H
#define HARK_CONTROL_METRICS_H

#include "hark/buffer.h"
#include "hark/server.h"
#include "hark/server_counts.h"

void metrics_write(const struct server_status *status, const struct server_counts *counts,
                   struct buffer *out);

#endif
