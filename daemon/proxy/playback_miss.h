// SPDX-License-Identifier: MIT
// Why a request is not in the recording: the recorded request that is closest to it, and in what
// they differ.
#ifndef HARK_PROXY_PLAYBACK_MISS_H
#define HARK_PROXY_PLAYBACK_MISS_H

#include "exchange.h"
#include "playback_key.h"
#include "playback_recording.h"

// Appends one line. The digest is that of the request's body, finished.
void playback_miss_describe(struct playback *playback, const struct exchange *exchange,
                            const struct playback_digest *digest, struct buffer *text);

#endif
