// SPDX-License-Identifier: MIT
// What an exchange's configuration wants redacted, applied to what of the exchange is recorded,
// logged or told. What is forwarded is never touched.
#ifndef HARK_PROXY_REDACTING_H
#define HARK_PROXY_REDACTING_H

#include "hark/buffer.h"
#include "hark/chunk.h"
#include "hark/redact.h"
#include "hark/redact_body.h"
#include "hark/redact_messages.h"
#include "hark/row.h"
#include "hark/store_writer.h"

#include <stdbool.h>
#include <stdint.h>

struct exchange;

// A body on its way to the recording. Zero-initialised is one that nothing has come of yet. Owner:
// the journal of its exchange, or an import.
struct redacting_body {
    struct redact_body *search; // NULL: nothing is looked for in it
    bool is_known;              // it was decided whether
    bool is_searched;           // something of it was
    bool is_decoded;
    bool is_cut; // what follows cannot be searched, and is not recorded
    bool has_ended;
    struct chunk *paused;   // the search stands in the middle of it; NULL: in none
    struct chunk **waiting; // what came after that one, by reference
    size_t waiting_count;
    bool must_end; // after those
    int64_t in_bytes;
    int64_t out_bytes;
    int64_t at_us; // of the last chunk
};

// Is there room for more of them now?
typedef bool (*redacting_chunk_fn)(void *ctx, enum body_side side, struct chunk *chunk);

// Takes a sealed chunk and gives out sealed ones, borrowed, with marks in them. `row` is the one of
// the exchange: if the rest cannot be recorded it says so. Where one chunk decodes to many, and
// there is no more room for them, the body is behind until redacting_body_go_on() finds some; what
// is added meanwhile waits, so whoever adds it should pause.
void redacting_body_add(struct redacting_body *body, const struct redaction *rules,
                        struct exchange_row *row, enum body_side side, struct chunk *chunk,
                        redacting_chunk_fn give, void *ctx);
void redacting_body_end(struct redacting_body *body, struct exchange_row *row, enum body_side side,
                        redacting_chunk_fn give, void *ctx);
bool redacting_body_is_behind(const struct redacting_body *body);
void redacting_body_go_on(struct redacting_body *body, struct exchange_row *row,
                          enum body_side side, redacting_chunk_fn give, void *ctx);
// The message as recorded is one in itself: its size, Content-Length and Content-Encoding are those
// of the recorded body. `row` is the one that goes to the recording.
void redacting_body_describe(const struct redacting_body *body, struct exchange_row *row,
                             enum body_side side);
void redacting_body_fini(struct redacting_body *body);

struct redaction redacting_rules(const struct exchange *exchange);
bool redacting_is_off(const struct exchange *exchange);
// The URL of an exchange as it may be told.
void redacting_append_url(const struct exchange *exchange, struct buffer *out);
// Its method and URL.
void redacting_append_request(const struct exchange *exchange, struct buffer *out);
// Why it failed, as it may be told.
void redacting_append_error(const struct exchange *exchange, const char *code, const char *text,
                            struct buffer *out);

// --- WebSocket messages of one direction --------------------------------------------------------

struct redacting_messages;

struct redacting_messages *redacting_messages_create(const struct redaction *rules);
void redacting_messages_destroy(struct redacting_messages *messages); // takes NULL

typedef void (*redacting_part_fn)(void *ctx, enum body_side side,
                                  const struct websocket_part *part);
// Takes a part of a message and gives out parts with marks in them, decompressed; all but the last
// of a message are WEBSOCKET_PART_MAX_BYTES long.
void redacting_messages_add(struct redacting_messages *messages, struct exchange_row *row,
                            enum body_side side, const struct websocket_part *part,
                            redacting_part_fn give, void *ctx);

#endif
