// SPDX-License-Identifier: MIT
// A file without a name, for what is too long to be kept in memory.
#ifndef HARK_CONTROL_SPOOL_H
#define HARK_CONTROL_SPOOL_H

#include "hark/err.h"

#include <stddef.h>

// Appends to `*fd`, which is opened in the folder if it is -1. The caller closes it.
int spool_write(int *fd, const char *folder, const void *data, size_t length, struct err *err);

#endif
