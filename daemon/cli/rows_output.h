// SPDX-License-Identifier: MIT
// Standard output for commands that print rows: the format that -o, --json and the terminal ask
// for, and the pager.
#ifndef HARK_CLI_ROWS_OUTPUT_H
#define HARK_CLI_ROWS_OUTPUT_H

#include "command.h"
#include "hark/rows.h"

// Reads -o and --json; without them a table on a terminal, else TSV. STATUS_USAGE (said already)
// for an unknown format.
enum status rows_output_format(const struct invocation *invocation, enum rows_format *format);

// A printer to standard output; starts the pager for a table. The caller destroys it.
struct rows_printer *rows_output_open(struct invocation *invocation, enum rows_format format,
                                      const struct rows_column *layout);

#endif
