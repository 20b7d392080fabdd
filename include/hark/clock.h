// SPDX-License-Identifier: MIT
// The clocks: wall time for what is written down, monotonic time for what is measured.
#ifndef HARK_CLOCK_H
#define HARK_CLOCK_H

#include <stdint.h>

#define CLOCK_BOOT_ID_BYTES 37

int64_t clock_wall_us(void);      // microseconds since the Unix epoch
int64_t clock_monotonic_us(void); // never goes back; every time-out and duration uses it
int64_t clock_boot_us(void);      // the same, and it runs on while the machine sleeps
// Which start of the machine the last one counts from; "" if the system does not tell.
void clock_boot_id(char id[static CLOCK_BOOT_ID_BYTES]);

#endif
