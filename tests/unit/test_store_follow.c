// SPDX-License-Identifier: MIT
// Following: every exchange once, in whatever order rows appear, also from a position on.
#include "hark/store_follow.h"
#include "store_fixture.h"

struct follower {
    struct fixture *fixture;
    struct store_reader *reader;
    struct store_follow *follow;
    struct buffer told; // "3 5p 4"; p: it was pending
    int stop_after;     // 0: never
    int rows;
};

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct follower *follower = ctx;
    assert_true(count >= 13);
    assert_string_equal(names[0], "id");
    assert_string_equal(names[9], "state");
    bool is_pending = strcmp(values[9].data, "pending") == 0;
    buffer_printf(&follower->told, "%s%lld%s", follower->told.length > 0 ? " " : "",
                  (long long)values[0].integer, is_pending ? "p" : "");
    return ++follower->rows == follower->stop_after ? 7 : 0;
}

static void begin(struct follower *follower, const struct store_follow_options *options)
{
    struct err err = {0};
    follower->reader = fixture_reader(follower->fixture);
    follower->follow = store_follow_create(follower->reader, options, &err);
    if (follower->follow == NULL)
        fail_msg("%s", err.text);
}

static void end(struct follower *follower)
{
    store_follow_destroy(follower->follow);
    store_reader_close(follower->reader);
    buffer_fini(&follower->told);
}

static int poll_once(struct follower *follower)
{
    struct err err = {0};
    int result = store_follow_poll(follower->follow, NULL, on_row, follower, &err);
    if (result < 0)
        fail_msg("%s", err.text);
    return result;
}

static void assert_told(struct follower *follower, const char *expected)
{
    do
        poll_once(follower);
    while (store_follow_is_behind(follower->follow));
    assert_string_equal(follower->told.length > 0 ? follower->told.data : "", expected);
    buffer_clear(&follower->told);
}

static void put(struct fixture *fixture, int64_t id, enum row_state state)
{
    struct exchange_row *row = fixture_row(id);
    row->state = state;
    fixture_put(fixture, row);
    row_destroy(row);
}

static void end_pending(struct fixture *fixture, int64_t id)
{
    struct err err = {0};
    struct exchange_row *row = fixture_row(id);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, row, true, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    row_destroy(row);
}

static char *position_of(const struct follower *follower)
{
    struct buffer text = {0};
    store_follow_position(follower->follow, &text);
    return buffer_take(&text);
}

static void assert_position(const struct follower *follower, const char *expected)
{
    char *position = position_of(follower);
    assert_string_equal(position, expected);
    free(position);
}

static void test_only_what_ends_from_now_on_is_told(void **state)
{
    struct follower follower = {.fixture = *state};
    put(*state, 1, ROW_STATE_DONE);
    put(*state, 2, ROW_STATE_PENDING);
    begin(&follower, &(struct store_follow_options){0});
    assert_told(&follower, "");
    put(*state, 3, ROW_STATE_DONE);
    assert_told(&follower, "3");
    end_pending(*state, 2);
    assert_told(&follower, "2");
    assert_told(&follower, "");
    end(&follower);
}

static void test_rows_that_appear_late_are_told(void **state)
{
    struct follower follower = {.fixture = *state};
    put(*state, 1, ROW_STATE_DONE);
    put(*state, 3, ROW_STATE_DONE);
    begin(&follower, &(struct store_follow_options){0});
    put(*state, 7, ROW_STATE_DONE);
    assert_told(&follower, "7");
    put(*state, 5, ROW_STATE_DONE);
    put(*state, 2, ROW_STATE_DONE);
    put(*state, 6, ROW_STATE_DONE);
    assert_told(&follower, "2 5 6");
    assert_position(&follower, "7;4");
    end(&follower);
}

