// SPDX-License-Identifier: MIT
// The recorder: pushing, and the rounds of the writer thread.
//
// The writer thread takes the whole queue at a time. Under load the queue fills while a batch is
// being written, so batches grow with the load by themselves; without load a record lingers for a
// moment, so that a trickle of them does not cost a transaction each.
#include "recorder_private.h"

#include "hark/clock.h"
#include "hark/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINGER_US          ((int64_t)20000)
#define BATCH_RECORDS      ((size_t)1000)
#define BATCH_BYTES        ((size_t)4 * 1024 * 1024)
#define IDLE_CHECKPOINT_US ((int64_t)1000000)
#define STALL_SAY_AGAIN_US ((int64_t)60000000)

// --- the side of the workers -------------------------------------------------------------------

int64_t recorder_next_id(struct recorder *recorder)
{
    return atomic_fetch_add(&recorder->next_id, 1);
}

void recorder_give_back_id(struct recorder *recorder, int64_t id)
{
    int_fast64_t next_id = id + 1;
    atomic_compare_exchange_strong(&recorder->next_id, &next_id, id);
}

bool recorder_has_room(const struct recorder *recorder)
{
    return !atomic_load_explicit(&recorder->is_full, memory_order_relaxed) ||
           recorder_is_failing(recorder);
}

void recorder_set_queue_limit(struct recorder *recorder, size_t limit_bytes)
{
    atomic_store(&recorder->queue_limit_bytes, limit_bytes);
}

bool recorder_is_failing(const struct recorder *recorder)
{
    return atomic_load_explicit(&recorder->is_failing, memory_order_relaxed);
}

static bool is_batch_due(const struct recorder *recorder)
{
    return recorder->queue.count >= BATCH_RECORDS || recorder->queue.bytes >= BATCH_BYTES;
}

// Under load the queue may fill many times a second: a line now and then is enough.
static void note_stall(struct recorder *recorder)
{
    int64_t now_us = clock_monotonic_us();
    long long stalls = (long long)atomic_fetch_add(&recorder->stalls, 1) + 1;
    int_fast64_t said_us = atomic_load(&recorder->stall_said_us);
    bool is_due = said_us == 0 || now_us - said_us >= STALL_SAY_AGAIN_US;
    if (is_due && !recorder_is_failing(recorder) &&
        atomic_compare_exchange_strong(&recorder->stall_said_us, &said_us, now_us))
        log_warn(recorder->options.log, "recorder",
                 "%s: the queue is full (queue_bytes), and the traffic waits; %lld times since the "
                 "start",
                 atomic_load(&recorder->busy_since_us) != 0
                     ? "another program has locked the recording"
                     : "the disk is slower than the traffic",
                 stalls);
}

void recorder_push(struct recorder *recorder, struct record *record)
{
    if (recorder->options.writer == NULL) {
        record_destroy(record);
        return;
    }
    record->bytes = record_accounted_bytes(record);
    size_t pending = atomic_fetch_add(&recorder->pending_bytes, record->bytes) + record->bytes;
    if (pending > recorder->queue_limit_bytes && !atomic_exchange(&recorder->is_full, true))
        note_stall(recorder);
    pthread_mutex_lock(&recorder->mutex);
    bool was_due = is_batch_due(recorder);
    bool was_empty = recorder->queue.first == NULL;
    record_list_append(&recorder->queue, record);
    bool must_wake = was_empty || (!was_due && is_batch_due(recorder));
    pthread_mutex_unlock(&recorder->mutex);
    if (must_wake)
        pthread_cond_signal(&recorder->wake);
}

// --- the writer thread -------------------------------------------------------------------------

