// SPDX-License-Identifier: MIT
// Other programs that do a piece of work: found in the PATH and run to their end.
#ifndef HARK_CLI_PROGRAM_H
#define HARK_CLI_PROGRAM_H

#include "hark/buffer.h"
#include "hark/err.h"

// The path of a program: in $PATH, or where an administrator's programs are. NULL if there is
// none. The caller frees it.
char *program_find(const char *name);

// Runs argv[0], a path, with no input. What it says on either output is appended to `output` (may
// be NULL). -1 if it could not be run or failed; the message has the last line that it said.
int program_run(const char *const *argv, struct buffer *output, struct err *err);

#endif
