// SPDX-License-Identifier: MIT
// An exchange with all that belongs to it in memory, as it is read from a file to be added to the
// recording.
#ifndef HARK_WHOLE_EXCHANGE_H
#define HARK_WHOLE_EXCHANGE_H

#include "hark/chunk.h"
#include "hark/row.h"
#include "hark/store_writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct whole_segment {
    struct chunk *chunk; // sealed; one reference is held
    enum body_side side;
    int64_t seq;
};

// Owner: whoever created it, or was given it.
struct whole_exchange {
    struct exchange_row *row; // id and session are for whoever adds it to set
    struct whole_segment *segments;
    size_t segment_count;
    struct store_message *messages; // one reference to each chunk is held
    size_t message_count;
    struct store_said notes[2]; // by is_mark; texts are in the row's arena
    bool has_note[2];
    int64_t next_seq[2]; // by body_side
};

struct whole_exchange *whole_exchange_create(void);
void whole_exchange_destroy(struct whole_exchange *exchange); // takes NULL

// Adds bytes to a body: as segments of at most CHUNK_MAX_BYTES.
void whole_exchange_add_body(struct whole_exchange *exchange, enum body_side side, const void *data,
                             size_t length, int64_t at_us);

// A WebSocket message; a long one becomes several rows.
struct whole_message {
    enum body_side side;
    int opcode;
    int64_t at_us;
    const void *data; // borrowed
    size_t length;
};
void whole_exchange_add_message(struct whole_exchange *exchange,
                                const struct whole_message *message);

#endif
