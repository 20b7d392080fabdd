// SPDX-License-Identifier: MIT
// The recorder: pushing, batching, and what is done when the disk refuses.
//
// The writer thread takes the whole queue at a time. Under load the queue fills while a batch is
// being written, so batches grow with the load by themselves; without load a record lingers for a
// moment, so that a trickle of them does not cost a transaction each.
#include "recorder.h"

#include "commit_times.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "jobs.h"
#include "retention.h"
#include "withdrawals.h"

#include <assert.h>
#include <errno.h>
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
#define RETRY_US           ((int64_t)250000)
#define BUSY_PAUSE_US      ((int64_t)5000)
#define STOP_PATIENCE_US   ((int64_t)10000000)
#define RETENTION_TURN_US  ((int64_t)200000)
#define STALL_SAY_AGAIN_US ((int64_t)60000000)

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

    struct commit_times commit_times;

    // The writer thread's own.
    int64_t unsaved_lost_exchanges, unsaved_lost_bytes;
    bool is_job_held_up;  // the file was busy
    int64_t *damaged_ids; // exchanges in flight of which a part was lost
    size_t damaged_count;
    struct withdrawals withdrawals;
};

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
    if (is_due && atomic_compare_exchange_strong(&recorder->stall_said_us, &said_us, now_us))
        log_warn(recorder->options.log, "recorder",
                 "the disk is slower than the traffic: the queue is full (queue_bytes), and the "
                 "traffic waits; %lld times since the start",
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

// --- losses ------------------------------------------------------------------------------------

static int64_t *find_damaged(struct recorder *recorder, int64_t id)
{
    for (size_t i = 0; i < recorder->damaged_count; i++)
        if (recorder->damaged_ids[i] == id)
            return &recorder->damaged_ids[i];
    return NULL;
}

static bool take_damaged(struct recorder *recorder, int64_t id)
{
    int64_t *found = find_damaged(recorder, id);
    if (found == NULL)
        return false;
    *found = recorder->damaged_ids[--recorder->damaged_count];
    return true;
}

static void add_damaged(struct recorder *recorder, int64_t id)
{
    size_t size = (recorder->damaged_count + 1) * sizeof(recorder->damaged_ids[0]);
    recorder->damaged_ids = mem_realloc(recorder->damaged_ids, size);
    recorder->damaged_ids[recorder->damaged_count++] = id;
}

// Counts an exchange once, however many of its records are lost.
static void count_loss(struct recorder *recorder, const struct record *record)
{
    if (record->session != NULL)
        return;
    if (record->is_withdrawn) {
        take_damaged(recorder, record->exchange_id);
        return;
    }
    int64_t bytes = record_body_bytes(record);
    atomic_fetch_add(&recorder->lost_bytes, bytes);
    recorder->unsaved_lost_bytes += bytes;
    bool is_known = take_damaged(recorder, record->exchange_id);
    if (!record->is_final)
        add_damaged(recorder, record->exchange_id);
    if (is_known)
        return;
    atomic_fetch_add(&recorder->lost_exchanges, 1);
    recorder->unsaved_lost_exchanges++;
}

// What of a batch is done with goes back to who waits for it, and out of the account.
static void release(struct recorder *recorder, struct record_list *list)
{
    struct record *record = list->first;
    while (record != NULL) {
        struct record *next = record->next;
        size_t bytes = record->bytes;
        if (record->is_withdrawn)
            withdrawals_add(&recorder->withdrawals, record->exchange_id);
        if (record->on_written != NULL)
            record->on_written(record);
        else
            record_destroy(record);
        atomic_fetch_sub(&recorder->pending_bytes, bytes);
        record = next;
    }
    *list = (struct record_list){0};
    bool has_room = atomic_load(&recorder->pending_bytes) <= recorder->queue_limit_bytes / 2;
    if (has_room && atomic_exchange(&recorder->is_full, false))
        recorder->options.on_room(recorder->options.ctx);
}

static void lose(struct recorder *recorder, struct record_list *list)
{
    for (struct record *record = list->first; record != NULL; record = record->next) {
        record->is_lost = true;
        count_loss(recorder, record);
    }
    release(recorder, list);
}

// --- the writer thread -------------------------------------------------------------------------

static struct timespec after_us(int64_t us)
{
    int64_t at_us = clock_monotonic_us() + us;
    return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

static void pause_us(int64_t us)
{
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    nanosleep(&time, NULL);
}

static bool is_stopping(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->mutex);
    bool result = recorder->is_stopping;
    pthread_mutex_unlock(&recorder->mutex);
    return result;
}

static void note_round(struct recorder *recorder)
{
    atomic_store_explicit(&recorder->last_round_us, clock_monotonic_us(), memory_order_relaxed);
}

static bool is_job_due(struct recorder *recorder)
{
    return withdrawals_is_due(&recorder->withdrawals) ||
           (!recorder->is_job_held_up && jobs_has_work(&recorder->jobs));
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
           !is_job_due(recorder) && timed_out == 0)
        timed_out = pthread_cond_timedwait(&recorder->wake, &recorder->mutex, &until);
    if (recorder->queue.first != NULL && !recorder->options.is_prompt && !is_busy &&
        !is_job_due(recorder)) {
        until = after_us(LINGER_US);
        timed_out = 0;
        while (!is_batch_due(recorder) && !recorder->is_stopping && timed_out == 0)
            timed_out = pthread_cond_timedwait(&recorder->wake, &recorder->mutex, &until);
    }
    take_records(recorder, batch);
    pthread_mutex_unlock(&recorder->mutex);
    return batch->first != NULL;
}

