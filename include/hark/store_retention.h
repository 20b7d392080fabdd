// SPDX-License-Identifier: MIT
// Keeping the recording within limits: the oldest go, then the file shrinks, a slice at a time and
// all of it on the writer's thread. What is marked stays, and so does what still goes on.
#ifndef HARK_STORE_RETENTION_H
#define HARK_STORE_RETENTION_H

#include "hark/store_prune.h"

#define STORE_RETENTION_IDS 128

enum store_retention_phase {
    RETENTION_AGE,   // what is too old goes
    RETENTION_SIZE,  // the first of what is left go
    RETENTION_SPACE, // the file shrinks
};

// A sweep. Zero-initialised but for the first three. Owner: who runs the steps.
struct store_retention {
    int64_t keep_from_us; // what began before goes (Unix microseconds); STORE_PRUNE_NO_LIMIT
    int64_t used_bytes;   // what the pages in use are to take; STORE_PRUNE_NO_LIMIT
    int64_t file_bytes;   // what the main file is to occupy; STORE_PRUNE_NO_LIMIT
    enum store_retention_phase phase;
    int64_t after_us; // how far the phase has come
    int64_t after_id;
    bool is_phase_over; // nothing is left to find
    int64_t ids[STORE_RETENTION_IDS];
    struct store_removal removal; // of these ids
    int64_t exchanges;            // removed
    int64_t bytes;                // freed
    bool is_short;                // all that may go has gone, and more than `used_bytes` is left
};

// STEP_DONE when the limits are kept, or nothing is left that may go.
enum store_step store_retention_step(void *retention, struct store_writer *writer, struct err *err);

#endif
