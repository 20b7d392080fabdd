// SPDX-License-Identifier: MIT
// Each power of two is divided into steps of equal width; values below that many have their own.
#include "histogram.h"

#include "hark/mem.h"

#include <stddef.h>
#include <stdlib.h>

#define STEP_BITS 7
#define STEPS     (1 << STEP_BITS)

// Octave 0 holds the values below STEPS, octave n those of STEP_BITS + n bits.
static int octave_of(int64_t value)
{
    int bits = value < STEPS ? 0 : 64 - __builtin_clzll((unsigned long long)value);
    return bits <= STEP_BITS ? 0 : bits - STEP_BITS;
}

static int step_of(int64_t value, int octave)
{
    return octave == 0 ? (int)value : (int)(value >> (octave - 1)) - STEPS;
}

// The middle of a step.
static int64_t value_of(int octave, int step)
{
    if (octave == 0)
        return step;
    int64_t width = INT64_C(1) << (octave - 1);
    return (STEPS + (int64_t)step) * width + width / 2;
}

void histogram_add(struct histogram *histogram, int64_t value)
{
    int octave = octave_of(value);
    if (histogram->octaves[octave] == NULL)
        histogram->octaves[octave] = mem_calloc(STEPS, sizeof(uint32_t));
    histogram->octaves[octave][step_of(value, octave)]++;
    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->count++;
}

// The middle of a step may lie outside of what was added.
static int64_t clamp(const struct histogram *histogram, int64_t value)
{
    if (value < histogram->min)
        return histogram->min;
    return value > histogram->max ? histogram->max : value;
}

int64_t histogram_percentile(const struct histogram *histogram, int percent)
{
    int64_t rank = (histogram->count * percent + 99) / 100;
    int64_t seen = 0;
    if (rank == histogram->count)
        return histogram->max;
    for (int octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
        for (int step = 0; histogram->octaves[octave] != NULL && step < STEPS; step++) {
            seen += histogram->octaves[octave][step];
            if (seen >= rank && seen > 0)
                return clamp(histogram, value_of(octave, step));
        }
    return 0;
}

void histogram_fini(struct histogram *histogram)
{
    for (int octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
        free(histogram->octaves[octave]);
}
