// SPDX-License-Identifier: MIT
// What goes out for a recorded request: its head as it was recorded, with what has to be fresh or
// was asked for changed.
#ifndef HARK_PROXY_REPLAY_MESSAGE_H
#define HARK_PROXY_REPLAY_MESSAGE_H

#include "hark/message.h"
#include "hark/replay.h"
#include "route.h"

// Texts live in the arena of the recorded row.
struct replay_message {
    const char *method;
    const char *version;
    const char *target; // "/path?query", or "*"
    struct fields headers;
    struct fields trailers;
    struct route route;
    bool has_body;
};

// Fills in `message` from `recorded`, of whose body `body_bytes` are there. `origin` is what `to`
// says, parsed; NULL: the recorded one. -1 with the reason if it cannot be sent again.
int replay_message_make(struct replay_message *message, struct exchange_row *recorded,
                        int64_t body_bytes, const struct replay_options *options,
                        const struct target *origin, struct err *err);

// Parses an origin, "http://host[:port]".
int replay_parse_origin(struct target *origin, struct arena *arena, const char *text,
                        struct err *err);

#endif
