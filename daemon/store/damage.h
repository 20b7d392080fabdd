// SPDX-License-Identifier: MIT
// Damaged recordings: found by cheap checks, set aside whole.
#ifndef HARK_STORE_DAMAGE_H
#define HARK_STORE_DAMAGE_H

#include "hark/err.h"
#include "hark/log.h"

// Renames the recording with its -wal and -shm to "<path>.damaged-<UTC time>" and says in the log
// why, and how to salvage it. No connection to it may be open. 0 or -1.
int damage_set_aside(const char *path, const char *reason, struct log *log, struct err *err);

#endif
