// SPDX-License-Identifier: MIT
// What the writer thread does between two batches: jobs, sweeps, checkpoints.
#include "recorder_private.h"

#include "hark/clock.h"

#define RETENTION_TURN_US ((int64_t)200000)

bool recorder_is_job_due(struct recorder *recorder)
{
    return withdrawals_is_due(&recorder->withdrawals) ||
           (!recorder->is_job_held_up && jobs_has_work(&recorder->jobs));
}

void recorder_note_wal(struct recorder *recorder, int64_t wal_bytes)
{
    atomic_store(&recorder->wal_bytes, wal_bytes);
    retention_note_wal(&recorder->retention, wal_bytes);
}

void recorder_checkpoint(struct recorder *recorder)
{
    struct err err = {0};
    int64_t wal_bytes = 0;
    enum store_result result = store_writer_checkpoint(recorder->options.writer, &wal_bytes, &err);
    if (result == STORE_OK)
        recorder_note_wal(recorder, wal_bytes);
    else if (result != STORE_BUSY && !recorder_is_failing(recorder))
        log_warn(recorder->options.log, "recorder", "%s", err.text);
}

void recorder_checkpoint_if_due(struct recorder *recorder)
{
    if (store_writer_checkpoint_is_due(recorder->options.writer))
        recorder_checkpoint(recorder);
}

void recorder_work_on_jobs(struct recorder *recorder)
{
    recorder_note_round(recorder);
    if (withdrawals_step(&recorder->withdrawals, recorder->options.writer, recorder->options.log))
        recorder_checkpoint_if_due(recorder);
    if (!jobs_has_work(&recorder->jobs))
        return;
    enum store_step step = jobs_step(&recorder->jobs, recorder->options.writer);
    recorder->is_job_held_up = step == STEP_BUSY;
    if (step == STEP_DONE)
        retention_look_again(&recorder->retention);
    recorder_checkpoint_if_due(recorder);
}

// A limit that was lowered may leave a surplus that takes hours to delete: records come in between.
void recorder_work_on_retention(struct recorder *recorder)
{
    int64_t until_us = clock_monotonic_us() + RETENTION_TURN_US;
    while (retention_is_due(&recorder->retention)) {
        recorder_note_round(recorder);
        retention_work(&recorder->retention);
        recorder_checkpoint_if_due(recorder);
        if (recorder_is_stopping(recorder) || !retention_is_urgent(&recorder->retention) ||
            clock_monotonic_us() >= until_us)
            return;
    }
}

void recorder_set_limits(struct recorder *recorder, int64_t keep_age_ms, int64_t keep_bytes)
{
    retention_set_limits(&recorder->retention, keep_age_ms, keep_bytes);
}

struct open_share *recorder_open_share(struct recorder *recorder)
{
    return &recorder->retention.open_share;
}

void recorder_pause_for_jobs(struct recorder *recorder, int64_t us)
{
    int64_t until_us = clock_monotonic_us() + us;
    recorder->is_job_held_up = false;
    while (recorder_is_job_due(recorder) && clock_monotonic_us() < until_us)
        recorder_work_on_jobs(recorder);
    recorder_work_on_retention(recorder);
    int64_t left_us = until_us - clock_monotonic_us();
    if (left_us > 0)
        recorder_pause_us(left_us);
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
