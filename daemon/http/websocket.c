// SPDX-License-Identifier: MIT
// Reading WebSocket frames. The head of a frame is collected byte by byte until it is whole; the
// payload goes, unmasked, to the message that its opcode belongs to.
#include "hark/websocket.h"

#include <string.h>

#define FIN           0x80
#define RSV1          0x40
#define MASKED        0x80
#define CONTROL       0x08
#define CONTROL_BYTES 125

void websocket_reader_init(struct websocket_reader *reader, websocket_part_fn on_part, void *ctx)
{
    *reader = (struct websocket_reader){.on_part = on_part, .ctx = ctx};
}

void websocket_reader_fini(struct websocket_reader *reader)
{
    buffer_fini(&reader->message.data);
    buffer_fini(&reader->control.data);
}

// --- the head of a frame -----------------------------------------------------------------------

static int opcode_of(const struct websocket_reader *reader)
{
    return reader->head[0] & 0x0f;
}

static bool is_control(const struct websocket_reader *reader)
{
    return (opcode_of(reader) & CONTROL) != 0;
}

static size_t length_bytes(const struct websocket_reader *reader)
{
    int length = reader->head[1] & ~MASKED;
    return length == 127 ? 8 : length == 126 ? 2 : 0;
}

static size_t head_bytes(const struct websocket_reader *reader)
{
    if (reader->head_length < 2)
        return 2;
    return 2 + length_bytes(reader) + ((reader->head[1] & MASKED) != 0 ? 4 : 0);
}

static uint64_t payload_bytes(const struct websocket_reader *reader)
{
    size_t count = length_bytes(reader);
    if (count == 0)
        return (uint64_t)(reader->head[1] & ~MASKED);
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length = length << 8 | reader->head[2 + i];
    return length;
}

// What could not be told apart further on: the rest of the bytes would be taken for other frames
// than they are.
static bool is_sound(const struct websocket_reader *reader)
{
    int opcode = opcode_of(reader);
    if (payload_bytes(reader) > INT64_MAX)
        return false;
    if (is_control(reader))
        return payload_bytes(reader) <= CONTROL_BYTES && (reader->head[0] & FIN) != 0;
    if (opcode > WEBSOCKET_BINARY)
        return false;
    return (opcode == WEBSOCKET_CONTINUATION) == reader->is_in_message;
}

// --- messages ----------------------------------------------------------------------------------

static void begin_message(struct websocket_message *message, const struct websocket_reader *reader,
                          int64_t at_us)
{
    message->opcode = opcode_of(reader);
    message->is_compressed = (reader->head[0] & RSV1) != 0;
    message->at_us = at_us;
    buffer_clear(&message->data);
}

static void give_out(struct websocket_reader *reader, struct websocket_message *message,
                     bool is_last)
{
    struct websocket_part part = {.opcode = message->opcode,
                                  .is_compressed = message->is_compressed,
                                  .is_last = is_last,
                                  .at_us = message->at_us,
                                  .data = message->data.length > 0 ? message->data.data : "",
                                  .length = message->data.length};
    message->opcode = WEBSOCKET_CONTINUATION;
    reader->on_part(reader->ctx, &part);
    buffer_clear(&message->data);
}

static void add_payload(struct websocket_reader *reader, const unsigned char *data, size_t length,
                        int64_t at_us)
{
    struct websocket_message *message = is_control(reader) ? &reader->control : &reader->message;
    const unsigned char *mask = reader->head + 2 + length_bytes(reader);
    bool is_masked = (reader->head[1] & MASKED) != 0;
    while (length > 0) {
        if (message->data.length == WEBSOCKET_PART_MAX_BYTES) {
            give_out(reader, message, false);
            message->at_us = at_us;
        }
        size_t room = WEBSOCKET_PART_MAX_BYTES - message->data.length;
        size_t piece = length < room ? length : room;
        char *to = buffer_reserve(&message->data, piece);
        memcpy(to, data, piece);
        for (size_t i = 0; is_masked && i < piece; i++)
            to[i] = (char)((unsigned char)to[i] ^ mask[reader->mask_at++ & 3]);
        message->data.length += piece;
        data += piece;
        length -= piece;
    }
}

static void begin_frame(struct websocket_reader *reader, int64_t at_us)
{
    reader->is_broken = !is_sound(reader);
    reader->is_in_payload = true;
    reader->payload_left = payload_bytes(reader);
    reader->mask_at = 0;
    if (is_control(reader)) {
        begin_message(&reader->control, reader, at_us);
    } else if (!reader->is_in_message) {
        begin_message(&reader->message, reader, at_us);
        reader->is_in_message = !reader->is_broken;
    }
}

static void end_frame(struct websocket_reader *reader)
{
    reader->head_length = 0;
    reader->is_in_payload = false;
    if (is_control(reader)) {
        give_out(reader, &reader->control, true);
        reader->has_closed = reader->has_closed || opcode_of(reader) == WEBSOCKET_CLOSE;
    } else if ((reader->head[0] & FIN) != 0) {
        give_out(reader, &reader->message, true);
        reader->is_in_message = false;
    }
}

void websocket_reader_feed(struct websocket_reader *reader, const void *data, size_t length,
                           int64_t at_us)
{
    const unsigned char *at = data;
    const unsigned char *end = at + length;
    while (at < end && !reader->is_broken) {
        if (!reader->is_in_payload) {
            reader->head[reader->head_length++] = *at++;
            if (reader->head_length < head_bytes(reader))
                continue;
            begin_frame(reader, at_us);
        } else {
            size_t there = (size_t)(end - at);
            size_t piece = reader->payload_left < there ? (size_t)reader->payload_left : there;
            add_payload(reader, at, piece, at_us);
            reader->payload_left -= piece;
            at += piece;
        }
        if (!reader->is_broken && reader->payload_left == 0)
            end_frame(reader);
    }
}

void websocket_reader_end(struct websocket_reader *reader)
{
    if (reader->is_in_message && reader->message.data.length > 0)
        give_out(reader, &reader->message, false);
    reader->is_in_message = false;
    reader->is_broken = true;
}
