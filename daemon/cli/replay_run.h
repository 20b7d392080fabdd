// SPDX-License-Identifier: MIT
// Doing what `hark replay` asks for: by the daemon of the data folder, or here.
#ifndef HARK_CLI_REPLAY_RUN_H
#define HARK_CLI_REPLAY_RUN_H

#include "command.h"
#include "replay_report.h"
#include "replay_wish.h"

// In this process, with the lock of the recording.
struct replay_end replay_run_here(struct invocation *invocation, const struct replay_wish *wish,
                                  struct replay_report *report);

// By the daemon.
struct replay_end replay_run_there(const struct invocation *invocation,
                                   const struct replay_wish *wish, struct replay_report *report);
// Does a daemon record to the same file? Another status than STATUS_DONE has been said.
enum status replay_find_daemon(const struct invocation *invocation, bool *is_there);

// SIGINT and SIGTERM are kept back while a run goes on, so that what was done is told.
sigset_t replay_hold_signals(void);
void replay_release_signals(const sigset_t *before);
bool replay_was_signalled(void); // takes one that is waiting

#endif
