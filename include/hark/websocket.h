// SPDX-License-Identifier: MIT
// The frames of a WebSocket connection (RFC 6455 section 5), read on the side: one reader for each
// direction, fed with bytes as they pass, gives out whole messages, unmasked.
//
// Fragments are joined, control frames between them come out first. What is longer than
// WEBSOCKET_PART_MAX_BYTES comes out in several parts, the later ones with the opcode 0.
//
// Owner: whoever declared it. Thread: one at a time. No I/O.
#ifndef HARK_WEBSOCKET_H
#define HARK_WEBSOCKET_H

#include "hark/buffer.h"
#include "hark/chunk.h"
#include "hark/coding.h"
#include "hark/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_PART_MAX_BYTES CHUNK_MAX_BYTES

enum websocket_opcode { // RFC 6455 section 11.8
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

// A message, or a part of a long one. `data` is borrowed until the callback returns.
struct websocket_part {
    int opcode;
    bool is_compressed; // RSV1 of its first frame (RFC 7692 section 6)
    bool is_last;       // the message ends with it
    int64_t at_us;      // when its first byte was fed
    const void *data;
    size_t length;
};
typedef void (*websocket_part_fn)(void *ctx, const struct websocket_part *part);

// A message that is being collected.
struct websocket_message {
    struct buffer data;
    int64_t at_us;
    int opcode; // of the next part
    bool is_compressed;
};

struct websocket_reader {
    websocket_part_fn on_part;
    void *ctx;
    bool is_broken;  // what came is no WebSocket frame; the rest is not looked at
    bool has_closed; // a close message has come

    unsigned char head[14]; // of the frame: at most 2 + 8 + 4
    size_t head_length;
    bool is_in_payload;
    uint64_t payload_left;
    size_t mask_at; // position in the mask

    struct websocket_message message;
    bool is_in_message; // its last frame has not come
    struct websocket_message control;
};

void websocket_reader_init(struct websocket_reader *reader, websocket_part_fn on_part, void *ctx);
void websocket_reader_fini(struct websocket_reader *reader);
// Takes the next bytes; calls back for each message that they complete.
void websocket_reader_feed(struct websocket_reader *reader, const void *data, size_t length,
                           int64_t at_us);
// Gives out what has come of a message that will not be completed.
void websocket_reader_end(struct websocket_reader *reader);

// Undoes the compression of one direction's messages (RFC 7692), which must come in their order.
struct websocket_inflater;
struct websocket_inflater *websocket_inflater_create(void);
void websocket_inflater_destroy(struct websocket_inflater *inflater); // takes NULL
// Takes bytes of a message, then its end. 0, the sink's own number, or -1.
int websocket_inflater_write(struct websocket_inflater *inflater, const void *data, size_t length,
                             coding_sink_fn sink, void *ctx, struct err *err);
int websocket_inflater_end_message(struct websocket_inflater *inflater, coding_sink_fn sink,
                                   void *ctx, struct err *err);

#endif