static enum store_result put_record(struct recorder *recorder, const struct record *record,
                                    struct err *err)
{
    struct store_writer *writer = recorder->options.writer;
    enum store_result result = STORE_OK;
    if (record->row != NULL)
        result = store_writer_put_row(writer, record->row, record->is_update, err);
    if (result == STORE_OK && record->session != NULL)
        result = store_writer_put_session(writer, record->session, err);
    for (size_t i = 0; result == STORE_OK && i < record->segment_count; i++) {
        const struct record_segment *segment = &record->segments[i];
        result = store_writer_put_body(writer, record->exchange_id, segment->side, segment->seq,
                                       segment->chunk, err);
    }
    for (size_t i = 0; result == STORE_OK && i < record->message_count; i++)
        result = store_writer_put_message(writer, record->exchange_id, &record->messages[i], err);
    for (size_t i = 0; result == STORE_OK && i < record->note_count; i++)
        result = store_writer_put_note(writer, record->exchange_id, &record->notes[i], err);
    return result;
}

static enum store_result write_transaction(struct recorder *recorder,
                                           const struct record_list *batch, struct err *err)
{
    struct store_writer *writer = recorder->options.writer;
    enum store_result result = store_writer_begin(writer, err);
    for (const struct record *record = batch->first; result == STORE_OK && record != NULL;
         record = record->next)
        result = put_record(recorder, record, err);
    if (result == STORE_OK && recorder->unsaved_lost_exchanges + recorder->unsaved_lost_bytes > 0)
        result = store_writer_put_loss(writer, recorder->unsaved_lost_exchanges,
                                       recorder->unsaved_lost_bytes, err);
    if (result == STORE_OK)
        result = store_writer_commit(writer, err);
    return result;
}

// An exchange that goes on after a part of it was lost has a hole: its last row says so.
static void mark_damaged_rows(struct recorder *recorder, struct record_list *batch)
{
    if (recorder->damaged_count == 0)
        return;
    for (struct record *record = batch->first; record != NULL; record = record->next) {
        if (record->row == NULL || find_damaged(recorder, record->exchange_id) == NULL)
            continue;
        record->row->body_truncated = true;
        record->is_update = true; // the row may or may not be there
    }
}

static void forget_damaged(struct recorder *recorder, const struct record_list *batch)
{
    for (const struct record *record = batch->first; record != NULL; record = record->next)
        if (record->is_final)
            take_damaged(recorder, record->exchange_id);
}

static void set_failing(struct recorder *recorder, const struct err *err)
{
    pthread_mutex_lock(&recorder->mutex);
    snprintf(recorder->problem, sizeof(recorder->problem), "%s", err->text);
    pthread_mutex_unlock(&recorder->mutex);
    if (!atomic_exchange(&recorder->is_failing, true)) {
        log_error(recorder->options.log, "recorder", "not recording: %s", err->text);
        recorder->options.on_room(recorder->options.ctx);
    }
}

static void set_working(struct recorder *recorder)
{
    if (!atomic_exchange(&recorder->is_failing, false))
        return;
    log_warn(recorder->options.log, "recorder",
             "recording again; not recorded meanwhile: %lld exchanges, %lld body bytes",
             (long long)recorder->unsaved_lost_exchanges, (long long)recorder->unsaved_lost_bytes);
    pthread_mutex_lock(&recorder->mutex);
    recorder->problem[0] = '\0';
    pthread_mutex_unlock(&recorder->mutex);
}

// A row that is in the file as pending must not stay so: its end is kept, without its bodies.
static bool strip(struct recorder *recorder, struct record *record)
{
    if (!record->is_final || !record->is_update || record->on_written != NULL)
        return false;
    int64_t bytes = record_body_bytes(record);
    atomic_fetch_add(&recorder->lost_bytes, bytes);
    recorder->unsaved_lost_bytes += bytes;
    record->row->body_truncated |= record->segment_count > 0;
    for (size_t i = 0; i < record->segment_count; i++)
        chunk_unref(record->segments[i].chunk);
    record->segment_count = 0;
    atomic_fetch_sub(&recorder->pending_bytes, record->bytes);
    record->bytes = record_accounted_bytes(record);
    atomic_fetch_add(&recorder->pending_bytes, record->bytes);
    return true;
}

