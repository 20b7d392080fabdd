// SPDX-License-Identifier: MIT
// From the WAL into the file, and how large the WAL may stay.
#include "writer.h"

#include "hark/clock.h"

#include <assert.h>
#include <sys/stat.h>

int64_t store_writer_wal_bytes(const struct store_writer *writer)
{
    struct stat status;
    return stat(writer->wal_path, &status) == 0 ? status.st_size : 0;
}

// Is the WAL so large that its readers are to be waited for? Not each time: while one of them
// stays, waiting is in vain and holds up the recording.
static bool is_restart_due(struct store_writer *writer)
{
    int64_t now_us = clock_monotonic_us();
    if (store_writer_wal_bytes(writer) <= writer->wal_limit_bytes ||
        now_us - writer->restart_tried_us < WRITER_RESTART_INTERVAL_US)
        return false;
    writer->restart_tried_us = now_us;
    return true;
}

static int move_pages(struct store_writer *writer, int mode)
{
    int pages = 0;
    int moved = 0;
    int code = sqlite3_wal_checkpoint_v2(writer->db, NULL, mode, &pages, &moved);
    if (code == SQLITE_OK)
        writer->wal_unmoved_bytes = (pages - moved) * writer->page_bytes;
    return code;
}

// PASSIVE moves what no reader still needs. Once all of it is moved, the next transaction begins
// the WAL anew, if at that moment nobody reads from it. Where somebody always does, that never
// happens; TRUNCATE waits, a busy time-out long, until those who read now have ended.
enum store_result store_writer_checkpoint(struct store_writer *writer, int64_t *wal_bytes,
                                          struct err *err)
{
    assert(sqlite3_get_autocommit(writer->db));
    writer->wal_written_bytes = 0;
    int code = move_pages(writer, SQLITE_CHECKPOINT_PASSIVE);
    if (code == SQLITE_OK && is_restart_due(writer)) {
        code = move_pages(writer, SQLITE_CHECKPOINT_TRUNCATE);
        if ((code & 0xff) == SQLITE_BUSY)
            code = SQLITE_OK;
    }
    *wal_bytes = store_writer_wal_bytes(writer);
    return code == SQLITE_OK ? STORE_OK : writer_fail(writer, code, "checkpoint", err);
}

bool store_writer_is_checkpointed(const struct store_writer *writer)
{
    return writer->wal_written_bytes == 0 &&
           store_writer_wal_bytes(writer) <= writer->wal_limit_bytes;
}

bool store_writer_checkpoint_is_due(const struct store_writer *writer)
{
    return writer->wal_written_bytes >= writer->wal_limit_bytes / WRITER_CHECKPOINT_SHARE;
}

enum store_result store_writer_limit_wal(struct store_writer *writer, int64_t bytes,
                                         struct err *err)
{
    char sql[64];
    if (bytes > WRITER_WAL_LIMIT_BYTES)
        bytes = WRITER_WAL_LIMIT_BYTES;
    sqlite3_snprintf(sizeof(sql), sql, "PRAGMA journal_size_limit = %lld", (long long)bytes);
    int code = sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return writer_fail(writer, code, "set up", err);
    writer->wal_limit_bytes = bytes;
    return STORE_OK;
}