static void test_pending_ones_are_told_once_more_if_asked(void **state)
{
    struct follower follower = {.fixture = *state};
    begin(&follower, &(struct store_follow_options){.with_pending = true});
    put(*state, 1, ROW_STATE_PENDING);
    assert_told(&follower, "1p");
    put(*state, 2, ROW_STATE_DONE);
    assert_told(&follower, "2");
    end_pending(*state, 1);
    assert_told(&follower, "1");
    end(&follower);
}

static void test_a_filter_chooses(void **state)
{
    struct follower follower = {.fixture = *state};
    struct err err = {0};
    struct filter *filter = filter_create((const char *[]){"status:500"}, 1, &err);
    assert_non_null(filter);
    begin(&follower, &(struct store_follow_options){.filter = filter, .is_wide = true});
    put(*state, 1, ROW_STATE_DONE);
    struct exchange_row *row = fixture_row(2);
    row->status = 500;
    fixture_put(*state, row);
    row_destroy(row);
    put(*state, 3, ROW_STATE_DONE);
    assert_told(&follower, "2");
    assert_position(&follower, "3;");
    end(&follower);
    filter_destroy(filter);
}

static void test_many_new_ones_come_in_several_polls(void **state)
{
    struct follower follower = {.fixture = *state};
    struct err err = {0};
    begin(&follower, &(struct store_follow_options){0});
    fixture_must(store_writer_begin(follower.fixture->writer, &err), &err);
    for (int64_t id = 1; id <= 2000; id++) {
        struct exchange_row *row = fixture_row(id);
        fixture_must(store_writer_put_row(follower.fixture->writer, row, false, &err), &err);
        row_destroy(row);
    }
    fixture_must(store_writer_commit(follower.fixture->writer, &err), &err);
    poll_once(&follower);
    assert_true(follower.rows > 0 && follower.rows < 2000);
    assert_true(store_follow_is_behind(follower.follow));
    while (store_follow_is_behind(follower.follow))
        poll_once(&follower);
    assert_int_equal(follower.rows, 2000);
    end(&follower);
}

static void test_a_callback_that_stops_has_had_its_row(void **state)
{
    struct follower follower = {.fixture = *state, .stop_after = 2};
    begin(&follower, &(struct store_follow_options){0});
    for (int64_t id = 1; id <= 4; id++)
        put(*state, id, ROW_STATE_DONE);
    assert_int_equal(poll_once(&follower), 7);
    assert_position(&follower, "4;3-4");
    assert_told(&follower, "1 2 3 4");
    end(&follower);
}

static void test_a_row_that_is_deleted_meanwhile_is_not_told(void **state)
{
    struct follower follower = {.fixture = *state, .stop_after = 1};
    begin(&follower, &(struct store_follow_options){0});
    put(*state, 1, ROW_STATE_PENDING);
    put(*state, 2, ROW_STATE_DONE);
    put(*state, 3, ROW_STATE_DONE);
    poll_once(&follower);
    sqlite3 *db = fixture_connect(follower.fixture->path);
    fixture_exec(db, "DELETE FROM exchange");
    sqlite3_close(db);
    assert_told(&follower, "2");
    put(*state, 4, ROW_STATE_DONE);
    assert_told(&follower, "4");
    assert_position(&follower, "4;");
    end(&follower);
}

static void test_what_is_no_position_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      ";",
                                      "x;",
                                      "1",
                                      "5;6",
                                      "5;3-2",
                                      "5;1,",
                                      "5;1,,2",
                                      "5;2,1",
                                      "5;1-",
                                      "5;-1",
                                      "5;0",
                                      "-5;",
                                      "5; 1",
                                      "5;1-1x",
                                      "5;1 ",
                                      "05;1-6",
                                      "5;1,1",
                                      "5;+1",
                                      "5;99999999999999999999",
                                      "99999999999999999999;"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (store_follow_is_position(bad[i]))
            fail_msg("taken: \"%s\"", bad[i]);
    assert_true(store_follow_is_position("0;"));
    assert_true(store_follow_is_position("1234;1200-1201,1220"));
    struct err err = {0};
    struct store_reader *reader = fixture_reader(*state);
    assert_null(store_follow_create(reader, &(struct store_follow_options){.position = "x"}, &err));
    assert_contains(err.text, "is no position");
    store_reader_close(reader);
}