static void put_back(struct recorder *recorder, struct record_list *kept)
{
    if (kept->first == NULL)
        return;
    pthread_mutex_lock(&recorder->mutex);
    kept->last->next = recorder->queue.first;
    if (recorder->queue.first == NULL)
        recorder->queue.last = kept->last;
    recorder->queue.first = kept->first;
    recorder->queue.count += kept->count;
    recorder->queue.bytes += kept->bytes;
    pthread_mutex_unlock(&recorder->mutex);
}

// While the disk refuses: nobody is held up, so what no longer fits has to go.
static void shed_queue(struct recorder *recorder)
{
    if (atomic_load(&recorder->pending_bytes) <= recorder->queue_limit_bytes)
        return;
    pthread_mutex_lock(&recorder->mutex);
    struct record *next = recorder->queue.first;
    recorder->queue = (struct record_list){0};
    pthread_mutex_unlock(&recorder->mutex);
    struct record_list shed = {0};
    struct record_list kept = {0};
    while (next != NULL) {
        struct record *record = next;
        next = record->next;
        record_list_append(strip(recorder, record) ? &kept : &shed, record);
    }
    put_back(recorder, &kept);
    lose(recorder, &shed);
}

// --- jobs --------------------------------------------------------------------------------------

static void checkpoint(struct recorder *recorder)
{
    struct err err = {0};
    int64_t wal_bytes = 0;
    enum store_result result = store_writer_checkpoint(recorder->options.writer, &wal_bytes, &err);
    if (result == STORE_OK) {
        atomic_store(&recorder->wal_bytes, wal_bytes);
        retention_note_wal(&recorder->retention, wal_bytes);
    } else if (result != STORE_BUSY)
        log_warn(recorder->options.log, "recorder", "%s", err.text);
}

static void checkpoint_if_due(struct recorder *recorder)
{
    if (store_writer_checkpoint_is_due(recorder->options.writer))
        checkpoint(recorder);
}

static void work_on_jobs(struct recorder *recorder)
{
    note_round(recorder);
    if (withdrawals_step(&recorder->withdrawals, recorder->options.writer, recorder->options.log))
        checkpoint_if_due(recorder);
    if (!jobs_has_work(&recorder->jobs))
        return;
    enum store_step step = jobs_step(&recorder->jobs, recorder->options.writer);
    recorder->is_job_held_up = step == STEP_BUSY;
    checkpoint_if_due(recorder);
}

// A limit that was lowered may leave a surplus that takes hours to delete: records come in between.
static void work_on_retention(struct recorder *recorder)
{
    int64_t until_us = clock_monotonic_us() + RETENTION_TURN_US;
    while (retention_is_due(&recorder->retention)) {
        note_round(recorder);
        retention_work(&recorder->retention);
        checkpoint_if_due(recorder);
        if (is_stopping(recorder) || !retention_is_urgent(&recorder->retention) ||
            clock_monotonic_us() >= until_us)
            return;
    }
}

void recorder_set_limits(struct recorder *recorder, int64_t keep_age_ms, int64_t keep_bytes)
{
    retention_set_limits(&recorder->retention, keep_age_ms, keep_bytes);
}

// While the disk refuses, jobs are given the time: they may make room.
static void pause_for_jobs(struct recorder *recorder, int64_t us)
{
    int64_t until_us = clock_monotonic_us() + us;
    recorder->is_job_held_up = false;
    while (is_job_due(recorder) && clock_monotonic_us() < until_us)
        work_on_jobs(recorder);
    work_on_retention(recorder);
    int64_t left_us = until_us - clock_monotonic_us();
    if (left_us > 0)
        pause_us(left_us);
}

int recorder_run_job(struct recorder *recorder, store_step_fn step, void *ctx, struct err *err)
{
    if (recorder->options.writer == NULL)
        return err_set(err, "the recording is only read: the mode is playback");
    struct job job = {.step = step, .ctx = ctx};
    if (jobs_add(&recorder->jobs, &job, err) != 0)
        return -1;
    // The writer thread looks for jobs under this lock before it waits.
    pthread_mutex_lock(&recorder->mutex);
    pthread_cond_signal(&recorder->wake);
    pthread_mutex_unlock(&recorder->mutex);
    return jobs_wait(&recorder->jobs, &job, err);
}

// --- batches -----------------------------------------------------------------------------------

enum outcome {
    WRITTEN,
    GIVEN_UP,
    POISONED, // nothing is wrong with the disk, but these records cannot be written
};

