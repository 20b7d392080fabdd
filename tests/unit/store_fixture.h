// SPDX-License-Identifier: MIT
// What tests of the recording share: a folder of their own, a writer in it, exchanges to put, and
// a plain SQLite connection to look at the result as any other program would.
#ifndef HARK_TESTS_STORE_FIXTURE_H
#define HARK_TESTS_STORE_FIXTURE_H

#include "hark/store_reader.h"
#include "hark/store_writer.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64];
    char *path; // of the recording
    bool is_own_place;
    char *log_path;
    int log_fd;
    struct log *log;
    struct store_writer *writer;
};

static inline struct store_writer *fixture_try_open(struct fixture *fixture, struct err *err)
{
    struct store_writer_options options = {
        .path = fixture->path,
        .is_own_place = fixture->is_own_place,
        .version = "1.2.3",
        .command = "hark serve",
        .settings = "{\"durability\":\"relaxed\"}",
        .log = fixture->log,
    };
    return store_writer_open(&options, err);
}

static inline void fixture_open(struct fixture *fixture)
{
    struct err err = {0};
    fixture->writer = fixture_try_open(fixture, &err);
    if (fixture->writer == NULL)
        fail_msg("%s", err.text);
}

static inline void fixture_close(struct fixture *fixture)
{
    store_writer_close(fixture->writer);
    fixture->writer = NULL;
}

// A folder without a recording.
static inline int fixture_set_up_empty(void **state)
{
    struct fixture *fixture = mem_calloc(1, sizeof(*fixture));
    strcpy(fixture->folder, "/tmp/hark-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    fixture->path = mem_printf("%s/hark.db", fixture->folder);
    fixture->log_path = mem_printf("%s/log", fixture->folder);
    fixture->log_fd = open(fixture->log_path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fixture->log_fd >= 0);
    fixture->log = log_create(fixture->log_fd, LOG_LEVEL_DEBUG, false);
    *state = fixture;
    return 0;
}

static inline int fixture_set_up(void **state)
{
    fixture_set_up_empty(state);
    fixture_open(*state);
    return 0;
}

static inline int fixture_remove(const char *path, const struct stat *status, int type,
                                 struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    store_writer_close(fixture->writer);
    log_destroy(fixture->log);
    close(fixture->log_fd);
    nftw(fixture->folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture->path);
    free(fixture->log_path);
    free(fixture);
    return 0;
}

// --- writing ------------------------------------------------------------------------------------

static inline void fixture_must(enum store_result result, const struct err *err)
{
    if (result != STORE_OK)
        fail_msg("result %d: %s", result, err->text);
}

// GET http://example.com/, done with status 200. The caller destroys it.
static inline struct exchange_row *fixture_row(int64_t id)
{
    struct exchange_row *row = row_create();
    row->id = id;
    row->started_us = 1795165200123456; // 2026-11-20T09:00:00.123456Z
    row->duration_us = 12345;
    row->state = ROW_STATE_DONE;
    row->method = "GET";
    row->scheme = "http";
    row->host = "example.com";
    row->port = 80;
    row->path = "/";
    row->status = 200;
    return row;
}

static inline void fixture_put(struct fixture *fixture, const struct exchange_row *row)
{
    struct err err = {0};
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, row, false, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
}

static inline struct chunk *fixture_chunk(const void *data, size_t length, int64_t at_us)
{
    struct chunk *chunk = chunk_create(length, at_us);
    chunk_append(chunk, data, length);
    chunk_seal(chunk);
    return chunk;
}

static inline void fixture_put_body(struct fixture *fixture, int64_t id, enum body_side side,
                                    int64_t seq, const void *data, size_t length)
{
    struct err err = {0};
    struct chunk *chunk = fixture_chunk(data, length, seq * 100);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_body(fixture->writer, id, side, seq, chunk, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    chunk_unref(chunk);
}

static inline void fixture_add_field(struct exchange_row *row, struct fields *fields,
                                     const char *name, const char *value)
{
    fields_add(fields, &row->arena, name, strlen(name), value, strlen(value));
}

// --- looking ------------------------------------------------------------------------------------

static inline struct store_reader *fixture_reader(struct fixture *fixture)
{
    struct err err = {0};
    struct store_reader *reader = store_reader_open(fixture->path, &err);
    if (reader == NULL)
        fail_msg("%s", err.text);
    return reader;
}

static inline sqlite3 *fixture_connect(const char *path)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                     SQLITE_OK);
    return db;
}

static inline void fixture_exec(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

// Does some other connection hold a read transaction? Then a TRUNCATE checkpoint is refused.
static inline bool fixture_is_being_read(const char *path)
{
    sqlite3 *db = fixture_connect(path);
    // A connection learns only by reading that the file has a WAL.
    fixture_exec(db, "SELECT count(*) FROM session");
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_close(db);
    assert_true(code == SQLITE_OK || code == SQLITE_BUSY);
    return code == SQLITE_BUSY;
}

// All values of a result, joined by "|", rows by newlines. The caller frees it.
static inline char *fixture_ask(const char *path, const char *sql)
{
    sqlite3 *db = fixture_connect(path);
    sqlite3_stmt *statement = NULL;
    struct buffer out = {0};
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) {
        if (out.length > 0)
            buffer_append_char(&out, '\n');
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            buffer_printf(&out, "%s%s", i == 0 ? "" : "|", text == NULL ? "NULL" : text);
        }
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return buffer_take(&out);
}

static inline void assert_answer(const char *path, const char *sql, const char *expected)
{
    char *answer = fixture_ask(path, sql);
    if (strcmp(answer, expected) != 0)
        fail_msg("%s\n  gave     %s\n  expected %s", sql, answer, expected);
    free(answer);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

static inline char *fixture_log_text(struct fixture *fixture)
{
    struct buffer text = {0};
    char part[4096];
    ssize_t length;
    off_t at = 0;
    while ((length = pread(fixture->log_fd, part, sizeof(part), at)) > 0) {
        buffer_append(&text, part, (size_t)length);
        at += length;
    }
    return buffer_take(&text);
}

static inline int fixture_mode(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static inline bool fixture_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

#endif
