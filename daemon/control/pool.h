// SPDX-License-Identifier: MIT
// The threads that read the recording for whoever asks. They are started when they are needed,
// each opens the recording for itself, and they come after the proxy's for the processor.
#ifndef HARK_CONTROL_POOL_H
#define HARK_CONTROL_POOL_H

#include "hark/store_reader.h"

#include <stdbool.h>

// Thread: any.
struct pool;

// What is quick never waits behind what is long: a lane of its own.
enum pool_lane {
    POOL_QUICK,
    POOL_LONG // may go on for as long as a client takes to read it
};
#define POOL_LANES 2

// Owner: the pool, from pool_submit() until it calls `release`.
struct pool_job {
    // Does the work, on a thread of the pool. `reader` is NULL if the recording cannot be opened;
    // `err` then says why.
    void (*run)(struct pool_job *job, struct store_reader *reader, const struct err *err);
    // The pool ends: what runs or is still to run is not wanted any more. Called under a lock.
    void (*cancel)(struct pool_job *job);
    void (*release)(struct pool_job *job); // once, after `run`
    enum pool_lane lane;
    struct pool_job *next; // the pool's
};

struct pool *pool_create(const char *db_path);
// Cancels what there is and waits for it to end; from then on no job is taken. Takes NULL.
void pool_stop(struct pool *pool);
void pool_destroy(struct pool *pool); // of a stopped one; takes NULL

// False if too many wait already: then the job stays the caller's.
bool pool_submit(struct pool *pool, struct pool_job *job);

#endif