// Tries until the batch is in the file; a busy file is only waited for, since nothing is wrong
// with it. At the end of the process there is a limit to the patience.
static enum outcome write_patiently(struct recorder *recorder, const struct record_list *batch,
                                    struct err *refusal)
{
    int64_t give_up_us = 0;
    for (;;) {
        struct err err = {0};
        note_round(recorder);
        enum store_result result = write_transaction(recorder, batch, &err);
        if (result == STORE_OK)
            return WRITTEN;
        if (result == STORE_ERROR) {
            err_set(refusal, "%s", err.text);
            return POISONED;
        }
        if (result != STORE_BUSY)
            set_failing(recorder, &err);
        if (result != STORE_BUSY && recorder->options.is_prompt)
            return GIVEN_UP;
        int64_t now_us = clock_monotonic_us();
        if (give_up_us == 0 && is_stopping(recorder))
            give_up_us = now_us + STOP_PATIENCE_US;
        if (give_up_us != 0 && (now_us >= give_up_us || result != STORE_BUSY)) {
            log_error(recorder->options.log, "recorder", "giving up on %zu records: %s",
                      batch->count, err.text);
            return GIVEN_UP;
        }
        if (result != STORE_BUSY)
            shed_queue(recorder);
        if (result == STORE_BUSY)
            pause_us(BUSY_PAUSE_US);
        else
            pause_for_jobs(recorder, RETRY_US);
    }
}

static void account_for(struct recorder *recorder, struct record_list *batch, int64_t began_us)
{
    set_working(recorder);
    recorder->unsaved_lost_exchanges = 0;
    recorder->unsaved_lost_bytes = 0;
    forget_damaged(recorder, batch);
    int64_t records = (int64_t)batch->count;
    release(recorder, batch);
    int64_t took_us = clock_monotonic_us() - began_us;
    atomic_fetch_add(&recorder->commits, 1);
    atomic_store(&recorder->commit_last_us, took_us);
    commit_times_add(&recorder->commit_times, took_us, records);
    checkpoint_if_due(recorder);
}

// One record that can never be written must not take the others with it.
static void write_one_by_one(struct recorder *recorder, struct record_list *batch)
{
    struct record *next = batch->first;
    struct err refusal = {0};
    size_t refused = 0;
    *batch = (struct record_list){0};
    while (next != NULL) {
        struct record_list single = {0};
        struct record *record = next;
        next = record->next;
        record_list_append(&single, record);
        int64_t began_us = clock_monotonic_us();
        if (write_patiently(recorder, &single, &refusal) == WRITTEN) {
            account_for(recorder, &single, began_us);
        } else {
            lose(recorder, &single);
            refused++;
        }
    }
    log_error(recorder->options.log, "recorder", "%zu records are lost: %s", refused, refusal.text);
}

static void write_batch(struct recorder *recorder, struct record_list *batch)
{
    int64_t began_us = clock_monotonic_us();
    struct err refusal = {0};
    mark_damaged_rows(recorder, batch);
    switch (write_patiently(recorder, batch, &refusal)) {
    case WRITTEN:
        account_for(recorder, batch, began_us);
        break;
    case GIVEN_UP:
        lose(recorder, batch);
        break;
    case POISONED:
        write_one_by_one(recorder, batch);
        break;
    }
}

static int64_t idle_wait_us(struct recorder *recorder)
{
    if (recorder->is_job_held_up)
        return BUSY_PAUSE_US;
    return recorder_is_failing(recorder) ? RETRY_US : IDLE_CHECKPOINT_US;
}

// Nothing came for a while.
static void use_idle_time(struct recorder *recorder)
{
    struct record_list none = {0};
    if (recorder_is_failing(recorder))
        write_batch(recorder, &none); // does the disk take anything again?
    else if (!store_writer_is_checkpointed(recorder->options.writer))
        checkpoint(recorder);
}

static void *writer_main(void *arg)
{
    struct recorder *recorder = arg;
    struct record_list batch;
    for (;;) {
        note_round(recorder);
        if (take_batch(recorder, &batch, idle_wait_us(recorder)))
            write_batch(recorder, &batch);
        else if (is_stopping(recorder) && !withdrawals_is_due(&recorder->withdrawals))
            break;
        else if (!jobs_has_work(&recorder->jobs) && !retention_is_due(&recorder->retention))
            use_idle_time(recorder);
        work_on_jobs(recorder);
        work_on_retention(recorder);
    }
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
    free(recorder->damaged_ids);
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
    retention_get_status(&recorder->retention, status);
    pthread_mutex_lock(&recorder->mutex);
    snprintf(status->problem, sizeof(status->problem), "%s", recorder->problem);
    pthread_mutex_unlock(&recorder->mutex);
}
