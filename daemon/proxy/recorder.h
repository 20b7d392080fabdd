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

#include "hark/log.h"
#include "hark/server.h"
#include "hark/server_counts.h"
#include "hark/store_job.h"
#include "hark/store_writer.h"
#include "open_share.h"
#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorder_options {
    struct store_writer *writer; // used by the writer thread until recorder_destroy(); NULL: what
                                 // is pushed is forgotten
    int64_t first_id;            // without a writer: of the first exchange
    size_t queue_limit_bytes;
    int64_t busy_patience_us;   // how long others may have the file locked until it counts as one
                                // that refuses; 0: for ever
    bool is_prompt;             // somebody waits for each commit: no lingering for larger batches
    void (*on_room)(void *ctx); // on the writer thread
    void *ctx;
    struct log *log;
};

struct recorder;

struct recorder *recorder_create(const struct recorder_options *options, struct err *err);
// Writes what is queued, then ends the thread. The writer is the caller's to close.
void recorder_destroy(struct recorder *recorder);

int64_t recorder_next_id(struct recorder *recorder); // any thread
// The id will not be used. It is given out again if it is still the last one. Any thread.
void recorder_give_back_id(struct recorder *recorder, int64_t id);
void recorder_push(struct recorder *recorder, struct record *record); // any thread
bool recorder_has_room(const struct recorder *recorder);              // any thread
// Another limit in bytes. Any thread.
void recorder_set_queue_limit(struct recorder *recorder, size_t limit_bytes);
// Does the disk refuse what is written? Any thread.
bool recorder_is_failing(const struct recorder *recorder);
// How long exchanges are kept and how large the recording may be; 0: without limit. Any thread.
void recorder_set_limits(struct recorder *recorder, int64_t keep_age_ms, int64_t keep_bytes);
// What bodies of exchanges that go on may take. Any thread.
struct open_share *recorder_open_share(struct recorder *recorder);
// Runs a job on the writer thread, a slice between two batches, and waits for its end. A busy file
// is waited for; a full disk fails the job. While the disk refuses records, jobs go on: they may be
// what makes room. Any thread but the writer's.
int recorder_run_job(struct recorder *recorder, store_step_fn step, void *ctx, struct err *err);
// When the writer thread last came round, monotonic: at least once a second while nothing is wrong,
// also while it waits for a busy file. INT64_MAX if there is none. Any thread.
int64_t recorder_last_round_us(const struct recorder *recorder);
// Fills in the parts of the status that are the recorder's. Any thread.
void recorder_get_status(struct recorder *recorder, struct server_status *status);
void recorder_get_counts(const struct recorder *recorder, struct server_counts *counts);

#endif
