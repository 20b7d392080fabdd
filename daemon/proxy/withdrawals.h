// SPDX-License-Identifier: MIT
// Exchanges that turned out not to be wanted (`ignore`) after a part of them was written: they are
// taken out of the recording again, a slice at a time, between the batches.
//
// Owner: the recorder. Thread: the writer.
#ifndef HARK_PROXY_WITHDRAWALS_H
#define HARK_PROXY_WITHDRAWALS_H

#include "hark/log.h"
#include "hark/store_job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zero-initialised is empty.
struct withdrawals {
    int64_t *ids;
    size_t count;
    size_t capacity;
    bool is_held_up; // the last slice did not succeed
};

// All records of that exchange are written, or lost.
void withdrawals_add(struct withdrawals *withdrawals, int64_t id);
// Is there something to be done, and no reason to wait for a better time?
bool withdrawals_is_due(const struct withdrawals *withdrawals);
// One slice, if there is something. What fails, or finds the file busy, is tried again next time.
// Returns whether something was written.
bool withdrawals_step(struct withdrawals *withdrawals, struct store_writer *writer,
                      struct log *log);
void withdrawals_fini(struct withdrawals *withdrawals);

#endif
