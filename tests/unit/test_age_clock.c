// SPDX-License-Identifier: MIT
#include "proxy/age_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND ((int64_t)1000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define START  (1000 * DAY)
#define BOOT   HOUR

static void test_it_follows_the_wall_clock(void **state)
{
    (void)state;
    struct age_clock clock = {0};
    assert_int_equal(age_clock_now_us(&clock, START, BOOT), START);
    assert_int_equal(age_clock_now_us(&clock, START + DAY, BOOT + DAY), START + DAY);
    // A clock that is corrected a little now and then.
    for (int i = 1; i < 100; i++)
        assert_int_equal(age_clock_now_us(&clock, START + DAY + i * 60 * SECOND, BOOT + DAY + i),
                         START + DAY + i * 60 * SECOND);
    assert_false(clock.is_ahead);
}

static void test_leap_forward_counts_only_after_an_hour(void **state)
{
    (void)state;
    struct age_clock clock = {0};
    age_clock_now_us(&clock, START, BOOT);
    assert_int_equal(age_clock_now_us(&clock, START + DAY + SECOND, BOOT + SECOND), START + SECOND);
    assert_true(clock.is_ahead);
    assert_int_equal(age_clock_now_us(&clock, START + DAY + HOUR, BOOT + HOUR), START + HOUR);
    assert_int_equal(age_clock_now_us(&clock, START + DAY + 2 * HOUR, BOOT + 2 * HOUR),
                     START + DAY + 2 * HOUR);
    assert_false(clock.is_ahead);
}

static void test_leap_that_is_taken_back_never_counts(void **state)
{
    (void)state;
    struct age_clock clock = {0};
    age_clock_now_us(&clock, START, BOOT);
    age_clock_now_us(&clock, START + DAY, BOOT + SECOND);
    assert_int_equal(age_clock_now_us(&clock, START + 2 * SECOND, BOOT + 2 * SECOND),
                     START + 2 * SECOND);
    assert_false(clock.is_ahead);
    assert_int_equal(age_clock_now_us(&clock, START + DAY + HOUR, BOOT + HOUR), START + HOUR);
}

static void test_leap_back_counts_at_once(void **state)
{
    (void)state;
    struct age_clock clock = {0};
    age_clock_now_us(&clock, START, BOOT);
    assert_int_equal(age_clock_now_us(&clock, START - DAY, BOOT + SECOND), START - DAY);
    assert_int_equal(age_clock_now_us(&clock, START - DAY + HOUR, BOOT + HOUR), START - DAY + HOUR);
}

static void test_nothing_is_known_right_after_the_start_of_the_machine(void **state)
{
    (void)state;
    struct age_clock clock = {0};
    assert_int_equal(age_clock_now_us(&clock, START + 9 * DAY, 20 * SECOND), 0);
    assert_int_equal(age_clock_now_us(&clock, START + HOUR, BOOT), START + HOUR);
    assert_false(clock.is_ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_follows_the_wall_clock),
        cmocka_unit_test(test_leap_forward_counts_only_after_an_hour),
        cmocka_unit_test(test_leap_that_is_taken_back_never_counts),
        cmocka_unit_test(test_leap_back_counts_at_once),
        cmocka_unit_test(test_nothing_is_known_right_after_the_start_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
