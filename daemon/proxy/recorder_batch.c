// SPDX-License-Identifier: MIT
// A batch on its way into the file, as one transaction, and what is done when that is refused.
#include "recorder_private.h"

#include "hark/clock.h"

#include <stdio.h>

#define RESUME_BYTES ((int64_t)512 * 1024)

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

// Once the disk is full, a little more has to be free before it goes on: not each row that is
// deleted begins the recording anew.
static enum store_result find_room(struct recorder *recorder, const struct record_list *batch,
                                   struct err *err)
{
    struct store_writer *writer = recorder->options.writer;
    struct err refusal = {0};
    int64_t bytes = (int64_t)batch->bytes + (recorder_is_failing(recorder) ? RESUME_BYTES : 0);
    if (store_writer_find_room(writer, bytes, &refusal) == STORE_OK)
        return STORE_OK;
    recorder_checkpoint(recorder);
    return store_writer_find_room(writer, bytes, err);
}

static enum store_result write_transaction(struct recorder *recorder,
                                           const struct record_list *batch, struct err *err)
{
    struct store_writer *writer = recorder->options.writer;
    enum store_result result = find_room(recorder, batch, err);
    if (result == STORE_OK)
        result = store_writer_begin(writer, err);
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

enum outcome {
    WRITTEN,
    GIVEN_UP,
    POISONED, // nothing is wrong with the disk, but these records cannot be written
};

// The file is busy: waited for, since nothing is wrong with it; but all traffic waits as well once
// the queue is full, so in the end it counts as one that refuses.
static enum store_result judge_busy(struct recorder *recorder, struct err *err)
{
    int64_t now_us = clock_monotonic_us();
    int_fast64_t never = 0;
    atomic_compare_exchange_strong(&recorder->busy_since_us, &never, now_us);
    int64_t busy_us = now_us - atomic_load(&recorder->busy_since_us);
    int64_t patience_us = recorder->options.busy_patience_us;
    const struct err said = *err;
    if (busy_us >= RECORDER_BUSY_SAY_US && !atomic_exchange(&recorder->is_held_up, true))
        log_warn(recorder->options.log, "recorder",
                 "another program has had the recording locked for %lld s, and what is recorded "
                 "waits: %s (fuser -v FILE names the program)",
                 (long long)(busy_us / 1000000), said.text);
    if (patience_us == 0 || busy_us < patience_us)
        return STORE_BUSY;
    *err = (struct err){0};
    err_set(err, "%s, by another program and for long (fuser -v FILE names it)", said.text);
    return STORE_FULL;
}

static void note_free(struct recorder *recorder)
{
    atomic_store(&recorder->busy_since_us, 0);
    if (atomic_exchange(&recorder->is_held_up, false))
        log_info(recorder->options.log, "recorder", "the recording is not locked any more");
}

// Tries until the batch is in the file, or the disk or whoever has the file locked has to be taken
// for one that refuses. At the end of the process there is a limit to the patience.
static enum outcome write_patiently(struct recorder *recorder, const struct record_list *batch,
                                    struct err *refusal)
{
    for (;;) {
        struct err err = {0};
        recorder_note_round(recorder);
        enum store_result result = write_transaction(recorder, batch, &err);
        if (result == STORE_BUSY)
            result = judge_busy(recorder, &err);
        else
            note_free(recorder);
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
        if (recorder_is_stopping(recorder) &&
            (result != STORE_BUSY || clock_monotonic_us() >= recorder_give_up_us(recorder))) {
            log_error(recorder->options.log, "recorder", "giving up on %zu records: %s",
                      batch->count, err.text);
            return GIVEN_UP;
        }
        if (result != STORE_BUSY)
            recorder_shed_queue(recorder);
        if (result == STORE_BUSY)
            recorder_pause_us(RECORDER_BUSY_PAUSE_US);
        else
            recorder_pause_for_jobs(recorder, RECORDER_RETRY_US);
    }
}

static void account_for(struct recorder *recorder, struct record_list *batch, int64_t began_us)
{
    set_working(recorder);
    recorder->unsaved_lost_exchanges = 0;
    recorder->unsaved_lost_bytes = 0;
    recorder_note_written(recorder, batch);
    int64_t records = (int64_t)batch->count;
    recorder_release(recorder, batch);
    int64_t took_us = clock_monotonic_us() - began_us;
    atomic_fetch_add(&recorder->commits, 1);
    atomic_store(&recorder->commit_last_us, took_us);
    commit_times_add(&recorder->commit_times, took_us, records);
    recorder_checkpoint_if_due(recorder);
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
            recorder_lose(recorder, &single);
            refused++;
        }
    }
    log_error(recorder->options.log, "recorder", "%zu records are lost: %s", refused, refusal.text);
}

void recorder_write_batch(struct recorder *recorder, struct record_list *batch)
{
    int64_t began_us = clock_monotonic_us();
    struct err refusal = {0};
    recorder_mark_damaged_rows(recorder, batch);
    switch (write_patiently(recorder, batch, &refusal)) {
    case WRITTEN:
        account_for(recorder, batch, began_us);
        break;
    case GIVEN_UP:
        recorder_lose(recorder, batch);
        break;
    case POISONED:
        write_one_by_one(recorder, batch);
        break;
    }
}
