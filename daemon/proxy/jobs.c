// SPDX-License-Identifier: MIT
#include "jobs.h"

#include <assert.h>

void jobs_init(struct jobs *jobs)
{
    *jobs = (struct jobs){0};
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->ended, NULL);
}

void jobs_fini(struct jobs *jobs)
{
    assert(jobs->first == NULL);
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->waiting > 0)
        pthread_cond_wait(&jobs->ended, &jobs->mutex);
    pthread_mutex_unlock(&jobs->mutex);
    pthread_cond_destroy(&jobs->ended);
    pthread_mutex_destroy(&jobs->mutex);
}

int jobs_add(struct jobs *jobs, struct job *job, struct err *err)
{
    pthread_mutex_lock(&jobs->mutex);
    bool is_closed = jobs->is_closed;
    if (!is_closed) {
        struct job **link = &jobs->first;
        while (*link != NULL)
            link = &(*link)->next;
        job->next = NULL;
        *link = job;
        jobs->waiting++;
    }
    pthread_mutex_unlock(&jobs->mutex);
    return is_closed ? err_set(err, "the recording is not written to any more") : 0;
}

int jobs_wait(struct jobs *jobs, struct job *job, struct err *err)
{
    pthread_mutex_lock(&jobs->mutex);
    while (!job->is_ended)
        pthread_cond_wait(&jobs->ended, &jobs->mutex);
    jobs->waiting--;
    pthread_cond_broadcast(&jobs->ended);
    pthread_mutex_unlock(&jobs->mutex);
    return job->problem.is_set ? err_set(err, "%s", job->problem.text) : 0;
}

bool jobs_has_work(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool result = jobs->first != NULL;
    pthread_mutex_unlock(&jobs->mutex);
    return result;
}

// The job is its owner's again, who may be gone with it as soon as the lock is free.
static void end_first(struct jobs *jobs)
{
    struct job *job = jobs->first;
    jobs->first = job->next;
    job->is_ended = true;
    pthread_cond_broadcast(&jobs->ended);
}

enum store_step jobs_step(struct jobs *jobs, struct store_writer *writer)
{
    pthread_mutex_lock(&jobs->mutex);
    struct job *job = jobs->first;
    pthread_mutex_unlock(&jobs->mutex);
    if (job == NULL)
        return STEP_DONE;
    struct err problem = {0};
    enum store_step step = job->step(job->ctx, writer, &problem);
    if (step == STEP_MORE || step == STEP_BUSY)
        return step;
    pthread_mutex_lock(&jobs->mutex);
    if (step == STEP_FAILED)
        job->problem = problem;
    end_first(jobs);
    pthread_mutex_unlock(&jobs->mutex);
    return step;
}

void jobs_close(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_closed = true;
    while (jobs->first != NULL) {
        err_set(&jobs->first->problem, "hark is ending; what was done so far stays");
        end_first(jobs);
    }
    pthread_mutex_unlock(&jobs->mutex);
}
