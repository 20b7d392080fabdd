// SPDX-License-Identifier: MIT
// Sweeps over the recording: what goes first, what stays, and that the file shrinks.
#include "store_fixture.h"

#include "hark/clock.h"
#include "hark/store_note.h"
#include "hark/store_retention.h"

#define MINUTE_US ((int64_t)60000000)
#define FIRST_US  ((int64_t)1795165200123456)
#define MIB       ((int64_t)1024 * 1024)

static const struct store_retention no_limit = {.keep_from_us = STORE_PRUNE_NO_LIMIT,
                                                .used_bytes = STORE_PRUNE_NO_LIMIT,
                                                .file_bytes = STORE_PRUNE_NO_LIMIT};

// Exchanges 1..last, a minute apart.
static void put_up_to(struct fixture *fixture, int64_t last, size_t body_bytes)
{
    char *data = mem_calloc(1, body_bytes + 1);
    for (int64_t id = 1; id <= last; id++) {
        struct exchange_row *row = fixture_row(id);
        row->started_us = FIRST_US + (id - 1) * MINUTE_US;
        fixture_put(fixture, row);
        row_destroy(row);
        if (body_bytes > 0)
            fixture_put_body(fixture, id, BODY_RESPONSE, 0, data, body_bytes);
    }
    free(data);
}

static void mark(struct fixture *fixture, int64_t id)
{
    struct err err = {0};
    struct store_note note = {.exchange_id = id, .sets_mark = true, .is_marked = true};
    assert_int_equal(store_run_here(fixture->writer, store_note_step, &note, &err), 0);
}

static struct store_retention sweep(struct fixture *fixture, struct store_retention sweep)
{
    struct err err = {0};
    if (store_run_here(fixture->writer, store_retention_step, &sweep, &err) != 0)
        fail_msg("%s", err.text);
    return sweep;
}

static void assert_ids(struct fixture *fixture, const char *expected)
{
    assert_answer(
        fixture->path,
        "SELECT coalesce(group_concat(id, ' '), '') FROM (SELECT id FROM exchange ORDER BY id)",
        expected);
}

static struct store_sizes sizes_of(struct fixture *fixture)
{
    struct store_sizes sizes;
    struct err err = {0};
    fixture_must(store_writer_get_sizes(fixture->writer, &sizes, &err), &err);
    return sizes;
}

static void test_without_limits_nothing_goes(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 3, 10);
    assert_int_equal(sweep(fixture, no_limit).exchanges, 0);
    assert_ids(fixture, "1 2 3");
}

static void test_what_is_too_old_goes_but_not_what_is_marked(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 5, 10);
    mark(fixture, 2);
    struct store_retention limits = no_limit;
    limits.keep_from_us = FIRST_US + 3 * MINUTE_US;
    assert_int_equal(sweep(fixture, limits).exchanges, 2);
    assert_ids(fixture, "2 4 5");
    assert_answer(fixture->path, "SELECT group_concat(exchange_id) FROM body", "2,4,5");
}

static void test_more_than_is_found_at_once_goes(void **state)
{
    struct fixture *fixture = *state;
    const int64_t last = 3 * STORE_RETENTION_IDS + 7;
    put_up_to(fixture, last, 0);
    struct store_retention limits = no_limit;
    limits.keep_from_us = FIRST_US + (last - 2) * MINUTE_US;
    assert_int_equal(sweep(fixture, limits).exchanges, last - 2);
    assert_answer(fixture->path, "SELECT min(id), count(*) FROM exchange", "390|2");
}

static void test_many_of_the_same_time_go(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 2 * STORE_RETENTION_IDS, 0);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "UPDATE exchange SET started_us = 5");
    sqlite3_close(db);
    struct store_retention limits = no_limit;
    limits.keep_from_us = 6;
    assert_int_equal(sweep(fixture, limits).exchanges, 2 * STORE_RETENTION_IDS);
}

static void test_imported_exchange_is_as_old_as_its_import(void **state)
{
    struct fixture *fixture = *state;
    const int64_t now_us = clock_wall_us();
    put_up_to(fixture, 3, 0);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "UPDATE exchange SET source = 'import', started_us = 7 WHERE id <> 2");
    fixture_exec(db, "UPDATE exchange SET started_us = 7 WHERE id = 2");
    sqlite3_close(db);
    struct store_retention limits = no_limit;
    limits.keep_from_us = now_us - MINUTE_US;
    sweep(fixture, limits);
    assert_ids(fixture, "1 3");
    limits.keep_from_us = now_us + MINUTE_US;
    sweep(fixture, limits);
    assert_ids(fixture, "");
}

static void test_first_ones_go_until_the_rest_fits(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 40, 200000);
    mark(fixture, 1);
    struct store_retention limits = no_limit;
    limits.used_bytes = 4 * MIB;
    limits.file_bytes = 5 * MIB;
    struct store_retention done = sweep(fixture, limits);
    assert_false(done.is_short);
    assert_true(done.exchanges > 10 && done.exchanges < 25);
    struct store_sizes sizes = sizes_of(fixture);
    assert_true(sizes.used_bytes <= 4 * MIB && sizes.used_bytes > 3 * MIB);
    assert_true(sizes.used_bytes + sizes.free_bytes <= 5 * MIB);
    struct stat file;
    assert_int_equal(stat(fixture->path, &file), 0);
    assert_true(file.st_size <= 5 * MIB);
    assert_answer(fixture->path, "SELECT min(id), max(id) FROM exchange", "1|40");
    assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
}

static void test_what_cannot_be_made_small_enough_is_told(void **state)
{
    struct fixture *fixture = *state;
    put_up_to(fixture, 4, 200000);
    for (int64_t id = 2; id <= 4; id++)
        mark(fixture, id);
    struct store_retention limits = no_limit;
    limits.used_bytes = 100000;
    assert_true(sweep(fixture, limits).is_short);
    assert_ids(fixture, "2 3 4");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_without_limits_nothing_goes),
        CASE(test_what_is_too_old_goes_but_not_what_is_marked),
        CASE(test_more_than_is_found_at_once_goes),
        CASE(test_many_of_the_same_time_go),
        CASE(test_imported_exchange_is_as_old_as_its_import),
        CASE(test_first_ones_go_until_the_rest_fits),
        CASE(test_what_cannot_be_made_small_enough_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
