// SPDX-License-Identifier: MIT
// The lock that keeps a second writer off a recording.
#ifndef HARK_STORE_LOCK_H
#define HARK_STORE_LOCK_H

#include "hark/err.h"

#include <stdbool.h>
#include <sys/types.h>

// Locks "<path>.lock" (mode 0600, made if need be, never removed) and writes this process's id
// into it. Returns the descriptor that holds the lock until it is closed, or -1; the message
// names the process that holds it.
int lock_acquire(const char *path, struct err *err);

// Who holds the lock; 0: nobody, or it is not known.
pid_t lock_find_holder(const char *path);

// Has a hark ever written here?
bool lock_exists(const char *path);

// Keeps writers off while the descriptor is open. 0 with *fd = -1: there is no such file, and with
// it no writer. -1: somebody writes.
int lock_share(const char *path, int *fd);

#endif
