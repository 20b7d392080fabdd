// SPDX-License-Identifier: MIT
// One parameter of a query is changed, and nothing else of it.
#include "hark/query.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_set(const char *query, const char *name, const char *value, const char *expected)
{
    struct arena arena = {0};
    assert_string_equal(query_set(&arena, query, name, value), expected);
    arena_fini(&arena);
}

static void test_a_parameter_that_is_not_there_is_added_at_the_end(void **state)
{
    (void)state;
    assert_set(NULL, "page", "2", "page=2");
    assert_set("", "page", "2", "page=2");
    assert_set("q=x", "page", "2", "q=x&page=2");
}

static void test_a_parameter_keeps_its_place(void **state)
{
    (void)state;
    assert_set("a=1&page=1&z=9", "page", "2", "a=1&page=2&z=9");
    assert_set("page&z", "page", "2", "page=2&z");
    assert_set("page=1", "page", "", "page=");
}

static void test_repeats_are_left_out(void **state)
{
    (void)state;
    assert_set("id=1&id=2&x&id", "id", "7", "id=7&x");
}

static void test_names_are_compared_decoded(void **state)
{
    (void)state;
    assert_set("p%61ge=1&na+me=2", "page", "2", "p%61ge=2&na+me=2");
    assert_set("na+me=2", "na me", "3", "na+me=3");
    assert_set("na%20me=2", "na me", "3", "na%20me=3");
    assert_set("pages=1&pag=2", "page", "3", "pages=1&pag=2&page=3");
    assert_set("a%6=1", "a%6", "2", "a%6=2");
}

static void test_everything_else_stays_as_it_is_spelt(void **state)
{
    (void)state;
    assert_set("&&=x&a=%zz&%", "b", "1", "&&=x&a=%zz&%&b=1");
}

static void test_what_means_something_is_encoded(void **state)
{
    (void)state;
    assert_set(NULL, "q", "a b&c=d+#%\xc3\xa9", "q=a%20b%26c=d%2B%23%25%C3%A9");
    assert_set(NULL, "a=b&", "1", "a%3Db%26=1");
}

static void test_parameters_are_decoded_in_their_order(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct fields list = {0};
    query_parse(&list, &arena, "b=%31+2&&a&c==&%62=%zz&=v");
    static const char *const expected[] = {"b", "1 2", "a", "", "c", "=", "b", "%zz", "", "v"};
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.items[i].name, expected[2 * i]);
        assert_string_equal(list.items[i].value, expected[2 * i + 1]);
    }
    list = (struct fields){0};
    query_parse(&list, &arena, NULL);
    query_parse(&list, &arena, "");
    assert_int_equal(list.count, 0);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_parameter_that_is_not_there_is_added_at_the_end),
        cmocka_unit_test(test_a_parameter_keeps_its_place),
        cmocka_unit_test(test_repeats_are_left_out),
        cmocka_unit_test(test_names_are_compared_decoded),
        cmocka_unit_test(test_everything_else_stays_as_it_is_spelt),
        cmocka_unit_test(test_what_means_something_is_encoded),
        cmocka_unit_test(test_parameters_are_decoded_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
