// SPDX-License-Identifier: MIT
// The inside of a store_writer, shared by opening and writing.
#ifndef HARK_STORE_WRITER_PRIVATE_H
#define HARK_STORE_WRITER_PRIVATE_H

#include "hark/buffer.h"
#include "hark/store_writer.h"

#include <sqlite3.h>

// How long an operation waits for another connection before it says STORE_BUSY.
#define WRITER_BUSY_MS 100

// What the -wal file shrinks to when it begins anew, unless store_writer_limit_wal() says less.
#define WRITER_WAL_LIMIT_BYTES ((int64_t)64 * 1024 * 1024)

// Checkpoints are due when so much of that has been written since the last one.
#define WRITER_CHECKPOINT_SHARE 4

// How often a larger one is worth waiting for its readers.
#define WRITER_RESTART_INTERVAL_US 1000000

enum writer_statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_INSERT_ROW,
    STATEMENT_UPDATE_ROW,
    STATEMENT_INSERT_BODY,
    STATEMENT_INSERT_MESSAGE,
    STATEMENT_ADD_LOSS,
    STATEMENT_PUT_SESSION,
    STATEMENT_IS_REMOVABLE,
    STATEMENT_REMOVE_FEW_BODIES,
    STATEMENT_REMOVE_BODIES,
    STATEMENT_REMOVE_MESSAGES,
    STATEMENT_REMOVE_NOTES,
    STATEMENT_REMOVE_ROW,
    STATEMENT_CUT_ROW,
    STATEMENT_KEEP_IDS,
    STATEMENT_COUNT_PAGES,
    STATEMENT_COUNT_FREE_PAGES,
    STATEMENT_FIND_OLDER,
    STATEMENT_FIND_FIRST,
    STATEMENT_HAS_ROW,
    STATEMENT_REMOVE_NOTES_OF_KIND,
    STATEMENT_INSERT_NOTE,
    STATEMENT_COUNT
};

// What the row of the writer's own session is made of. Texts live in `texts`.
struct store_writer_session {
    int64_t started_us; // Unix microseconds
    const char *version;
    const char *command;
    const char *settings;
    int interrupted; // exchanges that an earlier session left pending
};

// Owner: who opened it. Thread: see store_writer.h.
struct store_writer {
    char *path; // resolved, so that one file has one lock
    char *wal_path;
    int lock_fd;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct log *log;
    struct store_writer_session session;
    struct arena texts;
    bool sync_every_commit;
    bool has_session; // its row is in the file
    int64_t session_id;
    int64_t next_id; // first unused exchange id
    int64_t page_bytes;
    int64_t wal_limit_bytes;
    int64_t wal_written_bytes; // since the last checkpoint
    int64_t wal_unmoved_bytes; // in the WAL, and not in the file yet
    int wal_frames;            // in the WAL after the last commit
    int64_t restart_tried_us;  // monotonic; see store_writer_checkpoint()
    // What was made for a row that is being bound, until its statement has run.
    struct buffer json[4];
    struct arena latin1;
};

// Prepares all statements; fails on a file whose tables are not what they should be.
int writer_prepare(struct store_writer *writer, struct err *err);
void writer_finalize(struct store_writer *writer);

// --- open.c --------------------------------------------------------------------------------------

// Has somebody moved the file away, removed or replaced it?
bool writer_has_moved(struct store_writer *writer);
// Goes on with a new file in its place, if there is none; otherwise nothing is changed.
int writer_begin_anew(struct store_writer *writer, struct err *err);

// --- session.c -----------------------------------------------------------------------------------

// Finds the ids that come next.
int writer_plan_session(struct store_writer *writer, const struct store_writer_options *options,
                        struct err *err);
// Writes the row, inside a transaction, and ends what the last session left unfinished.
enum store_result writer_put_own_session(struct store_writer *writer, struct err *err);
// That transaction, or another one, was committed.
void writer_note_session(struct store_writer *writer);
void writer_end_session(struct store_writer *writer);

// --- writer.c ------------------------------------------------------------------------------------

// Runs a statement that gives no rows.
enum store_result writer_run(struct store_writer *writer, enum writer_statement which,
                             const char *action, struct err *err);
// Runs a statement that gives one integer.
enum store_result writer_ask(struct store_writer *writer, enum writer_statement which,
                             int64_t *value, struct err *err);
// What a failed call of SQLite means; rolls back.
enum store_result writer_fail(struct store_writer *writer, int code, const char *action,
                              struct err *err);

#endif
