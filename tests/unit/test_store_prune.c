// SPDX-License-Identifier: MIT
// Deleting exchanges: which ones go, what stays, and that the file becomes smaller. And notes.
#include "store_fixture.h"

#include "hark/store_note.h"
#include "hark/store_prune.h"

#include <signal.h>
#include <sys/resource.h>

#define MINUTE_US ((int64_t)60000000)

// Exchanges 1..n, a minute apart, the first at fixture_row()'s time.
static int64_t started_us(int64_t id)
{
    struct exchange_row *row = fixture_row(id);
    int64_t us = row->started_us + (id - 1) * MINUTE_US;
    row_destroy(row);
    return us;
}

static void put(struct fixture *fixture, int64_t id, size_t body_bytes)
{
    struct exchange_row *row = fixture_row(id);
    row->started_us = started_us(id);
    row->host = id % 2 == 0 ? "even.test" : "odd.test";
    row->response_size = (int64_t)body_bytes;
    fixture_put(fixture, row);
    row_destroy(row);
    char *data = mem_calloc(1, body_bytes + 1);
    for (int64_t seq = 0; body_bytes > 0; seq++) {
        size_t length = body_bytes < CHUNK_MAX_BYTES ? body_bytes : CHUNK_MAX_BYTES;
        fixture_put_body(fixture, id, BODY_RESPONSE, seq, data, length);
        body_bytes -= length;
    }
    free(data);
}

static void put_up_to(struct fixture *fixture, int64_t last, size_t body_bytes)
{
    for (int64_t id = 1; id <= last; id++)
        put(fixture, id, body_bytes);
}

static void note(struct fixture *fixture, struct store_note note, bool is_found)
{
    struct err err = {0};
    assert_int_equal(store_run_here(fixture->writer, store_note_step, &note, &err), 0);
    assert_int_equal(note.is_found, is_found);
}

static void mark(struct fixture *fixture, int64_t id)
{
    note(fixture, (struct store_note){.exchange_id = id, .sets_mark = true, .is_marked = true},
         true);
}

static const struct store_prune_options unlimited = {.keep_from_us = STORE_PRUNE_NO_LIMIT,
                                                     .keep_count = STORE_PRUNE_NO_LIMIT,
                                                     .keep_bytes = STORE_PRUNE_NO_LIMIT};

static struct store_prune_result prune(struct fixture *fixture, const char *word,
                                       struct store_prune_options options)
{
    struct err err = {0};
    struct filter *filter = word == NULL ? NULL : filter_create(&word, 1, &err);
    struct store_reader *reader = fixture_reader(fixture);
    const struct store_runner runner = {.run = store_run_here, .ctx = fixture->writer};
    struct store_prune_result result;
    options.filter = filter;
    if (store_prune(reader, &options, &runner, &result, &err) != 0)
        fail_msg("%s", err.text);
    store_reader_close(reader);
    filter_destroy(filter);
    return result;
}

static void assert_ids(struct fixture *fixture, const char *expected)
{
    assert_answer(
        fixture->path,
        "SELECT coalesce(group_concat(id, ' '), '') FROM (SELECT id FROM exchange ORDER BY id)",
        expected);
}

static off_t file_size(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static int64_t wal_bytes(struct fixture *fixture)
{
    char *path = mem_printf("%s-wal", fixture->path);
    off_t bytes = file_size(path);
    free(path);
    return bytes;
}

// As where reading takes so long that each slice is one exchange.
static void remove_one_by_one(struct fixture *fixture, int64_t last)
{
    for (int64_t id = 1; id <= last; id++) {
        struct err err = {0};
        struct store_removal removal = {.ids = &id, .count = 1, .keep_bytes = STORE_PRUNE_NO_LIMIT};
        if (store_run_here(fixture->writer, store_remove_step, &removal, &err) != 0)
            fail_msg("exchange %lld: %s", (long long)id, err.text);
    }
}

// --- which ones ----------------------------------------------------------------------------------

static void test_filter_alone_removes_what_matches_with_all_that_belongs_to_it(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 4, 10);
    note(fixture, (struct store_note){.exchange_id = 2, .sets_text = true, .text = "why"}, true);
    note(fixture, (struct store_note){.exchange_id = 3, .sets_text = true, .text = "ah"}, true);
    struct store_prune_result result = prune(fixture, "host:even.test", unlimited);
    assert_int_equal(result.exchanges, 2);
    assert_ids(fixture, "1 3");
    assert_answer(fixture->path, "SELECT DISTINCT exchange_id FROM body ORDER BY 1", "1\n3");
    assert_answer(fixture->path, "SELECT exchange_id, text FROM note", "3|ah");
}

