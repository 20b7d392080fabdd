// SPDX-License-Identifier: MIT
// An exchange with its bodies, shown: one walk, and writers that follow it.
#ifndef HARK_EXCHANGE_VIEW_H
#define HARK_EXCHANGE_VIEW_H

#include "hark/body_view.h"
#include "hark/json_out.h"
#include "hark/row.h"
#include "hark/store_reader.h"
#include "hark/terminal.h"

#include <stdint.h>
#include <stdio.h>

// What of one message is kept for showing.
#define MESSAGE_SHOWN_MAX ((size_t)4 * 1024 * 1024)

// A WebSocket message, whole and inflated. `data` is borrowed until the callback returns.
struct shown_message {
    int64_t seq;         // of its first row in `message`
    int64_t at_us;       // since the start of the exchange
    enum body_side side; // who sent it: the request's side is the client
    int opcode;
    bool is_compressed; // it was, on the wire
    const void *data;
    size_t length;       // at most MESSAGE_SHOWN_MAX
    int64_t total_bytes; // what it would be without that limit
    struct err problem;  // why it could not be inflated
};

// What somebody said about an exchange.
struct shown_note {
    int64_t created_us;
    bool is_mark;
    const char *text; // borrowed until the callback returns; NULL for none
    size_t length;
};

// What a writer does at each stop of the walk, in this order; the response's stops come only if
// there was one. Each returns 0, or -1 to end the walk.
struct exchange_writer {
    bool is_for_requests; // the response's stops and the messages are left out
    int (*on_begin)(void *ctx, const struct exchange_row *row);
    // Before the notes. May be NULL.
    int (*on_notes)(void *ctx, const struct exchange_row *row);
    // Once for each note. May be NULL, and then on_notes is not called, either.
    int (*on_note)(void *ctx, const struct exchange_row *row, const struct shown_note *note);
    // After the notes. May be NULL.
    int (*on_notes_end)(void *ctx, const struct exchange_row *row);
    int (*on_head)(void *ctx, const struct exchange_row *row, enum body_side side);
    // Once for each message, also where the body is empty.
    int (*on_body)(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err);
    int (*on_trailers)(void *ctx, const struct exchange_row *row, enum body_side side);
    // A WebSocket only, before its messages. May be NULL.
    int (*on_messages)(void *ctx, const struct exchange_row *row);
    // Once for each message of a WebSocket, in the order they came.
    int (*on_message)(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message);
    int (*on_end)(void *ctx, const struct exchange_row *row);
};

int exchange_walk(struct store_reader *reader, const struct exchange_row *row,
                  const struct exchange_writer *writer, void *ctx, struct err *err);
// The messages alone: calls on_message for each of them, in order.
int exchange_walk_messages(struct store_reader *reader, const struct exchange_row *row,
                           const struct exchange_writer *writer, void *ctx, struct err *err);

// --- the writers -------------------------------------------------------------------------------

// For people: heads as on the wire, bodies decoded and as UTF-8, JSON laid out, what is binary
// summed up.
struct text_writer {
    FILE *out;
    struct terminal terminal;
    int64_t now_us;
};
extern const struct exchange_writer text_writer_stops; // ctx: struct text_writer

// For programs: one JSON object in one line, with every column of the table `exchange` under its
// name, `url`, and the bodies decoded:
//   {"text":"…"} or {"base64":"…"}, "size" (bytes of that), "wire_size" (recorded as on the wire),
//   "truncated", "problem" (why it could not be decoded to its end, or null)
// `notes`: "created_us", "is_mark", "text",
// and `messages` of a WebSocket (else null): "seq", "at_us", "direction", "opcode",
// "is_compressed", "text" or "base64", "size", "problem".
// If `is_lossless`, bodies have "chunks", [[at_us, wire bytes],…] of their segments, and, where a
// coding was undone, "wire_base64", the bytes as on the wire.
struct json_writer {
    struct json_out json; // the user ends it
    bool is_lossless;
};
extern const struct exchange_writer json_writer_stops; // ctx: struct json_writer

// Parts of it: the columns and `url` as members of an object, without its braces; a message.
void exchange_append_json(const struct exchange_row *row, struct buffer *out);
void message_append_json(const struct shown_message *message, struct buffer *out);

// A body alone, for people.
int text_write_body(const struct text_writer *writer, const struct body_view *body,
                    struct err *err);

#endif
