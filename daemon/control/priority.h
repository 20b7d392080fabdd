// SPDX-License-Identifier: MIT
// Looking at the recording comes after making it.
#ifndef HARK_CONTROL_PRIORITY_H
#define HARK_CONTROL_PRIORITY_H

// Lets the calling thread, and those it starts, run on what the proxy's threads leave of the cores.
void priority_lower(void);

#endif
