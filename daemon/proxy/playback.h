// SPDX-License-Identifier: MIT
// The source that answers from the recording.
//
// It opens no connection and looks up no name. An answer goes through the calls of the exchange as
// an origin's does, a segment of its body at a time.
#ifndef HARK_PROXY_PLAYBACK_H
#define HARK_PROXY_PLAYBACK_H

#include <stdbool.h>

struct config;
struct exchange;
struct worker;

// Answers from the recording, or lets upstream_start() do it where misses are forwarded.
void playback_start(struct exchange *exchange);
// The exchange is over, but for its delivery perhaps: it can answer later ones.
void playback_learn(struct exchange *exchange);
// Says in the log what was missed; of more than a hundred in ten seconds how many.
void playback_say_miss(struct worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// Must nothing at all leave this machine?
bool playback_is_closed(const struct config *config);

#endif
