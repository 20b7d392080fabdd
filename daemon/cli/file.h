// SPDX-License-Identifier: MIT
// Files read and replaced whole.
#ifndef HARK_CLI_FILE_H
#define HARK_CLI_FILE_H

#include "hark/buffer.h"
#include "hark/err.h"

#include <sys/types.h>

// Appends what the file holds to `content`.
int file_read(const char *path, struct buffer *content, struct err *err);
// Lets the file hold `content` and have `mode`, in one step, so that nobody ever reads half of it.
// A file that is like that already is left alone.
int file_replace(const char *path, const struct buffer *content, mode_t mode, struct err *err);

#endif
