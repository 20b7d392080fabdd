// SPDX-License-Identifier: MIT
// How many values were how large, to within 1 %, in a few kilobytes however many there are.
#ifndef HARK_STORE_HISTOGRAM_H
#define HARK_STORE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_OCTAVES 64

// Owner: who declared it. Zero-initialised is empty.
struct histogram {
    int64_t count;
    int64_t min;
    int64_t max;
    uint32_t *octaves[HISTOGRAM_OCTAVES]; // one for each power of two that occurs
};

void histogram_add(struct histogram *histogram, int64_t value); // not negative
// The least value that `percent` of all values do not exceed; 0 if there are none.
int64_t histogram_percentile(const struct histogram *histogram, int percent);
void histogram_fini(struct histogram *histogram);

#endif
