// SPDX-License-Identifier: MIT
// Listing: which rows, in which order, and what it leaves open while it shows them.
#include "store_fixture.h"

struct seen {
    struct fixture *fixture;
    struct buffer ids;
    int columns_calls;
    int rows_before_columns;
    int stop_after;
    int rows;
};

static int on_columns(void *ctx, size_t count, const char *const *names)
{
    struct seen *seen = ctx;
    assert_int_equal(count, 13);
    assert_string_equal(names[0], "id");
    assert_string_equal(names[12], "source");
    seen->columns_calls++;
    seen->rows_before_columns = seen->rows;
    return 0;
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct seen *seen = ctx;
    assert_int_equal(count, 13);
    assert_string_equal(names[2], "method");
    assert_int_equal(values[2].type, VALUE_TEXT);
    assert_string_equal(values[2].data, "GET");
    buffer_printf(&seen->ids, "%s%lld", seen->rows == 0 ? "" : " ", (long long)values[0].integer);
    return ++seen->rows == seen->stop_after ? 5 : 0;
}

static void put_ids(struct fixture *fixture, const int64_t *ids, size_t count)
{
    struct err err = {0};
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    for (size_t i = 0; i < count; i++) {
        struct exchange_row *row = fixture_row(ids[i]);
        row->status = ids[i] % 2 == 0 ? 200 : 500;
        fixture_must(store_writer_put_row(fixture->writer, row, false, &err), &err);
        row_destroy(row);
    }
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
}

static void put_sparse(struct fixture *fixture)
{
    const int64_t ids[] = {1, 2, 3, 7, 8, 1000000, 1000001, 4000000000};
    put_ids(fixture, ids, sizeof(ids) / sizeof(ids[0]));
}

static int list(struct fixture *fixture, const char *filter_text,
                const struct store_list_options *wanted, struct seen *seen)
{
    struct err err = {0};
    struct filter *filter = filter_text == NULL ? NULL : filter_create(&filter_text, 1, &err);
    struct store_reader *reader = fixture_reader(fixture);
    struct store_list_options options = *wanted;
    options.filter = filter;
    int result = store_list_traffic(reader, &options, on_columns, on_row, seen, &err);
    if (result < 0)
        fail_msg("%s", err.text);
    store_reader_close(reader);
    filter_destroy(filter);
    return result;
}

static void assert_list(struct fixture *fixture, const char *filter,
                        struct store_list_options options, const char *expected)
{
    struct seen seen = {.fixture = fixture};
    assert_int_equal(list(fixture, filter, &options, &seen), 0);
    assert_string_equal(seen.ids.length > 0 ? seen.ids.data : "", expected);
    assert_int_equal(seen.columns_calls, 1);
    assert_int_equal(seen.rows_before_columns, 0);
    buffer_fini(&seen.ids);
}

#define OPTIONS(...) ((struct store_list_options){__VA_ARGS__})

static void test_empty_recording_has_columns_and_no_rows(void **state)
{
    assert_list(*state, NULL, OPTIONS(0), "");
    assert_list(*state, NULL, OPTIONS(.limit = 50), "");
    assert_list(*state, "status:500", OPTIONS(.limit = 50), "");
    assert_list(*state, NULL, OPTIONS(.before_id = 1, .is_newest_first = true), "");
}

static void test_all_rows_come_oldest_first(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(0), "1 2 3 7 8 1000000 1000001 4000000000");
}

static void test_newest_first_turns_the_order_round(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(.is_newest_first = true),
                "4000000000 1000001 1000000 8 7 3 2 1");
    assert_list(*state, NULL, OPTIONS(.is_newest_first = true, .limit = 3),
                "4000000000 1000001 1000000");
    assert_list(*state, NULL, OPTIONS(.is_newest_first = true, .limit = 3, .is_oldest = true),
                "3 2 1");
}

