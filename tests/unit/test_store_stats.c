// SPDX-License-Identifier: MIT
// Counting by host and status, and the histogram behind its percentiles.
#include "store/histogram.h"
#include "store_fixture.h"

static void test_percentiles_are_within_a_hundredth(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    for (int64_t value = 1; value <= 100000; value++)
        histogram_add(&histogram, value * 7);
    const int percents[] = {1, 50, 90, 99, 100};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        int64_t exact = 7000 * (int64_t)percents[i];
        int64_t found = histogram_percentile(&histogram, percents[i]);
        assert_in_range(found, exact - exact / 100, exact + exact / 100);
    }
    assert_int_equal(histogram.count, 100000);
    histogram_fini(&histogram);
}

static void test_few_values_are_exact(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    histogram_add(&histogram, 123456789);
    assert_int_equal(histogram_percentile(&histogram, 1), 123456789);
    assert_int_equal(histogram_percentile(&histogram, 99), 123456789);
    histogram_add(&histogram, 0);
    histogram_add(&histogram, 127);
    assert_int_equal(histogram_percentile(&histogram, 1), 0);
    assert_int_equal(histogram_percentile(&histogram, 50), 127);
    assert_int_equal(histogram_percentile(&histogram, 99), 123456789);
    histogram_fini(&histogram);
}

static void test_largest_value_fits(void **state)
{
    (void)state;
    struct histogram histogram = {0};
    histogram_add(&histogram, INT64_MAX);
    histogram_add(&histogram, 128);
    assert_int_equal(histogram_percentile(&histogram, 99), INT64_MAX);
    assert_int_equal(histogram_percentile(&histogram, 50), 128);
    histogram_fini(&histogram);
}

// --- the recording ------------------------------------------------------------------------------

static void put(struct fixture *fixture, int64_t id, const char *host, int status,
                int64_t duration_us, enum row_state state)
{
    struct exchange_row *row = fixture_row(id);
    row->host = host;
    row->status = status;
    row->duration_us = duration_us;
    row->state = state;
    row->request_size = 10;
    row->response_size = 100;
    fixture_put(fixture, row);
    row_destroy(row);
}

static int on_columns(void *ctx, size_t count, const char *const *names)
{
    buffer_clear(ctx);
    for (size_t i = 0; i < count; i++)
        buffer_printf(ctx, "%s%s", names[i], i + 1 < count ? " " : "\n");
    return 0;
}

static void append_value(struct buffer *out, const struct value *value)
{
    if (value->type == VALUE_NULL)
        buffer_append_text(out, "-");
    else if (value->type == VALUE_TEXT)
        buffer_append_text(out, value->data);
    else if (value->type == VALUE_INTEGER)
        buffer_printf(out, "%lld", (long long)value->integer);
    else
        buffer_printf(out, "%g", value->real);
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)names;
    for (size_t i = 0; i < count; i++) {
        append_value(ctx, &values[i]);
        buffer_append_char(ctx, i + 1 < count ? ' ' : '\n');
    }
    return 0;
}

#define NAMES "host status count errors request_bytes response_bytes p50_ms p90_ms p99_ms\n"

static void assert_stats(struct fixture *fixture, const char *text, const char *expected)
{
    struct err err = {0};
    struct buffer out = {0};
    struct filter *filter = text == NULL ? NULL : filter_create(&text, 1, &err);
    struct store_reader *reader = fixture_reader(fixture);
    assert_int_equal(store_stats(reader, filter, on_columns, on_row, &out, &err), 0);
    assert_string_equal(out.data, expected);
    store_reader_close(reader);
    filter_destroy(filter);
    buffer_fini(&out);
}

static void test_empty_recording_has_no_rows(void **state)
{
    assert_stats(*state, NULL, NAMES);
}

static void test_rows_are_counted_by_host_and_status(void **state)
{
    put(*state, 1, "a.test", 200, 1000, ROW_STATE_DONE);
    put(*state, 2, "b.test", 500, 2000, ROW_STATE_DONE);
    put(*state, 3, "b.test", 200, 3000, ROW_STATE_DONE);
    put(*state, 4, "b.test", 200, 5000, ROW_STATE_TRUNCATED);
    put(*state, 5, "b.test", 0, -1, ROW_STATE_PENDING);
    put(*state, 6, NULL, 400, 0, ROW_STATE_DONE);
    put(*state, 4000000000, "a.test", 200, 9000, ROW_STATE_DONE);
    assert_stats(*state, NULL,
                 NAMES "b.test - 1 0 10 100 - - -\n"
                       "b.test 200 2 1 20 200 3 5 5\n"
                       "b.test 500 1 1 10 100 2 2 2\n"
                       "a.test 200 2 0 20 200 1 9 9\n"
                       "- 400 1 1 10 100 0 0 0\n");
    assert_stats(*state, "host:b.test status:>=200",
                 NAMES "b.test 200 2 1 20 200 3 5 5\n"
                       "b.test 500 1 1 10 100 2 2 2\n");
    assert_stats(*state, "host:none", NAMES);
}

static void test_many_hosts_are_kept_apart(void **state)
{
    char host[32];
    for (int i = 1; i <= 300; i++) {
        snprintf(host, sizeof(host), "%03d.test", i);
        put(*state, i, host, 200, i * 1000, ROW_STATE_DONE);
    }
    struct buffer expected = {0};
    buffer_append_text(&expected, NAMES);
    for (int i = 1; i <= 100; i++)
        buffer_printf(&expected, "%03d.test 200 1 0 10 100 %d %d %d\n", i, i, i, i);
    assert_stats(*state, "id:..100", expected.data);
    buffer_fini(&expected);
    assert_stats(*state, "host:300.test", NAMES "300.test 200 1 0 10 100 300 300 300\n");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles_are_within_a_hundredth),
        cmocka_unit_test(test_few_values_are_exact),
        cmocka_unit_test(test_largest_value_fits),
        CASE(test_empty_recording_has_no_rows),
        CASE(test_rows_are_counted_by_host_and_status),
        CASE(test_many_hosts_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
