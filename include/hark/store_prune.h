// SPDX-License-Identifier: MIT
// Deleting exchanges, and giving the space back to the system.
//
// A reader finds what is to go, on its own thread and however long that takes; a runner takes it to
// the writer, where it goes in slices. Marked exchanges stay, and so do those that go on.
#ifndef HARK_STORE_PRUNE_H
#define HARK_STORE_PRUNE_H

#include "hark/store_job.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stdint.h>

#define STORE_PRUNE_NO_LIMIT ((int64_t)-1)

// Each limit is kept for itself; without any, all go that match the filter.
struct store_prune_options {
    const struct filter *filter; // only these; NULL: any
    int64_t keep_from_us;        // none that started before (Unix microseconds)
    int64_t keep_count;          // of those that match no more than so many, the newest
    int64_t keep_bytes;          // the oldest go until the recording is no larger
    bool is_dry_run;             // count only
    bool is_compact;             // give back all that is free; without filter and limits none goes
};

struct store_prune_result {
    int64_t exchanges; // that went, or would go
    int64_t bytes;     // freed; in a dry run an estimate
    int64_t marked;    // that stayed for their mark
    int64_t size;      // of the recording afterwards, without what is free in it
};

// -1 on error; the result says what was done until then. A reader that is watched fails it.
int store_prune(struct store_reader *reader, const struct store_prune_options *options,
                const struct store_runner *runner, struct store_prune_result *result,
                struct err *err);

// Writes the whole file anew, without gaps. Needs about twice its size of free space in its folder
// and in that of SQLite's temporary files; says so if there is less.
int store_compact(struct store_writer *writer, struct err *err);

// --- the steps -----------------------------------------------------------------------------------

// Removes exchanges with all that belongs to them. Zero-initialised but for the first four.
struct store_removal {
    const int64_t *ids;
    size_t count;
    int64_t keep_bytes; // stop when the recording is no larger; STORE_PRUNE_NO_LIMIT
    bool takes_pending; // those that go on, and marked ones, go as well
    size_t next;        // index of the one to go on with
    int64_t exchanges;  // removed so far
    int64_t bytes;      // freed so far
    bool is_enough;     // it stopped for `keep_bytes`
    bool has_moved_wal; // for the sake of the next step, since the disk is full
};
enum store_step store_remove_step(void *removal, struct store_writer *writer, struct err *err);

// Gives free pages at the end of the file, made so by moving others, back to the system.
struct store_vacuum {
    int slices_left;         // how many may still be done
    int64_t keep_free_bytes; // so much may stay free in the file
    int64_t free_bytes;      // what is left in the file
    bool has_moved_wal;      // as above
};
enum store_step store_vacuum_step(void *vacuum, struct store_writer *writer, struct err *err);

#endif
