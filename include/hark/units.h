// SPDX-License-Identifier: MIT
// Sizes and durations as people write them: "64k", "1G", "500ms", "7d".
#ifndef HARK_UNITS_H
#define HARK_UNITS_H

#include <stdint.h>

// A whole number with one of k, M, G, T (powers of 1024, either case) or none for bytes. Returns
// -1 for anything else and for what does not fit.
int units_parse_size(const char *text, int64_t *bytes);

// A whole number with one of ms, s, m, h, d, or none for seconds. Returns -1 as above.
int units_parse_duration(const char *text, int64_t *ms);
// The same for an age from which on things are deleted: only 0 goes without a unit. Who writes 30
// and means days would lose all but half a minute.
int units_parse_age(const char *text, int64_t *ms);

#endif
