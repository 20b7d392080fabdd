// SPDX-License-Identifier: MIT
// A file that others hold, a disk that refuses, readers that stay: what the writer says then.
#include "hark/clock.h"
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

static enum store_result put_one(struct fixture *fixture, int64_t id, struct err *err)
{
    struct exchange_row *row = fixture_row(id);
    enum store_result result = store_writer_begin(fixture->writer, err);
    if (result == STORE_OK)
        result = store_writer_put_row(fixture->writer, row, false, err);
    if (result == STORE_OK)
        result = store_writer_commit(fixture->writer, err);
    row_destroy(row);
    return result;
}

// --- busy ---------------------------------------------------------------------------------------

static void test_file_held_by_another_program_is_busy_and_then_free(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    sqlite3 *other = fixture_connect(fixture->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    assert_int_equal(store_writer_begin(fixture->writer, &err), STORE_BUSY);
    assert_contains(err.text, "hark.db: database is locked");

    fixture_exec(other, "ROLLBACK");
    sqlite3_close(other);
    err = (struct err){0};
    fixture_must(put_one(fixture, 1, &err), &err);
}

static void test_reading_goes_on_while_another_program_holds_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    fixture_must(put_one(fixture, 1, &err), &err);
    sqlite3 *other = fixture_connect(fixture->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    struct store_reader *reader = fixture_reader(fixture);
    int64_t id = 0;
    assert_int_equal(store_last_id(reader, 0, &id, &err), STORE_FOUND);
    assert_int_equal(id, 1);
    store_reader_close(reader);
    sqlite3_close(other);
}

// --- full ---------------------------------------------------------------------------------------

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
}

static void assert_can_write(struct fixture *fixture, int64_t id)
{
    struct err err = {0};
    fixture_must(put_one(fixture, id, &err), &err);
}

static void test_full_disk_rolls_the_transaction_back(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    static char text[200000];
    memset(text, 'a', sizeof(text));
    struct chunk *chunk = fixture_chunk(text, sizeof(text), 0);
    assert_can_write(fixture, 1);

    limit_file_size(300000);
    enum store_result result = store_writer_begin(fixture->writer, &err);
    for (int64_t seq = 0; result == STORE_OK && seq < 100; seq++)
        result = store_writer_put_body(fixture->writer, 1, BODY_RESPONSE, seq, chunk, &err);
    if (result == STORE_OK)
        result = store_writer_commit(fixture->writer, &err);
    assert_int_equal(result, STORE_FULL);
    assert_true(err.is_set);

    limit_file_size(RLIM_INFINITY);
    assert_can_write(fixture, 2);
    assert_answer(fixture->path, "SELECT count(*), (SELECT count(*) FROM body) FROM exchange",
                  "2|0");
    assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
    chunk_unref(chunk);
}

static void test_full_disk_at_commit_rolls_back_and_recovers(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    assert_can_write(fixture, 1);
    limit_file_size(1);
    assert_int_equal(put_one(fixture, 2, &err), STORE_FULL);
    limit_file_size(RLIM_INFINITY);
    assert_can_write(fixture, 3);
    assert_answer(fixture->path, "SELECT group_concat(id, ' ') FROM exchange", "1 3");
}

static void test_full_disk_at_a_checkpoint_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    int64_t wal_bytes = 0;
    for (int64_t id = 1; id <= 100; id++)
        assert_can_write(fixture, id);
    limit_file_size(8192);
    assert_int_equal(store_writer_checkpoint(fixture->writer, &wal_bytes, &err), STORE_FULL);
    assert_true(wal_bytes > 8192);
    limit_file_size(RLIM_INFINITY);
    err = (struct err){0};
    fixture_must(store_writer_checkpoint(fixture->writer, &wal_bytes, &err), &err);
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "100");
    assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
}