static void test_limit_keeps_the_newest_and_shows_them_in_order(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(.limit = 3), "1000000 1000001 4000000000");
    assert_list(*state, NULL, OPTIONS(.limit = 1), "4000000000");
    assert_list(*state, NULL, OPTIONS(.limit = 100), "1 2 3 7 8 1000000 1000001 4000000000");
}

static void test_limit_keeps_the_oldest_if_asked(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(.limit = 3, .is_oldest = true), "1 2 3");
    assert_list(*state, "status:500", OPTIONS(.limit = 3, .is_oldest = true), "1 3 7");
}

static void test_limit_counts_what_matches(void **state)
{
    put_sparse(*state);
    assert_list(*state, "status:500", OPTIONS(.limit = 3), "3 7 1000001");
    assert_list(*state, "status:500", OPTIONS(0), "1 3 7 1000001");
}

static void test_ids_limit_both_ways_of_listing(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(.after_id = 2, .before_id = 1000001), "3 7 8 1000000");
    assert_list(*state, NULL, OPTIONS(.after_id = 2, .before_id = 1000001, .limit = 2),
                "8 1000000");
    assert_list(*state, NULL, OPTIONS(.before_id = 7, .limit = 2), "2 3");
    assert_list(*state, NULL, OPTIONS(.after_id = 8, .before_id = 1000000), "");
    assert_list(*state, NULL, OPTIONS(.after_id = INT64_MAX - 1), "");
    assert_list(*state, NULL, OPTIONS(.after_id = INT64_MAX), "");
    assert_list(*state, NULL, OPTIONS(.before_id = INT64_MAX, .limit = 5),
                "7 8 1000000 1000001 4000000000");
}

static void test_pages_follow_each_other_both_ways(void **state)
{
    put_sparse(*state);
    assert_list(*state, NULL, OPTIONS(.limit = 3, .before_id = 1000000, .is_newest_first = true),
                "8 7 3");
    assert_list(*state, NULL, OPTIONS(.limit = 3, .before_id = 3, .is_newest_first = true), "2 1");
    assert_list(*state, NULL, OPTIONS(.limit = 3, .after_id = 3, .is_oldest = true), "7 8 1000000");
    assert_list(*state, NULL,
                OPTIONS(.limit = 3, .after_id = 3, .is_oldest = true, .is_newest_first = true),
                "1000000 8 7");
}

static void put_many(struct fixture *fixture, int64_t count)
{
    int64_t *ids = mem_calloc((size_t)count, sizeof(*ids));
    for (int64_t i = 0; i < count; i++)
        ids[i] = i + 1;
    put_ids(fixture, ids, (size_t)count);
    free(ids);
}

// More than a window and more than a page.
static void test_long_lists_lose_and_repeat_nothing(void **state)
{
    const int64_t count = 20000;
    put_many(*state, count);
    const int64_t limits[] = {0, count, count - 1};
    for (size_t i = 0; i < 3; i++) {
        struct seen seen = {.fixture = *state};
        assert_int_equal(list(*state, NULL, &OPTIONS(.limit = limits[i]), &seen), 0);
        int64_t expected = limits[i] == count - 1 ? 2 : 1;
        char *at = seen.ids.data;
        for (; expected <= count; expected++)
            assert_int_equal(strtoll(at, &at, 10), expected);
        assert_string_equal(at, "");
        buffer_fini(&seen.ids);
    }
}

static void test_listing_stops_when_told(void **state)
{
    put_sparse(*state);
    for (int64_t limit = 0; limit < 20; limit += 10) {
        struct seen seen = {.fixture = *state, .stop_after = 2};
        assert_int_equal(list(*state, NULL, &OPTIONS(.limit = limit), &seen), 5);
        assert_string_equal(seen.ids.data, "1 2");
        buffer_fini(&seen.ids);
    }
}

static int on_row_without_reading(void *ctx, size_t count, const char *const *names,
                                  const struct value *values)
{
    struct seen *seen = ctx;
    assert_false(fixture_is_being_read(seen->fixture->path));
    return on_row(ctx, count, names, values);
}

