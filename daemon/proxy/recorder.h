// SPDX-License-Identifier: MIT
// The recorder: a queue bounded in bytes, and the one thread that writes the recording.
//
// A push never waits. Whoever moves body bytes asks recorder_has_room() first and pauses its
// sources while there is none, so the queue overshoots its limit by no more than one chunk an
// exchange; when there is room again, `on_room` is called. While the disk refuses to take
// anything, nobody is slowed down: what no longer fits is counted and dropped (relaxed), or
// refused at once (commit, full).
#ifndef HARK_PROXY_RECORDER_H
#define HARK_PROXY_RECORDER_H

#include "hark/chunk.h"
#include "hark/log.h"
#include "hark/row.h"
#include "hark/server.h"
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
    struct record_segment *segments;
    size_t segment_count;
    struct store_message *messages; // it holds a reference to each chunk
    size_t message_count;
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
void record_destroy(struct record *record); // takes NULL

struct recorder_options {
    struct store_writer *writer; // used by the writer thread until recorder_destroy()
    size_t queue_limit_bytes;
    bool is_prompt;             // somebody waits for each commit: no lingering for larger batches
    void (*on_room)(void *ctx); // on the writer thread
    void *ctx;
    struct log *log;
};

struct recorder;

struct recorder *recorder_create(const struct recorder_options *options, struct err *err);
// Writes what is queued, then ends the thread. The writer is the caller's to close.
void recorder_destroy(struct recorder *recorder);

int64_t recorder_next_id(struct recorder *recorder);                  // any thread
void recorder_push(struct recorder *recorder, struct record *record); // any thread
bool recorder_has_room(const struct recorder *recorder);              // any thread
// Does the disk take what is written? Any thread.
bool recorder_is_failing(const struct recorder *recorder);
// Fills in the parts of the status that are the recorder's. Any thread.
void recorder_get_status(struct recorder *recorder, struct server_status *status);

#endif
