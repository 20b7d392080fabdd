// SPDX-License-Identifier: MIT
// Removing exchanges on the writer's thread, a few milliseconds at a time.
//
// A large body takes several slices. It goes from its end and its row is marked as cut before the
// first commit, so that at any moment what is in the file is true. The ids of what is removed are
// not given out again: the session remembers the highest.
#include "hark/clock.h"
#include "hark/store_prune.h"
#include "writer.h"

#include <assert.h>

#define SLICE_US     ((int64_t)8000)
#define SLICE_PAGES  512 // that a vacuum may move: 4 MiB
#define VACUUM_PAGES 64
#define PIECE_ROWS   16 // of bodies, up to 256 KiB each, between two looks at the clock
#define SLICE_PIECES 8

// --- one exchange --------------------------------------------------------------------------------

// What belongs to an exchange; most have neither notes nor messages, and few pieces of a body.
struct belongings {
    bool is_removable; // it is there, has ended and is not marked
    bool has_notes;
    bool has_messages;
    bool has_many_pieces;
};

static enum store_result look_at(const struct store_removal *removal, struct store_writer *writer,
                                 struct belongings *belongings, struct err *err)
{
    sqlite3_stmt *statement = writer->statements[STATEMENT_IS_REMOVABLE];
    sqlite3_bind_int64(statement, 1, removal->ids[removal->next]);
    sqlite3_bind_int64(statement, 2, PIECE_ROWS);
    sqlite3_bind_int(statement, 3, removal->takes_pending);
    int code = sqlite3_step(statement);
    enum store_result result = STORE_OK;
    *belongings = (struct belongings){.is_removable = code == SQLITE_ROW};
    if (code == SQLITE_ROW) {
        belongings->has_notes = sqlite3_column_int(statement, 0) != 0;
        belongings->has_messages = sqlite3_column_int(statement, 1) != 0;
        belongings->has_many_pieces = sqlite3_column_int(statement, 2) != 0;
    } else if (code != SQLITE_DONE) {
        result = writer_fail(writer, code, "look at", err);
    }
    sqlite3_reset(statement);
    return result;
}

static enum store_result remove_where(struct store_writer *writer, enum writer_statement which,
                                      int64_t id, struct err *err)
{
    sqlite3_bind_int64(writer->statements[which], 1, id);
    return writer_run(writer, which, "delete from", err);
}

// Removes rows from the end until there are none left or the time is over.
static enum store_result remove_pieces(struct store_writer *writer, enum writer_statement which,
                                       int64_t id, int64_t until_us, bool *is_gone, struct err *err)
{
    sqlite3_bind_int64(writer->statements[which], 2, PIECE_ROWS);
    enum store_result result;
    int pieces = 0;
    do {
        result = remove_where(writer, which, id, err);
        *is_gone = result == STORE_OK && sqlite3_changes(writer->db) < PIECE_ROWS;
    } while (result == STORE_OK && !*is_gone && ++pieces < SLICE_PIECES &&
             clock_monotonic_us() < until_us);
    return result;
}

static enum store_result remove_bodies(struct store_writer *writer, int64_t id,
                                       const struct belongings *belongings, int64_t until_us,
                                       bool *is_gone, struct err *err)
{
    *is_gone = true;
    if (!belongings->has_many_pieces)
        return remove_where(writer, STATEMENT_REMOVE_FEW_BODIES, id, err);
    return remove_pieces(writer, STATEMENT_REMOVE_BODIES, id, until_us, is_gone, err);
}

static enum store_result remove_exchange(struct store_writer *writer, int64_t id,
                                         const struct belongings *belongings, int64_t until_us,
                                         bool *is_gone, struct err *err)
{
    enum store_result result = remove_bodies(writer, id, belongings, until_us, is_gone, err);
    if (result == STORE_OK && *is_gone && belongings->has_messages)
        result = remove_pieces(writer, STATEMENT_REMOVE_MESSAGES, id, until_us, is_gone, err);
    if (result == STORE_OK && !*is_gone)
        return remove_where(writer, STATEMENT_CUT_ROW, id, err);
    if (result == STORE_OK && belongings->has_notes)
        result = remove_where(writer, STATEMENT_REMOVE_NOTES, id, err);
    if (result == STORE_OK)
        result = remove_where(writer, STATEMENT_REMOVE_ROW, id, err);
    return result;
}

// --- a slice -------------------------------------------------------------------------------------

// One exchange or a part of it.
static enum store_result remove_next(struct store_removal *removal, struct store_writer *writer,
                                     int64_t until_us, struct err *err)
{
    int64_t id = removal->ids[removal->next];
    struct belongings belongings;
    bool is_gone = true;
    enum store_result result = look_at(removal, writer, &belongings, err);
    if (result == STORE_OK && belongings.is_removable)
        result = remove_exchange(writer, id, &belongings, until_us, &is_gone, err);
    if (result != STORE_OK || !is_gone)
        return result;
    removal->next++;
    removal->exchanges += belongings.is_removable;
    return STORE_OK;
}

