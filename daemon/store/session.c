// SPDX-License-Identifier: MIT
// The writer's own session: its row, and what it says of the one before.
//
// The row is written by the first transaction that succeeds, which is the one at opening unless
// the disk is full. Ids are read before that, since exchanges get theirs at once.
#include "hark/clock.h"
#include "sql.h"
#include "writer.h"

#include <unistd.h>

int writer_plan_session(struct store_writer *writer, const struct store_writer_options *options,
                        struct err *err)
{
    writer->session = (struct store_writer_session){
        .started_us = clock_wall_us(),
        .version = arena_strdup(&writer->texts, options->version),
        .command = arena_strdup(&writer->texts, options->command),
        .settings = arena_strdup(&writer->texts, options->settings),
    };
    if (sql_integer(writer->db, "SELECT coalesce(max(id), 0) + 1 FROM session", &writer->session_id,
                    writer->path, err) != 0)
        return -1;
    return sql_integer(writer->db,
                       "SELECT max((SELECT coalesce(max(id), 0) + 1 FROM exchange),"
                       " (SELECT coalesce(max(next_exchange_id), 1) FROM session))",
                       &writer->next_id, writer->path, err);
}

static enum store_result run(struct store_writer *writer, const char *sql, struct err *err)
{
    int code = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STORE_OK : writer_fail(writer, code, "write to", err);
}

// `state <> 'done'` lets SQLite find the pending rows by the index.
static enum store_result end_others(struct store_writer *writer, struct err *err)
{
    enum store_result result = run(writer,
                                   "UPDATE exchange SET state = 'interrupted', duration_us = NULL"
                                   " WHERE state = 'pending' AND state <> 'done'",
                                   err);
    if (result != STORE_OK)
        return result;
    writer->session.interrupted = sqlite3_changes(writer->db);
    return run(writer, "UPDATE session SET state = 'crashed' WHERE state = 'running'", err);
}

static enum store_result insert(struct store_writer *writer, struct err *err)
{
    const struct store_writer_session *session = &writer->session;
    sqlite3_stmt *insert = NULL;
    int code = sqlite3_prepare_v2(
        writer->db,
        "INSERT INTO session (id, started_us, state, version, command, settings, pid,"
        " next_exchange_id) VALUES (?, ?, 'running', ?, ?, ?, ?, ?)",
        -1, &insert, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_int64(insert, 1, writer->session_id);
        sqlite3_bind_int64(insert, 2, session->started_us);
        sqlite3_bind_text(insert, 3, session->version, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, session->command, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 5, session->settings, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 6, getpid());
        sqlite3_bind_int64(insert, 7, writer->next_id);
        code = sqlite3_step(insert);
    }
    enum store_result result =
        code == SQLITE_DONE ? STORE_OK : writer_fail(writer, code, "write to", err);
    sqlite3_finalize(insert);
    return result;
}

enum store_result writer_put_own_session(struct store_writer *writer, struct err *err)
{
    enum store_result result = end_others(writer, err);
    return result == STORE_OK ? insert(writer, err) : result;
}

void writer_note_session(struct store_writer *writer)
{
    if (writer->has_session)
        return;
    writer->has_session = true;
    if (writer->session.interrupted > 0)
        log_warn(writer->log, "store", "%d exchanges of an earlier session were interrupted",
                 writer->session.interrupted);
}

void writer_end_session(struct store_writer *writer)
{
    struct err err = {0};
    char *sql = sqlite3_mprintf("UPDATE session SET state = 'ended', ended_us = %lld,"
                                " next_exchange_id = %lld WHERE id = %lld"
                                " AND state = 'running'",
                                (long long)clock_wall_us(), (long long)writer->next_id,
                                (long long)writer->session_id);
    if (sql_exec(writer->db, sql, "end the session in", writer->path, &err) != 0)
        log_error(writer->log, "store", "%s", err.text);
    sqlite3_free(sql);
}

// --- the clock ---------------------------------------------------------------------------------

int store_writer_note_clock(struct store_writer *writer, const char *boot_id, int64_t offset_us,
                            struct err *err)
{
    sqlite3_stmt *update = NULL;
    if (sql_prepare(writer->db,
                    "UPDATE session SET settings = json_set(coalesce(settings, '{}'),"
                    " '$.boot_id', ?, '$.clock_offset_us', ?) WHERE id = ?",
                    &update, writer->path, err) != 0)
        return -1;
    sqlite3_bind_text(update, 1, boot_id, -1, SQLITE_STATIC);
    sqlite3_bind_int64(update, 2, offset_us);
    sqlite3_bind_int64(update, 3, writer->session_id);
    int code = sqlite3_step(update);
    sqlite3_finalize(update);
    return code == SQLITE_DONE ? 0 : sql_fail(err, writer->db, "write to", writer->path);
}

bool store_writer_recall_clock(struct store_writer *writer, const char *boot_id, int64_t *offset_us)
{
    sqlite3_stmt *select = NULL;
    struct err ignored = {0};
    if (sql_prepare(writer->db,
                    "SELECT json_extract(settings, '$.clock_offset_us') FROM session"
                    " WHERE json_valid(settings)"
                    " AND json_extract(settings, '$.boot_id') = ? ORDER BY id DESC LIMIT 1",
                    &select, writer->path, &ignored) != 0)
        return false;
    sqlite3_bind_text(select, 1, boot_id, -1, SQLITE_STATIC);
    bool is_known =
        sqlite3_step(select) == SQLITE_ROW && sqlite3_column_type(select, 0) == SQLITE_INTEGER;
    if (is_known)
        *offset_us = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return is_known;
}