// A process that records and dies, so that there is something in the WAL.
static void record_and_die(struct fixture *fixture)
{
    fixture_close(fixture);
    pid_t child = fork();
    if (child == 0) {
        fixture_open(fixture);
        for (int64_t id = 1; id <= 50; id++)
            assert_can_write(fixture, id);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_session_begins_once_a_full_disk_has_room(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    record_and_die(fixture);
    limit_file_size(32768); // what SQLite takes for its index of the WAL
    fixture_open(fixture);
    assert_false(store_writer_has_begun(fixture->writer));
    assert_int_equal(store_writer_session_id(fixture->writer), 3);
    assert_int_equal(store_writer_next_id(fixture->writer), 51);
    assert_int_equal(put_one(fixture, 51, &err), STORE_FULL);
    assert_answer(fixture->path, "SELECT group_concat(state, ' ') FROM session", "ended running");

    limit_file_size(RLIM_INFINITY);
    assert_can_write(fixture, 52);
    assert_true(store_writer_has_begun(fixture->writer));
    assert_can_write(fixture, 53);
    assert_answer(fixture->path, "SELECT group_concat(state, ' ') FROM session",
                  "ended crashed running");
    assert_answer(fixture->path, "SELECT count(*), max(session_id) FROM exchange", "52|3");
}

static void test_twice_the_same_row_is_an_error_that_rolls_back(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    assert_can_write(fixture, 1);
    assert_int_equal(put_one(fixture, 1, &err), STORE_ERROR);
    assert_contains(err.text, "UNIQUE constraint failed: exchange.id");
    assert_can_write(fixture, 2);
}

// --- the WAL ------------------------------------------------------------------------------------

static int64_t checkpoint(struct fixture *fixture)
{
    struct err err = {0};
    int64_t wal_bytes = -1;
    fixture_must(store_writer_checkpoint(fixture->writer, &wal_bytes, &err), &err);
    return wal_bytes;
}

static void put_large(struct fixture *fixture, int64_t id, int count)
{
    struct err err = {0};
    static char text[CHUNK_MAX_BYTES];
    memset(text, 'a', sizeof(text));
    struct chunk *chunk = fixture_chunk(text, sizeof(text), 0);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    for (int seq = 0; seq < count; seq++)
        fixture_must(store_writer_put_body(fixture->writer, id, BODY_RESPONSE, seq, chunk, &err),
                     &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    chunk_unref(chunk);
}

static void test_wal_does_not_grow_when_it_is_checkpointed(void **state)
{
    struct fixture *fixture = *state;
    put_large(fixture, 1, 4);
    int64_t once = checkpoint(fixture);
    for (int64_t id = 2; id < 10; id++) {
        put_large(fixture, id, 4);
        checkpoint(fixture);
    }
    assert_true(checkpoint(fixture) <= once + 8 * 8192);
}

static sqlite3 *begin_reading(struct fixture *fixture)
{
    sqlite3 *reader = fixture_connect(fixture->path);
    fixture_exec(reader, "BEGIN; SELECT count(*) FROM exchange");
    return reader;
}

static void test_reader_that_stays_delays_the_wal_and_no_write(void **state)
{
    struct fixture *fixture = *state;
    assert_can_write(fixture, 1);
    sqlite3 *reader = begin_reading(fixture);
    put_large(fixture, 1, 4);
    int64_t once = checkpoint(fixture);
    put_large(fixture, 2, 4);
    int64_t twice = checkpoint(fixture);
    assert_true(twice > once + (int64_t)CHUNK_MAX_BYTES);

    sqlite3_close(reader);
    checkpoint(fixture);
    for (int64_t id = 3; id < 6; id++) {
        put_large(fixture, id, 4);
        assert_true(checkpoint(fixture) <= twice);
    }
}

static void test_large_wal_shrinks_once_its_readers_have_left(void **state)
{
    struct fixture *fixture = *state;
    const int64_t limit = 64 << 20;
    assert_can_write(fixture, 1);
    sqlite3 *reader = begin_reading(fixture);
    for (int64_t id = 1; id <= 5; id++)
        put_large(fixture, id, 60);
    assert_true(checkpoint(fixture) > limit);
    sqlite3_close(reader);
    checkpoint(fixture);
    assert_can_write(fixture, 2);
    assert_true(checkpoint(fixture) <= limit);
}

// Reads all the time: the next transaction begins before the last one ends.
struct endless_readers {
    const char *path;
    atomic_bool is_over;
};

static void *read_endlessly(void *ctx)
{
    struct endless_readers *readers = ctx;
    sqlite3 *connections[2] = {fixture_connect(readers->path), fixture_connect(readers->path)};
    for (int i = 0; !atomic_load(&readers->is_over); i++) {
        sqlite3_exec(connections[i % 2],
                     "BEGIN; SELECT count(*) FROM exchange;"
                     "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE"
                     " x < 10000) SELECT sum(x) FROM n",
                     NULL, NULL, NULL);
        sqlite3_exec(connections[(i + 1) % 2], "COMMIT", NULL, NULL, NULL);
    }
    sqlite3_close(connections[0]);
    sqlite3_close(connections[1]);
    return NULL;
}

static void test_large_wal_shrinks_also_if_somebody_always_reads(void **state)
{
    struct fixture *fixture = *state;
    const int64_t limit = 64 << 20;
    struct endless_readers readers = {.path = fixture->path};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_endlessly, &readers), 0);
    for (int64_t id = 1; id <= 5; id++)
        put_large(fixture, id, 60);
    int64_t wal_bytes = checkpoint(fixture);
    int64_t deadline_us = clock_monotonic_us() + 60000000;
    for (int64_t id = 1; wal_bytes > limit && clock_monotonic_us() < deadline_us; id++) {
        assert_can_write(fixture, id);
        wal_bytes = checkpoint(fixture);
    }
    atomic_store(&readers.is_over, true);
    pthread_join(thread, NULL);
    assert_true(wal_bytes <= limit);
}

static void test_closing_leaves_an_empty_wal_behind(void **state)
{
    struct fixture *fixture = *state;
    assert_can_write(fixture, 1);
    fixture_close(fixture);
    char *wal = mem_printf("%s-wal", fixture->path);
    struct stat status;
    assert_int_equal(stat(wal, &status), 0);
    assert_int_equal(status.st_size, 0);
    free(wal);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_file_held_by_another_program_is_busy_and_then_free),
        CASE(test_reading_goes_on_while_another_program_holds_the_file),
        CASE(test_full_disk_rolls_the_transaction_back),
        CASE(test_full_disk_at_commit_rolls_back_and_recovers),
        CASE(test_full_disk_at_a_checkpoint_loses_nothing),
        CASE(test_session_begins_once_a_full_disk_has_room),
        CASE(test_twice_the_same_row_is_an_error_that_rolls_back),
        CASE(test_wal_does_not_grow_when_it_is_checkpointed),
        CASE(test_reader_that_stays_delays_the_wal_and_no_write),
        CASE(test_large_wal_shrinks_once_its_readers_have_left),
        CASE(test_large_wal_shrinks_also_if_somebody_always_reads),
        CASE(test_closing_leaves_an_empty_wal_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
