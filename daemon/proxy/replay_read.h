// SPDX-License-Identifier: MIT
// Reading a recorded request that is to be sent again: its head as it will go out, its body a
// segment at a time.
#ifndef HARK_PROXY_REPLAY_READ_H
#define HARK_PROXY_REPLAY_READ_H

#include "replay_request.h"

// Owner: a run. Thread: its own.
struct replay_reading {
    struct store_reader *reader;
    const struct replay_options *options;
    const struct target *origin; // what `to` says; NULL: the recorded one
};

// Why a request is not sent.
struct replay_skip {
    enum replay_outcome outcome;
    struct err reason; // not set: it is
};

// Fills in the message of `request` from what is recorded, and offers the first of its body, or
// says why it is skipped. -1 if the recording cannot be read.
int replay_read_request(const struct replay_reading *reading, struct replay_request *request,
                        struct replay_skip *skip, struct err *err);
// Reads on in its body, and offers what there is.
int replay_read_body(struct store_reader *reader, struct replay_request *request, struct err *err);

#endif
