// SPDX-License-Identifier: MIT
// The options of a comparison, for the commands that compare.
#ifndef HARK_CLI_DIFF_OPTIONS_H
#define HARK_CLI_DIFF_OPTIONS_H

#include "command.h"
#include "hark/diff.h"

// Reads diff_ignore_headers, --ignore-header, --all-headers and, if the command has it, --request.
// What is in the options lives in the arena.
void diff_options_read(struct diff_options *options, struct arena *arena,
                       const struct invocation *invocation);

#endif
