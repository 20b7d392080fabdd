// SPDX-License-Identifier: MIT
// The journal of an exchange: what of it goes to the recorder, and when.
//
// A small exchange goes as one record when it has ended. One that lasts, or whose bodies need more
// than one segment a side, is written as it goes on: first a pending row, then each segment as it
// is sealed, last the final row. Part of the exchange; same owner and thread.
#ifndef HARK_PROXY_JOURNAL_H
#define HARK_PROXY_JOURNAL_H

#include "hark/websocket.h"
#include "recorder.h"
#include "redacting.h"

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_PENDING_AFTER_US ((int64_t)100000)

struct exchange;

enum journal_final {
    FINAL_NOT_SENT,
    FINAL_WAITING,
    FINAL_COMMITTED,
    FINAL_LOST
};

struct journal {
    bool is_off;         // mode = off, or nothing to keep
    bool is_undecided;   // whether anything is kept; nothing is written until it is
    bool is_begun;       // a row has gone to the recorder
    struct record *held; // segments kept back until it is begun; NULL: none
    int64_t next_seq[2]; // by body_side
    int64_t next_message_seq;
    int64_t kept_bytes[2]; // recorded body bytes
    int64_t open_bytes[2]; // what they take of the share of what goes on; see open_share.h
    bool is_cut[2];        // that share is used up: no more of the body is recorded
    struct redacting_body bodies[2];
    bool has_told_decoded[2]; // the row that went says that the body is recorded decoded
    struct redacting_messages *messages[2]; // NULL: none came, or nothing in them is redacted
    enum journal_final final;
};

void journal_fini(struct journal *journal);
// A sealed chunk of a body; cut to `record_bodies`, and to what keep_bytes leaves (open_share.h).
void journal_add_chunk(struct exchange *exchange, enum body_side side, struct chunk *chunk);
// No more of a body comes.
void journal_end_body(struct exchange *exchange, enum body_side side);
// Does a part of that body wait until the recorder has room for what it decodes to? Then no more of
// it should come, and the exchange does not finish.
bool journal_is_behind(const struct exchange *exchange, enum body_side side);
// The recorder has room.
void journal_go_on(struct exchange *exchange);
// A WebSocket message, or a part of one; cut as bodies are.
void journal_add_message(struct exchange *exchange, enum body_side side,
                         const struct websocket_part *part);
// Writes the row as it stands, if that has not been done: it lasts longer.
void journal_begin(struct exchange *exchange);
// It is not to be recorded, which was undecided.
void journal_forget(struct exchange *exchange);
// It is not to be recorded: what has been written is taken out again.
void journal_withdraw(struct exchange *exchange);
// Writes the row again, after something in it changed that people wait to see.
void journal_update(struct exchange *exchange);
// Writes the final row. With a durability that waits, the row is lent to the recorder until
// journal_written() brings it back.
void journal_finish(struct exchange *exchange);
void journal_written(struct exchange *exchange, struct record *record);

#endif
