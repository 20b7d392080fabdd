// SPDX-License-Identifier: MIT
// The daemon whose place another one is to take.
#ifndef HARK_CLI_PREDECESSOR_H
#define HARK_CLI_PREDECESSOR_H

#include "command.h"
#include "hark/log.h"

// If the daemon of the data folder, or whoever writes the recording, is about to end, waits until
// it has, with its ports, socket and lock. One that goes on, and one that takes too long, are for
// the start to refuse. A pending TERM or INT ends the waiting.
void predecessor_wait(const struct invocation *invocation, struct log *log);

#endif