static enum store_result look_whether_enough(struct store_removal *removal,
                                             struct store_writer *writer, struct err *err)
{
    struct store_sizes sizes;
    if (removal->keep_bytes == STORE_PRUNE_NO_LIMIT)
        return STORE_OK;
    enum store_result result = store_writer_get_sizes(writer, &sizes, err);
    removal->is_enough = result == STORE_OK && sizes.used_bytes <= removal->keep_bytes;
    return result;
}

static enum store_result keep_ids(struct store_writer *writer, int64_t last_id, struct err *err)
{
    sqlite3_stmt *statement = writer->statements[STATEMENT_KEEP_IDS];
    sqlite3_bind_int64(statement, 1, last_id + 1);
    sqlite3_bind_int64(statement, 2, writer->session_id);
    return writer_run(writer, STATEMENT_KEEP_IDS, "write to", err);
}

static enum store_result remove_slice(struct store_removal *removal, struct store_writer *writer,
                                      struct err *err)
{
    struct store_sizes before = {0};
    struct store_sizes after = {0};
    int64_t until_us = clock_monotonic_us() + SLICE_US;
    int64_t last_id = 0;
    enum store_result result = store_writer_get_sizes(writer, &before, err);
    if (result == STORE_OK)
        result = look_whether_enough(removal, writer, err);
    while (result == STORE_OK && !removal->is_enough && removal->next < removal->count) {
        size_t index = removal->next;
        last_id = removal->ids[index];
        result = remove_next(removal, writer, until_us, err);
        if (result == STORE_OK)
            result = look_whether_enough(removal, writer, err);
        if (removal->next == index || clock_monotonic_us() >= until_us)
            break;
    }
    if (result == STORE_OK)
        result = keep_ids(writer, last_id, err);
    if (result == STORE_OK)
        result = store_writer_get_sizes(writer, &after, err);
    if (result == STORE_OK)
        result = store_writer_commit(writer, err);
    if (result == STORE_OK)
        removal->bytes += before.used_bytes - after.used_bytes;
    return result;
}

// Each step adds to the WAL, which on a full disk has only the room that it had. Moved into the
// file it begins anew. What does not fit then either has failed.
static enum store_step step_after(enum store_result result, struct store_writer *writer,
                                  bool *has_moved_wal, struct err *err)
{
    int64_t wal_bytes;
    struct err ignored = {0};
    bool is_worth_it = result == STORE_FULL && !*has_moved_wal;
    if (!is_worth_it || store_writer_checkpoint(writer, &wal_bytes, &ignored) != STORE_OK)
        return store_step_after(result);
    *has_moved_wal = true;
    *err = (struct err){0};
    return STEP_MORE;
}

enum store_step store_remove_step(void *ctx, struct store_writer *writer, struct err *err)
{
    struct store_removal *removal = ctx;
    const struct store_removal before = *removal;
    enum store_result result = store_writer_begin(writer, err);
    if (result == STORE_OK)
        result = remove_slice(removal, writer, err);
    if (result != STORE_OK) {
        *removal = before; // it was rolled back
        return step_after(result, writer, &removal->has_moved_wal, err);
    }
    removal->has_moved_wal = false;
    bool is_done = removal->is_enough || removal->next == removal->count;
    return is_done ? STEP_DONE : STEP_MORE;
}

// --- giving back ---------------------------------------------------------------------------------

static enum store_result vacuum_slice(struct store_vacuum *vacuum, struct store_writer *writer,
                                      struct err *err)
{
    int64_t until_us = clock_monotonic_us() + SLICE_US;
    char sql[64];
    sqlite3_snprintf(sizeof(sql), sql, "PRAGMA incremental_vacuum(%d)", VACUUM_PAGES);
    struct store_sizes sizes;
    enum store_result result = store_writer_get_sizes(writer, &sizes, err);
    for (int moved = 0; result == STORE_OK && sizes.free_bytes > vacuum->keep_free_bytes &&
                        moved < SLICE_PAGES && clock_monotonic_us() < until_us;
         moved += VACUUM_PAGES) {
        int code = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return writer_fail(writer, code, "give back space of", err);
        result = store_writer_get_sizes(writer, &sizes, err);
    }
    vacuum->free_bytes = sizes.free_bytes;
    return result == STORE_OK ? store_writer_commit(writer, err) : result;
}

// The file itself shrinks when the WAL is moved into it.
static enum store_step end_vacuum(struct store_writer *writer, struct err *err)
{
    int64_t wal_bytes;
    enum store_result result = store_writer_checkpoint(writer, &wal_bytes, err);
    return result == STORE_OK || result == STORE_BUSY ? STEP_DONE : STEP_FAILED;
}

enum store_step store_vacuum_step(void *ctx, struct store_writer *writer, struct err *err)
{
    struct store_vacuum *vacuum = ctx;
    enum store_result result = store_writer_begin(writer, err);
    if (result == STORE_OK)
        result = vacuum_slice(vacuum, writer, err);
    if (result != STORE_OK)
        return step_after(result, writer, &vacuum->has_moved_wal, err);
    vacuum->has_moved_wal = false;
    if (vacuum->free_bytes <= vacuum->keep_free_bytes)
        return end_vacuum(writer, err);
    return --vacuum->slices_left > 0 ? STEP_MORE : STEP_DONE;
}