static void test_marked_and_pending_stay(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 3, 0);
    mark(fixture, 2);
    struct exchange_row *row = fixture_row(4);
    row->state = ROW_STATE_PENDING;
    fixture_put(fixture, row);
    row_destroy(row);
    struct store_prune_result result = prune(fixture, NULL, unlimited);
    assert_int_equal(result.exchanges, 2);
    assert_int_equal(result.marked, 1);
    assert_ids(fixture, "2 4");
}

static void test_older_ones_go(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 5, 0);
    struct store_prune_options options = unlimited;
    options.keep_from_us = started_us(4);
    assert_int_equal(prune(fixture, NULL, options).exchanges, 3);
    assert_ids(fixture, "4 5");
    assert_int_equal(prune(fixture, NULL, options).exchanges, 0);
}

static void test_newest_of_those_that_match_are_kept(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 8, 0);
    struct store_prune_options options = unlimited;
    options.keep_count = 3;
    assert_int_equal(prune(fixture, "host:even.test", options).exchanges, 1);
    assert_ids(fixture, "1 3 4 5 6 7 8");
    assert_int_equal(prune(fixture, "host:even.test", options).exchanges, 0);
    options.keep_count = 100;
    assert_int_equal(prune(fixture, NULL, options).exchanges, 0);
    options.keep_count = 0;
    assert_int_equal(prune(fixture, "host:odd.test", options).exchanges, 4);
    assert_ids(fixture, "4 6 8");
}

static void test_oldest_go_until_the_recording_is_small_enough(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 20, 100000);
    mark(fixture, 1);
    struct store_prune_options options = unlimited;
    options.keep_bytes = 1000000;
    options.is_dry_run = true;
    struct store_prune_result foreseen = prune(fixture, NULL, options);
    options.is_dry_run = false;
    struct store_prune_result result = prune(fixture, NULL, options);
    assert_true(result.size <= 1000000);
    assert_true(result.size > 800000); // no more than needed
    assert_int_equal(result.marked, 1);
    assert_in_range(foreseen.exchanges, result.exchanges - 2, result.exchanges + 2);
    char expected[32];
    snprintf(expected, sizeof(expected), "1|%lld", (long long)result.exchanges + 2);
    assert_answer(fixture->path,
                  "SELECT min(id), (SELECT min(id) FROM exchange WHERE id > 1)"
                  " FROM exchange",
                  expected);
}

static void test_limits_are_each_kept(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 6, 0);
    struct store_prune_options options = unlimited;
    options.keep_from_us = started_us(3);
    options.keep_count = 2;
    options.keep_bytes = INT64_MAX;
    assert_int_equal(prune(fixture, NULL, options).exchanges, 4);
    assert_ids(fixture, "5 6");
}

static void test_dry_run_counts_and_removes_nothing(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 3, 100000);
    struct store_prune_options options = unlimited;
    options.is_dry_run = true;
    struct store_prune_result result = prune(fixture, NULL, options);
    assert_int_equal(result.exchanges, 3);
    assert_in_range(result.bytes, 300000, 330000);
    assert_ids(fixture, "1 2 3");
}

// --- the file ------------------------------------------------------------------------------------

static void test_file_shrinks(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 40, 200000);
    struct err err = {0};
    int64_t wal_bytes;
    fixture_must(store_writer_checkpoint(fixture->writer, &wal_bytes, &err), &err);
    off_t before = file_size(fixture->path);
    struct store_prune_options options = unlimited;
    options.keep_count = 2;
    struct store_prune_result result = prune(fixture, NULL, options);
    assert_true(before > 8000000);
    assert_true(file_size(fixture->path) < 1000000);
    assert_in_range(result.bytes, 7600000, 8200000);
    assert_answer(fixture->path, "PRAGMA freelist_count", "0");
    assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
}

static void test_large_body_goes_in_slices_and_is_never_a_half_truth(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 1, 300 * CHUNK_MAX_BYTES);
    const int64_t id = 1;
    struct store_removal removal = {.ids = &id, .count = 1, .keep_bytes = STORE_PRUNE_NO_LIMIT};
    struct err err = {0};
    int slices = 1;
    while (store_remove_step(&removal, fixture->writer, &err) == STEP_MORE) {
        slices++;
        assert_answer(fixture->path, "SELECT body_truncated FROM exchange", "1");
        // A beginning of the body.
        assert_answer(fixture->path, "SELECT count(*) = max(seq) + 1 FROM body", "1");
    }
    assert_true(slices > 1);
    assert_int_equal(removal.exchanges, 1);
    assert_answer(fixture->path, "SELECT count(*) FROM body", "0");
}

