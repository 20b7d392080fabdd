// SPDX-License-Identifier: MIT
#include "hark/store_job.h"

#include "hark/clock.h"

#include <time.h>

#define BUSY_PATIENCE_US ((int64_t)10000000)

enum store_step store_step_after(enum store_result result)
{
    return result == STORE_BUSY ? STEP_BUSY : STEP_FAILED;
}

// Nobody else moves the WAL into the file, and each step adds to it. In vain is no failure: a
// reader may stand in the way.
static void checkpoint_if_due(struct store_writer *writer)
{
    struct err ignored = {0};
    int64_t wal_bytes;
    if (store_writer_checkpoint_is_due(writer))
        store_writer_checkpoint(writer, &wal_bytes, &ignored);
}

int store_run_here(void *ctx, store_step_fn step, void *step_ctx, struct err *err)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t busy_since_us = 0;
    for (;;) {
        struct err problem = {0};
        int64_t now_us = clock_monotonic_us();
        switch (step(step_ctx, ctx, &problem)) {
        case STEP_DONE:
            checkpoint_if_due(ctx);
            return 0;
        case STEP_MORE:
            checkpoint_if_due(ctx);
            busy_since_us = 0;
            break;
        case STEP_BUSY:
            if (busy_since_us == 0)
                busy_since_us = now_us;
            if (now_us - busy_since_us > BUSY_PATIENCE_US)
                return err_set(err, "%s", problem.text);
            nanosleep(&pause, NULL);
            break;
        case STEP_FAILED:
            return err_set(err, "%s", problem.text);
        }
    }
}
