// SPDX-License-Identifier: MIT
#include "age_clock.h"

int64_t age_clock_now_us(struct age_clock *clock, int64_t wall_us, int64_t boot_us)
{
    int64_t offset_us = wall_us - boot_us;
    if (!clock->is_set && boot_us < AGE_CLOCK_SETTLE_US)
        return 0;
    if (!clock->is_set || offset_us - clock->offset_us <= AGE_CLOCK_LEAP_US) {
        *clock = (struct age_clock){.is_set = true, .offset_us = offset_us};
        return wall_us;
    }
    if (!clock->is_ahead) {
        clock->is_ahead = true;
        clock->ahead_since_us = boot_us;
    }
    if (boot_us - clock->ahead_since_us >= AGE_CLOCK_PATIENCE_US)
        *clock = (struct age_clock){.is_set = true, .offset_us = offset_us};
    return clock->offset_us + boot_us;
}
