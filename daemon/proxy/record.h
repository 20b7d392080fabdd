// SPDX-License-Identifier: MIT
// What goes to the writer: records, and lists of them.
#ifndef HARK_PROXY_RECORD_H
#define HARK_PROXY_RECORD_H

#include "hark/chunk.h"
#include "hark/row.h"
#include "hark/store_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_segment {
    struct chunk *chunk; // sealed; the record holds a reference
    enum body_side side;
    int64_t seq;
};

// One message to the writer: a row, body segments, WebSocket messages, or some of each.
// Owner: the recorder from push on; after it was written, whoever `on_written` hands it to.
struct record {
    struct record *next;
    int64_t exchange_id;
    struct exchange_row *row;      // NULL: segments only
    struct store_session *session; // NULL: none; its command is the record's as well
    bool is_update;                // the row went to the recorder before
    bool is_final;                 // the last record of its exchange
    bool is_withdrawn;             // which is to be taken out of the recording again
    struct record_segment *segments;
    size_t segment_count;
    struct store_message *messages; // it holds a reference to each chunk
    size_t message_count;
    struct store_said notes[2]; // texts are in the row's arena
    size_t note_count;
    size_t bytes; // what it is accounted for in the queue; set by the push

    // Called on the writer thread once the record is committed, or lost for good (`is_lost`);
    // takes the record over. NULL: the recorder destroys it.
    void (*on_written)(struct record *record);
    void *waiter; // for on_written
    bool is_lost;
};

struct record *record_create(int64_t exchange_id);
void record_add_segment(struct record *record, struct chunk *chunk, enum body_side side,
                        int64_t seq);
void record_add_message(struct record *record, const struct store_message *message);
// The row alone is left.
void record_drop_bodies(struct record *record);
void record_destroy(struct record *record); // takes NULL

// Bytes of bodies and messages in it.
int64_t record_body_bytes(const struct record *record);
// What it takes of the queue.
size_t record_accounted_bytes(const struct record *record);

// Zero-initialised is empty. Owner: whoever has it on its way.
struct record_list {
    struct record *first;
    struct record *last;
    size_t count;
    size_t bytes; // accounted for
};

void record_list_append(struct record_list *list, struct record *record);

#endif
