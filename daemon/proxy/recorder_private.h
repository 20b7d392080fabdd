// SPDX-License-Identifier: MIT
// What the files of the recorder share.
#ifndef HARK_PROXY_RECORDER_PRIVATE_H
#define HARK_PROXY_RECORDER_PRIVATE_H

#include "commit_times.h"
#include "jobs.h"
#include "recorder.h"
#include "retention.h"
#include "withdrawals.h"

#include <pthread.h>
#include <stdatomic.h>

// How long after a refusal the disk is tried again, and after it was busy.
#define RECORDER_RETRY_US      ((int64_t)250000)
#define RECORDER_BUSY_PAUSE_US ((int64_t)5000)
// After how long it is said that another program has the file locked.
#define RECORDER_BUSY_SAY_US ((int64_t)5000000)
// At the end of the process there is a limit to the patience.
#define RECORDER_STOP_PATIENCE_US ((int64_t)10000000)

// An exchange in flight of which a part was lost.
struct damaged {
    int64_t id;
    bool is_absent; // nothing of it is in the file
};

struct recorder {
    struct recorder_options options;
    pthread_t thread;
    pthread_mutex_t mutex; // guards the queue, is_stopping and problem
    pthread_cond_t wake;
    struct record_list queue;
    bool is_stopping;
    char problem[512];
    struct jobs jobs;
    struct retention retention;

    atomic_int_fast64_t next_id;
    atomic_size_t queue_limit_bytes;
    atomic_size_t pending_bytes; // queued or being written
    atomic_bool is_full;         // above the limit, until well below it again
    atomic_bool is_failing;
    atomic_int_fast64_t stall_said_us; // monotonic; 0: never
    atomic_int_fast64_t stalls, commits, commit_last_us, wal_bytes;
    atomic_int_fast64_t lost_exchanges, lost_bytes;
    atomic_int_fast64_t last_round_us; // see recorder_last_round_us()
    atomic_int_fast64_t busy_since_us; // another program has the file locked; 0: it has not
    atomic_bool is_held_up;            // for so long that it was said

    struct commit_times commit_times;

    // The writer thread's own.
    int64_t unsaved_lost_exchanges, unsaved_lost_bytes;
    bool is_job_held_up; // the file was busy
    int64_t give_up_us;  // monotonic: see recorder_give_up_us(); 0: not asked yet
    struct damaged *damaged;
    size_t damaged_count;
    struct withdrawals withdrawals;
};

// All of these are for the writer thread.

void recorder_note_round(struct recorder *recorder);
bool recorder_is_stopping(struct recorder *recorder);
void recorder_pause_us(int64_t us);
// The process ends: until when a busy file is waited for, all in all.
int64_t recorder_give_up_us(struct recorder *recorder);

// Writes the batch, and is done with it: it is in the file, or lost.
void recorder_write_batch(struct recorder *recorder, struct record_list *batch);

// What of a batch is done with goes back to who waits for it, and out of the account.
void recorder_release(struct recorder *recorder, struct record_list *list);
void recorder_lose(struct recorder *recorder, struct record_list *list);
// While the disk refuses: nobody is held up, so what no longer fits has to go.
void recorder_shed_queue(struct recorder *recorder);
// An exchange that goes on after a part of it was lost has a hole: its last row says so.
void recorder_mark_damaged_rows(struct recorder *recorder, struct record_list *batch);
// The batch is in the file.
void recorder_note_written(struct recorder *recorder, const struct record_list *batch);

// Is a slice of other work to be done before the next batch?
bool recorder_is_job_due(struct recorder *recorder);
void recorder_work_on_jobs(struct recorder *recorder);
void recorder_work_on_retention(struct recorder *recorder);
// While the disk refuses, jobs are given the time: they may make room.
void recorder_pause_for_jobs(struct recorder *recorder, int64_t us);
void recorder_note_wal(struct recorder *recorder, int64_t wal_bytes);
void recorder_checkpoint(struct recorder *recorder);
void recorder_checkpoint_if_due(struct recorder *recorder);

#endif