static void test_ids_of_removed_ones_are_not_given_out_again(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 5, 0);
    fixture_close(fixture);
    fixture_open(fixture);
    prune(fixture, NULL, unlimited);
    // As after a crash: the session did not end.
    char *copy = mem_printf("%s/crashed.db", fixture->folder);
    char *sql = mem_printf("VACUUM INTO '%s'", copy);
    free(fixture_ask(fixture->path, sql));
    free(sql);
    assert_answer(copy, "SELECT max(next_exchange_id) FROM session", "6");
    free(copy);
}

static void test_busy_file_is_said_and_nothing_is_changed(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 1, 10);
    sqlite3 *other = fixture_connect(fixture->path);
    fixture_exec(other, "BEGIN IMMEDIATE");
    const int64_t id = 1;
    struct store_removal removal = {.ids = &id, .count = 1, .keep_bytes = STORE_PRUNE_NO_LIMIT};
    struct store_vacuum vacuum = {.slices_left = 1};
    struct err err = {0};
    assert_int_equal(store_remove_step(&removal, fixture->writer, &err), STEP_BUSY);
    assert_int_equal(store_vacuum_step(&vacuum, fixture->writer, &err), STEP_BUSY);
    assert_int_equal(removal.exchanges, 0);
    fixture_exec(other, "COMMIT");
    sqlite3_close(other);
    assert_int_equal(store_remove_step(&removal, fixture->writer, &err), STEP_DONE);
    assert_int_equal(removal.exchanges, 1);
}

// --- notes ---------------------------------------------------------------------------------------

static void test_mark_and_comment_are_set_apart_and_once(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 1, 0);
    mark(fixture, 1);
    mark(fixture, 1);
    note(fixture, (struct store_note){.exchange_id = 1, .sets_text = true, .text = "a"}, true);
    note(fixture, (struct store_note){.exchange_id = 1, .sets_text = true, .text = "ü"}, true);
    assert_answer(fixture->path, "SELECT is_mark, text, created_us > 0 FROM note ORDER BY id",
                  "1|NULL|1\n0|ü|1");
    note(fixture, (struct store_note){.exchange_id = 1, .sets_text = true}, true);
    assert_answer(fixture->path, "SELECT is_mark FROM note", "1");
    note(fixture, (struct store_note){.exchange_id = 1, .sets_mark = true}, true);
    assert_answer(fixture->path, "SELECT count(*) FROM note", "0");
}

static void test_note_on_no_exchange_is_said(void **state)
{
    struct fixture *fixture = *state;
    note(fixture, (struct store_note){.exchange_id = 7, .sets_mark = true, .is_marked = true},
         false);
    assert_answer(fixture->path, "SELECT count(*) FROM note", "0");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

// --- the WAL -------------------------------------------------------------------------------------

static void test_many_steps_leave_a_small_wal(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    fixture_must(store_writer_limit_wal(fixture->writer, 256 * 1024, &err), &err);
    put_up_to(fixture, 200, 5000);
    int64_t ignored;
    fixture_must(store_writer_checkpoint(fixture->writer, &ignored, &err), &err);
    int64_t before = wal_bytes(fixture);
    remove_one_by_one(fixture, 200);
    assert_ids(fixture, "");
    assert_in_range(wal_bytes(fixture), 0, before + 256 * 1024);
}

static void allow(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// No file may grow: the WAL has only the room that it had.
static void test_full_disk_does_not_stop_it(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 200, 5000);
    int64_t ignored;
    struct err err = {0};
    fixture_must(store_writer_checkpoint(fixture->writer, &ignored, &err), &err);
    off_t db_bytes = file_size(fixture->path);
    allow((rlim_t)(wal_bytes(fixture) > db_bytes ? wal_bytes(fixture) : db_bytes));
    remove_one_by_one(fixture, 200);
    allow(RLIM_INFINITY);
    assert_ids(fixture, "");
    assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_filter_alone_removes_what_matches_with_all_that_belongs_to_it),
        TEST(test_marked_and_pending_stay),
        TEST(test_older_ones_go),
        TEST(test_newest_of_those_that_match_are_kept),
        TEST(test_oldest_go_until_the_recording_is_small_enough),
        TEST(test_limits_are_each_kept),
        TEST(test_dry_run_counts_and_removes_nothing),
        TEST(test_file_shrinks),
        TEST(test_large_body_goes_in_slices_and_is_never_a_half_truth),
        TEST(test_ids_of_removed_ones_are_not_given_out_again),
        TEST(test_busy_file_is_said_and_nothing_is_changed),
        TEST(test_mark_and_comment_are_set_apart_and_once),
        TEST(test_note_on_no_exchange_is_said),
        TEST(test_many_steps_leave_a_small_wal),
        TEST(test_full_disk_does_not_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
