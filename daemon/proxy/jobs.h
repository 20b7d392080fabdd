// SPDX-License-Identifier: MIT
// Jobs that wait for the writer thread: first come, first served, one slice at a time.
#ifndef HARK_PROXY_JOBS_H
#define HARK_PROXY_JOBS_H

#include "hark/store_job.h"

#include <pthread.h>
#include <stdbool.h>

// Owner: who waits for it.
struct job {
    struct job *next;
    store_step_fn step;
    void *ctx;
    bool is_ended;
    struct err problem; // set if it failed
};

// Owner: the recorder. Thread: any, but for jobs_step().
struct jobs {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    struct job *first; // the one that is being worked on
    int waiting;       // threads between jobs_add() and the end of jobs_wait()
    bool is_closed;
};

void jobs_init(struct jobs *jobs);
// Of closed ones. Waits until those who waited have left.
void jobs_fini(struct jobs *jobs);

// Puts it behind the others; -1 once there is no thread for it any more.
// Whoever has added one must wait for it.
int jobs_add(struct jobs *jobs, struct job *job, struct err *err);
int jobs_wait(struct jobs *jobs, struct job *job, struct err *err);
bool jobs_has_work(struct jobs *jobs);
// One slice of the first job. Thread: the writer.
enum store_step jobs_step(struct jobs *jobs, struct store_writer *writer);
// What has not ended fails, and so does what is added from now on.
void jobs_close(struct jobs *jobs);

#endif
