// SPDX-License-Identifier: MIT
// Sizes, durations, ages and time stamps for people, at the edges of their units.
#include "hark/human.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000)

static void assert_all(void (*append)(struct buffer *, int64_t), const int64_t *numbers,
                       const char *const *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buffer text = {0};
        append(&text, numbers[i]);
        assert_string_equal(text.data, expected[i]);
        buffer_fini(&text);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const int64_t bytes[] = {
        0, 1023, 1024, 1536, 10188, 1048063, 1048064, INT64_C(1) << 40, INT64_MAX};
    static const char *const expected[] = {"0",     "1023", "1.0k", "1.5k", "9.9k",
                                           "1023k", "1.0M", "1.0T", "8.0E"};
    assert_all(human_append_size, bytes, expected, sizeof bytes / sizeof bytes[0]);
}

static void test_sizes_in_a_sentence_have_a_unit(void **state)
{
    (void)state;
    static const int64_t bytes[] = {0, 1, 1023, 1024};
    static const char *const expected[] = {"0 bytes", "1 byte", "1023 bytes", "1.0k"};
    assert_all(human_append_bytes, bytes, expected, sizeof bytes / sizeof bytes[0]);
}

static void test_durations(void **state)
{
    (void)state;
    static const int64_t us[] = {0,      9940,    9960,     999400,   999600,
                                 59 * S, 125 * S, 3599 * S, 3600 * S, 90061 * S};
    static const char *const expected[] = {"0.0ms", "9.9ms", "10ms",   "999ms", "1.0s",
                                           "59.0s", "2m05s", "59m59s", "1h00m", "25h01m"};
    assert_all(human_append_duration, us, expected, sizeof us / sizeof us[0]);
}

static void test_ages(void **state)
{
    (void)state;
    static const int64_t us[] = {-5 * S, 0,        S,         59 * S,
                                 60 * S, 3600 * S, 86400 * S, 86400 * 800 * S};
    static const char *const expected[] = {"now", "now", "1s", "59s", "1m", "1h", "1d", "800d"};
    assert_all(human_append_age, us, expected, sizeof us / sizeof us[0]);
}

static void test_time_stamps_come_back(void **state)
{
    (void)state;
    static const int64_t times[] = {0, INT64_C(1769860860123000), INT64_C(4102444799999000)};
    static const char *const expected[] = {"1970-01-01T00:00:00.000Z", "2026-01-31T12:01:00.123Z",
                                           "2099-12-31T23:59:59.999Z"};
    assert_all(human_append_timestamp, times, expected, 3);
    for (size_t i = 0; i < 3; i++) {
        int64_t back;
        assert_int_equal(human_parse_timestamp(expected[i], &back), 0);
        assert_int_equal(back, times[i]);
    }
}

static void test_other_texts_are_no_time_stamps(void **state)
{
    (void)state;
    static const char *const others[] = {"", "2026-01-31", "2026-01-31T12:01:00Z",
                                         "2026-01-31T12:01:00.123", "2026-01-31T12:01:00.123Zx"};
    int64_t back;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (human_parse_timestamp(others[i], &back) == 0)
            fail_msg("taken: %s", others[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_sizes_in_a_sentence_have_a_unit),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_time_stamps_come_back),
        cmocka_unit_test(test_other_texts_are_no_time_stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
