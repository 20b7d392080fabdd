// SPDX-License-Identifier: MIT
// The error type: the first error wins, and a message never overruns its room.
#include "hark/err.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void test_setting_returns_minus_one_and_keeps_the_message(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, "store: open %s: %s", "/x/hark.db", "disk full"), -1);
    assert_true(err.is_set);
    assert_string_equal(err.text, "store: open /x/hark.db: disk full");
}

static void test_first_error_wins(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, "the cause");
    assert_int_equal(err_set(&err, "what the clean-up met"), -1);
    assert_string_equal(err.text, "the cause");
}

static void test_prefix_goes_in_front(void **state)
{
    (void)state;
    struct err err = {0};
    err_set(&err, "no such file");
    assert_int_equal(err_prefix(&err, "%s:%d", "hark.conf", 12), -1);
    assert_string_equal(err.text, "hark.conf:12: no such file");
    assert_true(err.is_set);
}

static void test_prefix_without_an_error_sets_none(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_prefix(&err, "hark.conf"), -1);
    assert_false(err.is_set);
    assert_string_equal(err.text, "");
}

static void test_long_message_is_cut(void **state)
{
    (void)state;
    char text[2 * sizeof(((struct err *)NULL)->text)];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct err err = {0};
    err_set(&err, "%s", text);
    assert_true(err.is_set);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_prefix_of_a_full_message_keeps_the_beginning(void **state)
{
    (void)state;
    char text[sizeof(((struct err *)NULL)->text)];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct err err = {0};
    err_set(&err, "%s", text);
    err_prefix(&err, "store");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "store: xxx", strlen("store: xxx"));

    err_prefix(&err, "%s", text);
    assert_string_equal(err.text, text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_setting_returns_minus_one_and_keeps_the_message),
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_prefix_goes_in_front),
        cmocka_unit_test(test_prefix_without_an_error_sets_none),
        cmocka_unit_test(test_long_message_is_cut),
        cmocka_unit_test(test_prefix_of_a_full_message_keeps_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
