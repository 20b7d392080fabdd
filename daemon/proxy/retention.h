// SPDX-License-Identifier: MIT
// keep_age and keep_bytes: when a sweep over the recording is due, and what is said of it.
//
// The file and its WAL share keep_bytes: the file keeps a margin of free pages for what comes next,
// so that it does not grow while it is being written to, and the WAL gets a limit of its own. Above
// the margin sweeps share the thread with the batches; within its last half a batch has to wait.
#ifndef HARK_PROXY_RETENTION_H
#define HARK_PROXY_RETENTION_H

#include "age_clock.h"
#include "hark/clock.h"
#include "hark/log.h"
#include "hark/server.h"
#include "hark/store_retention.h"
#include "open_share.h"

#include <stdatomic.h>

// Owner: the recorder. Thread: the writer, but for what is atomic.
struct retention {
    struct store_writer *writer;
    struct log *log;
    atomic_int_fast64_t keep_age_ms; // 0: for ever
    atomic_int_fast64_t keep_bytes;  // 0: without limit
    atomic_int_fast64_t exchanges;   // removed so far
    atomic_int_fast64_t bytes;       // freed so far
    atomic_bool is_short;            // marked and pending exchanges alone are over keep_bytes
    atomic_bool is_crowded;          // marked ones leave no room: what is new goes at once
    atomic_bool is_log_stuck;        // the WAL is, since somebody reads and reads
    struct open_share open_share;

    int64_t planned_keep_bytes; // what the next ones follow from; -1: nothing yet
    int64_t file_bytes;         // the file's share
    int64_t margin_bytes;       // of that, for what comes next
    int64_t batch_bytes;        // what a batch may bring
    int64_t staying_bytes;      // what is marked, as far as it is in the way; else 0

    struct age_clock clock;
    char boot_id[CLOCK_BOOT_ID_BYTES];
    int64_t noted_offset_us; // of the clock, in the recording
    int64_t next_age_us;     // monotonic: when to look for what is too old
    int64_t next_copies_us;  // monotonic: when to look for copies beside the recording
    int64_t rest_until_us;
    bool must_look; // something may have been unmarked
    bool is_sweeping;
    bool has_failed;
    struct store_retention sweep;
};

void retention_init(struct retention *retention, struct store_writer *writer, struct log *log);
// Thread: any.
void retention_set_limits(struct retention *retention, int64_t keep_age_ms, int64_t keep_bytes);
void retention_get_status(struct retention *retention, struct server_status *status);

// How much of the queue may become one transaction.
size_t retention_batch_bytes(const struct retention *retention);
// Is there anything to do? Begins a sweep if it is time for one.
bool retention_is_due(struct retention *retention);
// A slice of what is due.
void retention_work(struct retention *retention);
// A job has changed the recording: marks, perhaps.
void retention_look_again(struct retention *retention);
// What the WAL has after a checkpoint.
void retention_note_wal(struct retention *retention, int64_t wal_bytes);
// Must the next batch wait for another slice?
bool retention_is_urgent(struct retention *retention);

#endif
