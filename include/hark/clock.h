// SPDX-License-Identifier: MIT
// The clocks: wall time for what is written down, monotonic time for what is measured.
#ifndef HARK_CLOCK_H
#define HARK_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);      // microseconds since the Unix epoch
int64_t clock_monotonic_us(void); // never goes back; every time-out and duration uses it
int64_t clock_boot_us(void);      // the same, and it runs on while the machine sleeps

#endif
