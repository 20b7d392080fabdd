// SPDX-License-Identifier: MIT
// Numbers and times as people read them at a glance.
#ifndef HARK_HUMAN_H
#define HARK_HUMAN_H

#include "hark/buffer.h"

#include <stdint.h>

void human_append_size(struct buffer *out, int64_t bytes);  // "345", "1.2k", "10M" (of 1024)
void human_append_bytes(struct buffer *out, int64_t bytes); // the same in a sentence: "345 bytes"
void human_append_duration(struct buffer *out, int64_t us); // "0.4ms", "45ms", "1.2s", "2m05s"
void human_append_age(struct buffer *out, int64_t us);      // "now", "12s", "5m", "3h", "8d"
void human_append_timestamp(struct buffer *out, int64_t wall_us); // "2026-11-20T08:59:58.084Z"
void human_append_clock(struct buffer *out, int64_t wall_us);     // "09:59:58", local time

// Reads what human_append_timestamp() writes, as Unix microseconds. 0 or -1.
int human_parse_timestamp(const char *text, int64_t *wall_us);

#endif
