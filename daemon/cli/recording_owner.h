// SPDX-License-Identifier: MIT
// Who may change the recording: the daemon that has it, or else this process.
#ifndef HARK_CLI_RECORDING_OWNER_H
#define HARK_CLI_RECORDING_OWNER_H

#include "command.h"
#include "hark/store_job.h"

#include <stdbool.h>

// Does a daemon record to the same file? Another status than STATUS_DONE has been said.
enum status recording_find_daemon(const struct invocation *invocation, bool *is_there);

// Opens the recording to write to it, which takes its lock. NULL has been said.
struct store_writer *recording_open_writer(const struct invocation *invocation, struct log *log);

#endif