// Rows come pending, at once or late; the follower stops, goes on, and is made anew from its
// position, all at random.
struct play {
    struct follower follower;
    unsigned seed;
    int64_t next_id;
    int64_t late[64]; // ids without a row, and
    size_t late_count;
    int64_t pending[64];
    size_t pending_count;
};

static int64_t take_any(struct play *play, int64_t *ids, size_t *count)
{
    size_t index = (size_t)rand_r(&play->seed) % *count;
    int64_t id = ids[index];
    ids[index] = ids[--*count];
    return id;
}

static void write_something(struct play *play)
{
    struct fixture *fixture = play->follower.fixture;
    int choice = rand_r(&play->seed) % 5;
    if (choice == 0 && play->late_count < 64)
        play->late[play->late_count++] = play->next_id++;
    else if (choice == 1 && play->pending_count < 64)
        put(fixture, play->pending[play->pending_count++] = play->next_id++, ROW_STATE_PENDING);
    else if (choice == 2 && play->late_count > 0)
        put(fixture, take_any(play, play->late, &play->late_count), ROW_STATE_DONE);
    else if (choice == 3 && play->pending_count > 0)
        end_pending(fixture, take_any(play, play->pending, &play->pending_count));
    else
        put(fixture, play->next_id++, ROW_STATE_DONE);
}

static void start_over(struct play *play)
{
    char *position = position_of(&play->follower);
    assert_true(store_follow_is_position(position));
    store_follow_destroy(play->follower.follow);
    store_reader_close(play->follower.reader);
    begin(&play->follower, &(struct store_follow_options){.position = position});
    free(position);
}

static void test_nothing_is_missed_and_nothing_repeated(void **state)
{
    struct play play = {.follower = {.fixture = *state}, .seed = 4275, .next_id = 1};
    begin(&play.follower, &(struct store_follow_options){0});
    for (int step = 0; step < 1500; step++) {
        write_something(&play);
        play.follower.stop_after = rand_r(&play.seed) % 3 == 0 ? play.follower.rows + 1 : 0;
        if (rand_r(&play.seed) % 4 == 0)
            poll_once(&play.follower);
        if (rand_r(&play.seed) % 10 == 0)
            start_over(&play);
    }
    while (play.late_count > 0)
        put(*state, take_any(&play, play.late, &play.late_count), ROW_STATE_DONE);
    while (play.pending_count > 0)
        end_pending(*state, take_any(&play, play.pending, &play.pending_count));
    play.follower.stop_after = 0;
    do
        poll_once(&play.follower);
    while (store_follow_is_behind(play.follower.follow));

    char *times = mem_calloc((size_t)play.next_id, 1);
    for (char *at = play.follower.told.data; *at != '\0'; at += strspn(at, " "))
        times[strtoll(at, &at, 10)]++;
    for (int64_t id = 1; id < play.next_id; id++)
        if (times[id] != 1)
            fail_msg("%lld was told %d times", (long long)id, times[id]);
    assert_int_equal(play.follower.rows, play.next_id - 1);
    free(times);
    end(&play.follower);
}

#define FOLLOW_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOW_TEST(test_only_what_ends_from_now_on_is_told),
        FOLLOW_TEST(test_rows_that_appear_late_are_told),
        FOLLOW_TEST(test_pending_ones_are_told_once_more_if_asked),
        FOLLOW_TEST(test_a_filter_chooses),
        FOLLOW_TEST(test_many_new_ones_come_in_several_polls),
        FOLLOW_TEST(test_a_callback_that_stops_has_had_its_row),
        FOLLOW_TEST(test_a_row_that_is_deleted_meanwhile_is_not_told),
        FOLLOW_TEST(test_what_is_no_position_is_refused),
        FOLLOW_TEST(test_nothing_is_missed_and_nothing_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
