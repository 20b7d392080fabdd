// SPDX-License-Identifier: MIT
// Where `hark tail -n N` begins.
#ifndef HARK_CLI_TAIL_POSITION_H
#define HARK_CLI_TAIL_POSITION_H

#include "hark/buffer.h"
#include "hark/store_reader.h"

// A position for store_follow_create() from which the newest `count` that match and have ended
// are told, then what ends from now on.
int tail_find_position(struct store_reader *reader, const struct filter *filter, int64_t count,
                       struct buffer *position, struct err *err);

#endif
