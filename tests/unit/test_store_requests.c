// SPDX-License-Identifier: MIT
// Which recorded requests can answer, and opening a recording that must stay as it is.
#include "store_fixture.h"

#include "hark/mem.h"

struct found {
    int64_t ids[16];
    bool has_body[16];
    size_t count;
};

static void on_request(void *ctx, const struct store_request *request)
{
    struct found *found = ctx;
    found->has_body[found->count] = request->has_body;
    found->ids[found->count++] = request->id;
}

static struct found walk(struct fixture *fixture, const char *filter_text)
{
    struct err err = {0};
    struct found found = {0};
    struct store_reader *reader = store_reader_open(fixture->path, &err);
    struct filter *filter = filter_text == NULL ? NULL : filter_create(&filter_text, 1, &err);
    assert_non_null(reader);
    assert_int_equal(store_walk_requests(reader, filter, on_request, &found, &err), 0);
    filter_destroy(filter);
    store_reader_close(reader);
    return found;
}

static void put(struct fixture *fixture, int64_t id, enum row_source source, enum row_state state,
                const char *error)
{
    struct exchange_row *row = fixture_row(id);
    row->source = source;
    row->state = state;
    row->error = error;
    row->request_size = id;
    fixture_put(fixture, row);
    row_destroy(row);
}

static void test_origins_answers_and_its_errors_can_be_given_again(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, 1, ROW_SOURCE_PROXY, ROW_STATE_DONE, NULL);
    put(fixture, 2, ROW_SOURCE_IMPORT, ROW_STATE_DONE, NULL);
    put(fixture, 3, ROW_SOURCE_PROXY, ROW_STATE_UPSTREAM_ERROR, "dns");
    put(fixture, 4, ROW_SOURCE_PROXY, ROW_STATE_TRUNCATED, "upstream-reset");
    put(fixture, 5, ROW_SOURCE_PROXY, ROW_STATE_CLIENT_ABORT, "client-abort");
    put(fixture, 6, ROW_SOURCE_PROXY, ROW_STATE_DONE, "forbidden");
    put(fixture, 7, ROW_SOURCE_PLAYBACK, ROW_STATE_DONE, NULL);
    put(fixture, 8, ROW_SOURCE_REPLAY, ROW_STATE_DONE, NULL);
    put(fixture, 9, ROW_SOURCE_PROXY, ROW_STATE_PENDING, NULL);
    struct found found = walk(fixture, NULL);
    assert_int_equal(found.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(found.ids[i], i + 1);
        assert_true(found.has_body[i]);
    }
}

static void test_cut_and_unanswered_exchanges_cannot(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    row->body_truncated = true;
    fixture_put(fixture, row);
    row->id = 2;
    row->body_truncated = false;
    row->status = 0;
    fixture_put(fixture, row);
    row->id = 3;
    row->status = 200;
    row->kind = ROW_KIND_TUNNEL;
    fixture_put(fixture, row);
    row_destroy(row);
    assert_int_equal(walk(fixture, NULL).count, 0);
}

static void test_filter_chooses(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t id = 1; id <= 3; id++) {
        struct exchange_row *row = fixture_row(id);
        row->session_id = id;
        fixture_put(fixture, row);
        row_destroy(row);
    }
    struct found found = walk(fixture, "session:2");
    assert_int_equal(found.count, 1);
    assert_int_equal(found.ids[0], 2);
}

static bool exists(const struct fixture *fixture, const char *suffix)
{
    char *path = mem_printf("%s%s", fixture->path, suffix);
    bool exists = access(path, F_OK) == 0;
    free(path);
    return exists;
}

static void remove_beside(const struct fixture *fixture, const char *suffix)
{
    char *path = mem_printf("%s%s", fixture->path, suffix);
    unlink(path);
    free(path);
}

static void test_still_recording_gets_no_files_beside_it(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    put(fixture, 1, ROW_SOURCE_PROXY, ROW_STATE_DONE, NULL);
    fixture_close(fixture);
    remove_beside(fixture, "-wal");
    remove_beside(fixture, "-shm");
    struct store_reader *reader = store_reader_open_still(fixture->path, &err);
    assert_non_null(reader);
    struct exchange_row *row = NULL;
    assert_int_equal(store_get_row(reader, 1, &row, &err), STORE_FOUND);
    row_destroy(row);
    assert_false(exists(fixture, "-wal"));
    assert_false(exists(fixture, "-shm"));
    // A writer has to wait for somebody else's file.
    assert_null(fixture_try_open(fixture, &err));
    store_reader_close(reader);
    fixture_open(fixture);
}

static void test_recording_that_is_written_to_is_read_as_it_grows(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    struct store_reader *reader = store_reader_open_still(fixture->path, &err);
    assert_non_null(reader);
    put(fixture, 1, ROW_SOURCE_PROXY, ROW_STATE_DONE, NULL);
    struct exchange_row *row = NULL;
    assert_int_equal(store_get_row(reader, 1, &row, &err), STORE_FOUND);
    row_destroy(row);
    store_reader_close(reader);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_origins_answers_and_its_errors_can_be_given_again),
        TEST(test_cut_and_unanswered_exchanges_cannot),
        TEST(test_filter_chooses),
        TEST(test_still_recording_gets_no_files_beside_it),
        TEST(test_recording_that_is_written_to_is_read_as_it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
