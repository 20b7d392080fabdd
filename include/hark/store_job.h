// SPDX-License-Identifier: MIT
// Work on the recording beside the traffic, done in slices by the thread that has the writer.
#ifndef HARK_STORE_JOB_H
#define HARK_STORE_JOB_H

#include "hark/err.h"
#include "hark/store_writer.h"

enum store_step {
    STEP_MORE, // call it again
    STEP_DONE,
    STEP_BUSY,   // another program holds the file; nothing was changed, call it again
    STEP_FAILED, // err says why
};

// One slice: begins and ends a transaction of its own, and takes some ten milliseconds and writes
// some MiB at most.
typedef enum store_step (*store_step_fn)(void *ctx, struct store_writer *writer, struct err *err);

// The way to that thread: `run` calls the step until it is done, and waits for that. -1 on error.
struct store_runner {
    int (*run)(void *ctx, store_step_fn step, void *step_ctx, struct err *err);
    void *ctx;
};

// The `run` of who has the writer itself: ctx is the struct store_writer. Waits some seconds for a
// busy file.
int store_run_here(void *ctx, store_step_fn step, void *step_ctx, struct err *err);
// What a step returns after a result of the writer other than STORE_OK.
enum store_step store_step_after(enum store_result result);

#endif
