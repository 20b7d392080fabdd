// SPDX-License-Identifier: MIT
// The source that plays a recorded WebSocket back: the server's messages at their places between
// the client's, which must be the recorded ones in their order.
//
// Pings and pongs depend on time: recorded ones of the client and the server's answers to them are
// left out, and the client's own are answered as they come.
#ifndef HARK_PROXY_PLAYBACK_WEBSOCKET_H
#define HARK_PROXY_PLAYBACK_WEBSOCKET_H

#include "exchange.h"
#include "playback_recording.h"

// The 101 as recorded, then the messages; `state` is how it ended. The exchange has no source now;
// the head's fields are completed with the answer to this client's key.
void playback_websocket_start(struct exchange *exchange, struct playback *playback, int64_t id,
                              enum row_state state, struct response_head *head);

#endif