static struct timespec after_us(int64_t us)
{
    int64_t at_us = clock_monotonic_us() + us;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

void recorder_pause_us(int64_t us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

bool recorder_is_stopping(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->mutex);
    bool result = recorder->is_stopping;
    pthread_mutex_unlock(&recorder->mutex);
    return result;
}

void recorder_note_round(struct recorder *recorder)
{
    atomic_store_explicit(&recorder->last_round_us, clock_monotonic_us(), memory_order_relaxed);
}

// The whole queue, or as much of it as one transaction may hold.
static void take_records(struct recorder *recorder, struct record_list *batch)
{
    size_t most = retention_batch_bytes(&recorder->retention);
    struct record_list *queue = &recorder->queue;
    *batch = *queue;
    if (queue->bytes <= most) {
        *queue = (struct record_list){0};
        return;
    }
    struct record *record = queue->first;
    *batch = (struct record_list){0};
    while (record != NULL && (batch->first == NULL || batch->bytes + record->bytes <= most)) {
        struct record *next = record->next;
        record_list_append(batch, record);
        record = next;
    }
    queue->first = record;
    queue->last = record == NULL ? NULL : queue->last;
    queue->count -= batch->count;
    queue->bytes -= batch->bytes;
}

// Waits for records, up to `wait_us` for the first, unless other work is due; what is done
// meanwhile makes a batch of them as well as lingering would. False: none came.
static bool take_batch(struct recorder *recorder, struct record_list *batch, int64_t wait_us)
{
    bool is_busy = retention_is_due(&recorder->retention);
    pthread_mutex_lock(&recorder->mutex);
    struct timespec until = after_us(wait_us);
    int timed_out = 0;
    while (recorder->queue.first == NULL && !recorder->is_stopping && !is_busy &&
           !recorder_is_job_due(recorder) && timed_out == 0)
        timed_out = pthread_cond_timedwait(&recorder->wake, &recorder->mutex, &until);
    if (recorder->queue.first != NULL && !recorder->options.is_prompt && !is_busy &&
        !recorder_is_job_due(recorder)) {
        until = after_us(LINGER_US);
        timed_out = 0;
        while (!is_batch_due(recorder) && !recorder->is_stopping && timed_out == 0)
            timed_out = pthread_cond_timedwait(&recorder->wake, &recorder->mutex, &until);
    }
    take_records(recorder, batch);
    pthread_mutex_unlock(&recorder->mutex);
    return batch->first != NULL;
}

static int64_t idle_wait_us(struct recorder *recorder)
{
    if (recorder->is_job_held_up)
        return RECORDER_BUSY_PAUSE_US;
    return recorder_is_failing(recorder) ? RECORDER_RETRY_US : IDLE_CHECKPOINT_US;
}

// Nothing came for a while.
static void use_idle_time(struct recorder *recorder)
{
    struct record_list none = {0};
    if (recorder_is_failing(recorder))
        recorder_write_batch(recorder, &none); // does the disk take anything again?
    else if (!store_writer_is_checkpointed(recorder->options.writer))
        recorder_checkpoint(recorder);
    else // the last commit may have begun it anew, and cut it
        recorder_note_wal(recorder, store_writer_wal_bytes(recorder->options.writer));
}

int64_t recorder_give_up_us(struct recorder *recorder)
{
    if (recorder->give_up_us == 0)
        recorder->give_up_us = clock_monotonic_us() + RECORDER_STOP_PATIENCE_US;
    return recorder->give_up_us;
}

// What is ignored must not stay because another program holds the file just now.
static void finish_withdrawals(struct recorder *recorder)
{
    int64_t give_up_us = recorder_give_up_us(recorder);
    while (recorder->withdrawals.count > 0 && !recorder_is_failing(recorder) &&
           clock_monotonic_us() < give_up_us) {
        recorder_work_on_jobs(recorder);
        if (recorder->withdrawals.is_held_up)
            recorder_pause_us(RECORDER_BUSY_PAUSE_US);
    }
}

static void *writer_main(void *arg)
{
    struct recorder *recorder = arg;
    struct record_list batch = {0};
    if (!store_writer_has_begun(recorder->options.writer))
        recorder_write_batch(recorder, &batch); // so that it is said from the start
    for (;;) {
        recorder_note_round(recorder);
        if (take_batch(recorder, &batch, idle_wait_us(recorder)))
            recorder_write_batch(recorder, &batch);
        else if (recorder_is_stopping(recorder))
            break;
        else if (!jobs_has_work(&recorder->jobs) && !retention_is_due(&recorder->retention))
            use_idle_time(recorder);
        recorder_work_on_jobs(recorder);
        recorder_work_on_retention(recorder);
    }
    finish_withdrawals(recorder);
    jobs_close(&recorder->jobs);
    return NULL;
}

// --- life --------------------------------------------------------------------------------------

struct recorder *recorder_create(const struct recorder_options *options, struct err *err)
{
    struct recorder *recorder = mem_calloc(1, sizeof(*recorder));
    recorder->options = *options;
    atomic_init(&recorder->queue_limit_bytes, options->queue_limit_bytes);
    atomic_init(&recorder->next_id, options->writer == NULL
                                        ? options->first_id
                                        : store_writer_next_id(options->writer));
    pthread_mutex_init(&recorder->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&recorder->wake, &attributes);
    jobs_init(&recorder->jobs);
    retention_init(&recorder->retention, options->writer, options->log);
    pthread_condattr_destroy(&attributes);
    if (options->writer == NULL) {
        jobs_close(&recorder->jobs);
        return recorder;
    }
    int error = pthread_create(&recorder->thread, NULL, writer_main, recorder);
    if (error != 0) {
        err_set(err, "recorder: start the writer thread: %s", strerror(error));
        jobs_fini(&recorder->jobs);
        pthread_cond_destroy(&recorder->wake);
        pthread_mutex_destroy(&recorder->mutex);
        free(recorder);
        return NULL;
    }
    pthread_setname_np(recorder->thread, "hark-writer");
    return recorder;
}

void recorder_destroy(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    pthread_mutex_lock(&recorder->mutex);
    recorder->is_stopping = true;
    pthread_mutex_unlock(&recorder->mutex);
    pthread_cond_signal(&recorder->wake);
    if (recorder->options.writer != NULL)
        pthread_join(recorder->thread, NULL);
    assert(recorder->queue.first == NULL);
    jobs_fini(&recorder->jobs);
    pthread_cond_destroy(&recorder->wake);
    pthread_mutex_destroy(&recorder->mutex);
    free(recorder->damaged);
    withdrawals_fini(&recorder->withdrawals);
    free(recorder);
}

int64_t recorder_last_round_us(const struct recorder *recorder)
{
    if (recorder->options.writer == NULL)
        return INT64_MAX;
    return atomic_load_explicit(&recorder->last_round_us, memory_order_relaxed);
}

void recorder_get_counts(const struct recorder *recorder, struct server_counts *counts)
{
    commit_times_get(&recorder->commit_times, counts);
}

void recorder_get_status(struct recorder *recorder, struct server_status *status)
{
    status->queue_bytes = (int64_t)atomic_load(&recorder->pending_bytes);
    status->queue_limit_bytes = (int64_t)recorder->queue_limit_bytes;
    status->is_queue_full = atomic_load(&recorder->is_full);
    status->queue_stalls = atomic_load(&recorder->stalls);
    status->commits = atomic_load(&recorder->commits);
    status->commit_last_us = atomic_load(&recorder->commit_last_us);
    status->wal_bytes = atomic_load(&recorder->wal_bytes);
    status->lost_exchanges = atomic_load(&recorder->lost_exchanges);
    status->lost_bytes = atomic_load(&recorder->lost_bytes);
    status->is_recording = !recorder_is_failing(recorder);
    status->is_held_up = atomic_load(&recorder->is_held_up);
    retention_get_status(&recorder->retention, status);
    pthread_mutex_lock(&recorder->mutex);
    snprintf(status->problem, sizeof(status->problem), "%s", recorder->problem);
    pthread_mutex_unlock(&recorder->mutex);
}