static void test_slow_taker_of_rows_does_not_hold_the_wal(void **state)
{
    struct fixture *fixture = *state;
    put_sparse(fixture);
    struct store_reader *reader = fixture_reader(fixture);
    for (int64_t limit = 0; limit < 20; limit += 10) {
        struct err err = {0};
        struct seen seen = {.fixture = fixture};
        assert_int_equal(store_list_traffic(reader, &OPTIONS(.limit = limit), NULL,
                                            on_row_without_reading, &seen, &err),
                         0);
        assert_int_equal(seen.rows, 8);
        buffer_fini(&seen.ids);
    }
    store_reader_close(reader);
}

static int on_row_with_reading(void *ctx, size_t count, const char *const *names,
                               const struct value *values)
{
    struct store_reader *reader = ctx;
    struct exchange_row *row = NULL;
    struct err err = {0};
    (void)names;
    assert_int_equal(count, 13);
    int64_t id = values[0].integer;
    assert_int_equal(store_get_row(reader, id, &row, &err), STORE_FOUND);
    assert_int_equal(row->id, id);
    row_destroy(row);
    return 0;
}

static void test_reader_can_be_used_while_it_lists(void **state)
{
    struct err err = {0};
    put_sparse(*state);
    struct store_reader *reader = fixture_reader(*state);
    assert_int_equal(
        store_list_traffic(reader, &OPTIONS(0), NULL, on_row_with_reading, reader, &err), 0);
    store_reader_close(reader);
}

static int on_wide_row(void *ctx, size_t count, const char *const *names,
                       const struct value *values)
{
    assert_int_equal(count, 17);
    assert_string_equal(names[12], "source");
    assert_string_equal(names[13], "kind");
    assert_string_equal(names[14], "session_id");
    assert_string_equal(names[15], "replay_of");
    assert_string_equal(names[16], "is_marked");
    buffer_printf(ctx, "%lld:%s:%lld:%lld:%lld ", (long long)values[0].integer, values[13].data,
                  (long long)values[14].integer,
                  values[15].type == VALUE_NULL ? -1 : (long long)values[15].integer,
                  (long long)values[16].integer);
    return 0;
}

static void test_wide_rows_have_more_columns(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    put_ids(fixture, (const int64_t[]){1}, 1);
    struct exchange_row *row = fixture_row(2);
    row->kind = ROW_KIND_WEBSOCKET;
    row->replay_of = 1;
    fixture_put(fixture, row);
    row_destroy(row);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "INSERT INTO note (exchange_id, created_us, is_mark, text)"
                     " VALUES (1, 0, 0, 'slow'), (2, 0, 1, NULL)");
    sqlite3_close(db);
    struct store_reader *reader = fixture_reader(fixture);
    struct buffer seen = {0};
    assert_int_equal(
        store_list_traffic(reader, &OPTIONS(.is_wide = true), NULL, on_wide_row, &seen, &err), 0);
    assert_string_equal(seen.data, "1:http:1:-1:0 2:websocket:1:1:1 ");
    buffer_fini(&seen);
    store_reader_close(reader);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_empty_recording_has_columns_and_no_rows),
        CASE(test_all_rows_come_oldest_first),
        CASE(test_limit_keeps_the_newest_and_shows_them_in_order),
        CASE(test_newest_first_turns_the_order_round),
        CASE(test_limit_keeps_the_oldest_if_asked),
        CASE(test_limit_counts_what_matches),
        CASE(test_ids_limit_both_ways_of_listing),
        CASE(test_pages_follow_each_other_both_ways),
        CASE(test_long_lists_lose_and_repeat_nothing),
        CASE(test_listing_stops_when_told),
        CASE(test_slow_taker_of_rows_does_not_hold_the_wal),
        CASE(test_reader_can_be_used_while_it_lists),
        CASE(test_wide_rows_have_more_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
