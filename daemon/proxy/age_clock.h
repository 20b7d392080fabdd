// SPDX-License-Identifier: MIT
// The time by which exchanges grow old. A clock that is set forward by mistake must not delete what
// is young, and one that is set back must not keep what is old for ever: this one follows the wall
// clock, but a leap forward only after an hour; and nothing is old in the minutes after the
// machine's start, when its clock may not have been set by the network yet.
#ifndef HARK_PROXY_AGE_CLOCK_H
#define HARK_PROXY_AGE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define AGE_CLOCK_PATIENCE_US ((int64_t)3600 * 1000000)
#define AGE_CLOCK_LEAP_US     ((int64_t)60 * 1000000)
#define AGE_CLOCK_SETTLE_US   ((int64_t)180 * 1000000)

// Zero-initialised is unset. Owner: the retention. Thread: the writer.
struct age_clock {
    bool is_set;
    int64_t offset_us; // wall time that is believed, less the time since the machine's start
    bool is_ahead;     // the wall clock has leapt forward
    int64_t ahead_since_us;
};

// What time it is; 0: unknown. `boot_us` runs evenly, also while the machine sleeps.
int64_t age_clock_now_us(struct age_clock *clock, int64_t wall_us, int64_t boot_us);

#endif
