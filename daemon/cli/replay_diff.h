// SPDX-License-Identifier: MIT
// What is different in the new answers: `hark replay --diff`.
#ifndef HARK_CLI_REPLAY_DIFF_H
#define HARK_CLI_REPLAY_DIFF_H

#include "command.h"
#include "hark/replay_view.h"

struct replay_diff;

struct replay_diff *replay_diff_create(struct invocation *invocation, bool is_json);
void replay_diff_destroy(struct replay_diff *diff); // takes NULL

// Compares a result with what it repeats and writes the differences to standard output: as text,
// nothing if there are none; as JSON, the result with "same" and "differences". What was not sent
// is the same as nothing. 1 if there is a difference, -1 if the recording cannot be read.
int replay_diff_add(struct replay_diff *diff, const struct value *values, struct err *err);

#endif
