// SPDX-License-Identifier: MIT
// What the words and options of `hark replay` ask for.
#ifndef HARK_CLI_REPLAY_WISH_H
#define HARK_CLI_REPLAY_WISH_H

#include "command.h"
#include "hark/replay.h"

// Owner: whoever declared it. Zero-initialised is empty.
struct replay_wish {
    struct arena arena;
    struct replay_options options;
    struct filter *filter;
};

// Reads them; the recording is opened on the way. Another status than STATUS_DONE has been said.
enum status replay_wish_read(struct replay_wish *wish, struct invocation *invocation);
void replay_wish_fini(struct replay_wish *wish);

// The same as the body of POST /api/v1/replay.
void replay_wish_append_json(const struct replay_wish *wish, const struct invocation *invocation,
                             struct buffer *out);

#endif
