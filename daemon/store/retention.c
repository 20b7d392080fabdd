// SPDX-License-Identifier: MIT
// A sweep over the recording: some ids are found, then removed in slices, then the next ones.
//
// Imported exchanges bear the times of their file; they are as old as their import. By size the
// lowest ids go first: they are what came first, whatever the clock said.
#include "hark/store_retention.h"

#include "writer.h"

// The file keeps an eighth of itself for what comes next: what is given back has to be taken again.
#define KEPT_FREE_SHARE 8
#define KEPT_FREE_LEAST ((int64_t)4 * 1024 * 1024)

// --- finding -------------------------------------------------------------------------------------

static enum store_result find(struct store_retention *sweep, struct store_writer *writer,
                              enum writer_statement which, struct err *err)
{
    sqlite3_stmt *statement = writer->statements[which];
    size_t count = 0;
    size_t seen = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        seen++;
        sweep->after_id = sqlite3_column_int64(statement, 0);
        if (which == STATEMENT_FIND_OLDER) {
            sweep->after_us = sqlite3_column_int64(statement, 1);
            if (sqlite3_column_int(statement, 2) != 0)
                continue;
        }
        sweep->ids[count++] = sweep->after_id;
    }
    enum store_result result =
        code == SQLITE_DONE ? STORE_OK : writer_fail(writer, code, "look at", err);
    sqlite3_reset(statement);
    sweep->is_phase_over = seen < STORE_RETENTION_IDS;
    sweep->removal = (struct store_removal){
        .ids = sweep->ids, .count = count, .keep_bytes = STORE_PRUNE_NO_LIMIT};
    return result;
}

static enum store_result find_older(struct store_retention *sweep, struct store_writer *writer,
                                    struct err *err)
{
    sqlite3_stmt *statement = writer->statements[STATEMENT_FIND_OLDER];
    sqlite3_bind_int64(statement, 1, sweep->keep_from_us);
    sqlite3_bind_int64(statement, 2, sweep->after_us);
    sqlite3_bind_int64(statement, 3, sweep->after_id);
    sqlite3_bind_int64(statement, 4, STORE_RETENTION_IDS);
    return find(sweep, writer, STATEMENT_FIND_OLDER, err);
}

static enum store_result find_first(struct store_retention *sweep, struct store_writer *writer,
                                    struct err *err)
{
    sqlite3_stmt *statement = writer->statements[STATEMENT_FIND_FIRST];
    sqlite3_bind_int64(statement, 1, sweep->after_id);
    sqlite3_bind_int64(statement, 2, STORE_RETENTION_IDS);
    enum store_result result = find(sweep, writer, STATEMENT_FIND_FIRST, err);
    sweep->removal.keep_bytes = sweep->used_bytes;
    return result;
}

// --- the phases ----------------------------------------------------------------------------------

static void next_phase(struct store_retention *sweep)
{
    sweep->phase++;
    sweep->after_id = 0;
    sweep->is_phase_over = false;
    sweep->removal.count = 0;
    sweep->removal.next = 0;
}

static enum store_step remove_found(struct store_retention *sweep, struct store_writer *writer,
                                    struct err *err)
{
    const struct store_removal before = sweep->removal;
    enum store_step step = store_remove_step(&sweep->removal, writer, err);
    if (step == STEP_BUSY || step == STEP_FAILED)
        return step;
    sweep->exchanges += sweep->removal.exchanges - before.exchanges;
    sweep->bytes += sweep->removal.bytes - before.bytes;
    if (sweep->removal.is_enough)
        next_phase(sweep);
    return STEP_MORE;
}

// Whoever is at the end of a phase of removing has found nothing more.
static enum store_step remove_some(struct store_retention *sweep, struct store_writer *writer,
                                   struct err *err)
{
    if (sweep->removal.next < sweep->removal.count)
        return remove_found(sweep, writer, err);
    if (sweep->is_phase_over) {
        sweep->is_short = sweep->phase == RETENTION_SIZE;
        next_phase(sweep);
        return STEP_MORE;
    }
    enum store_result result = sweep->phase == RETENTION_AGE ? find_older(sweep, writer, err)
                                                             : find_first(sweep, writer, err);
    return result == STORE_OK ? STEP_MORE : store_step_after(result);
}

static int64_t most_free_bytes(const struct store_retention *sweep, const struct store_sizes *sizes)
{
    int64_t most = sizes->used_bytes / KEPT_FREE_SHARE;
    if (most < KEPT_FREE_LEAST)
        most = KEPT_FREE_LEAST;
    if (sweep->file_bytes != STORE_PRUNE_NO_LIMIT && most > sweep->file_bytes - sizes->used_bytes)
        most = sweep->file_bytes - sizes->used_bytes;
    return most < 0 ? 0 : most;
}

static enum store_step shrink(struct store_retention *sweep, struct store_writer *writer,
                              struct err *err)
{
    struct store_sizes sizes;
    enum store_result result = store_writer_get_sizes(writer, &sizes, err);
    if (result != STORE_OK)
        return store_step_after(result);
    int64_t most = most_free_bytes(sweep, &sizes);
    if (sizes.free_bytes <= most)
        return STEP_DONE;
    struct store_vacuum vacuum = {.slices_left = 1, .keep_free_bytes = most};
    enum store_step step = store_vacuum_step(&vacuum, writer, err);
    bool has_shrunk = vacuum.free_bytes < sizes.free_bytes;
    return step == STEP_DONE && has_shrunk ? STEP_MORE : step;
}

enum store_step store_retention_step(void *ctx, struct store_writer *writer, struct err *err)
{
    struct store_retention *sweep = ctx;
    if (sweep->phase == RETENTION_AGE && sweep->keep_from_us == STORE_PRUNE_NO_LIMIT)
        next_phase(sweep);
    if (sweep->phase == RETENTION_SIZE && sweep->used_bytes == STORE_PRUNE_NO_LIMIT)
        next_phase(sweep);
    return sweep->phase == RETENTION_SPACE ? shrink(sweep, writer, err)
                                           : remove_some(sweep, writer, err);
}
