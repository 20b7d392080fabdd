// SPDX-License-Identifier: MIT
// Field lists: order, case and repeats are kept, and the stored form gives them back.
#include "hark/fields.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct arena arena;
    struct fields fields;
};

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

static void add(struct fixture *fixture, const char *name, const char *value)
{
    fields_add(&fixture->fields, &fixture->arena, name, strlen(name), value, strlen(value));
}

static void assert_field(const struct field *field, const char *name, const char *value)
{
    assert_non_null(field);
    assert_string_equal(field->name, name);
    assert_int_equal(field->name_length, strlen(name));
    assert_string_equal(field->value, value);
    assert_int_equal(field->value_length, strlen(value));
}

static void test_order_case_and_repeats_are_kept(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "set-cookie", "a=1");
    add(fixture, "X-EMPTY", "");
    add(fixture, "Set-Cookie", "b=2");
    assert_int_equal(fixture->fields.count, 3);
    assert_field(&fixture->fields.items[0], "set-cookie", "a=1");
    assert_field(&fixture->fields.items[1], "X-EMPTY", "");
    assert_field(&fixture->fields.items[2], "Set-Cookie", "b=2");
}

static void test_only_the_given_lengths_are_taken(void **state)
{
    struct fixture *fixture = *state;
    const char *line = "Name: value\r\n";
    fields_add(&fixture->fields, &fixture->arena, line, 4, line + 6, 5);
    assert_field(&fixture->fields.items[0], "Name", "value");
}

static void test_many_fields_stay_in_order(void **state)
{
    struct fixture *fixture = *state;
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "X-%d", i);
        add(fixture, name, name + 2);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "X-%d", i);
        assert_field(&fixture->fields.items[i], name, name + 2);
    }
}

// RFC 9110 section 5.1: field names are case-insensitive.
static void test_names_are_found_in_any_case(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Accept", "first");
    add(fixture, "ACCEPT", "second");
    add(fixture, "Accept-Encoding", "third");
    assert_field(fields_find(&fixture->fields, "accept"), "Accept", "first");
    assert_int_equal(fields_count_name(&fixture->fields, "aCCept"), 2);
    assert_null(fields_find(&fixture->fields, "Accep"));
    assert_int_equal(fields_count_name(&fixture->fields, "Accep"), 0);
}

static void test_wire_bytes_are_those_of_the_lines(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fields_wire_bytes(&fixture->fields), 0);
    add(fixture, "Host", "example.com");
    add(fixture, "X-Empty", "");
    assert_int_equal(fields_wire_bytes(&fixture->fields),
                     strlen("Host: example.com\r\nX-Empty: \r\n"));
}

// --- lists ---------------------------------------------------------------------------------------

static void test_list_is_searched_over_all_its_lines_in_any_case(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Connection", "keep-alive, X-One");
    add(fixture, "connection", "x-two");
    assert_true(fields_list_has(&fixture->fields, "Connection", "Keep-Alive"));
    assert_true(fields_list_has(&fixture->fields, "Connection", "x-one"));
    assert_true(fields_list_has(&fixture->fields, "Connection", "X-Two"));
    assert_false(fields_list_has(&fixture->fields, "Connection", "close"));
    assert_false(fields_list_has(&fixture->fields, "Upgrade", "x-one"));
}

// RFC 9110 section 5.6.1: OWS around the commas, and empty elements.
static void test_list_may_have_empty_elements_and_any_white_space(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Connection", ", a ,\t,b\t ,c,");
    assert_true(fields_list_has(&fixture->fields, "Connection", "a"));
    assert_true(fields_list_has(&fixture->fields, "Connection", "b"));
    assert_true(fields_list_has(&fixture->fields, "Connection", "c"));
    assert_false(fields_list_has(&fixture->fields, "Connection", "d"));
}

static void test_part_of_an_element_is_not_in_the_list(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Connection", "not-close, closed, close-d, clo");
    assert_false(fields_list_has(&fixture->fields, "Connection", "close"));
    assert_false(fields_list_has(&fixture->fields, "Connection", "not"));
}

static void test_element_with_parameters_is_found(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Accept-Encoding", "br;q=0.5, gzip ; q=1");
    assert_true(fields_list_has(&fixture->fields, "Accept-Encoding", "gzip"));
    assert_true(fields_list_has(&fixture->fields, "Accept-Encoding", "br"));
    assert_false(fields_list_has(&fixture->fields, "Accept-Encoding", "q=1"));
}

// --- the stored form -------------------------------------------------------------------------

static void assert_stored(const struct fields *fields, int result, const char *expected)
{
    struct buffer json = {0};
    assert_int_equal(fields_to_json(fields, &json), result);
    assert_string_equal(json.data, expected);
    buffer_fini(&json);
}

static void test_stored_form_is_a_list_of_pairs(void **state)
{
    struct fixture *fixture = *state;
    assert_stored(&fixture->fields, 0, "[]");
    add(fixture, "Host", "example.com");
    add(fixture, "X", "\"quoted\"");
    add(fixture, "host", "");
    assert_stored(&fixture->fields, 0,
                  "[[\"Host\",\"example.com\"],[\"X\",\"\\\"quoted\\\"\"],[\"host\",\"\"]]");
}

static void test_stored_form_says_when_bytes_were_mapped_as_latin1(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "A", "caf\xe9");
    add(fixture, "B", "caf\xc3\xa9");
    assert_stored(&fixture->fields, 1, "[[\"A\",\"caf\xc3\xa9\"],[\"B\",\"caf\xc3\xa9\"]]");
}

static void test_stored_form_is_read_back_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "Set-Cookie", "a=\"1\\2\"");
    add(fixture, "set-cookie", "");
    add(fixture, "X", "\xc3\xa9\t\x7f");
    struct buffer json = {0};
    fields_to_json(&fixture->fields, &json);

    struct fields read = {0};
    struct err err = {0};
    assert_int_equal(fields_from_json(&read, &fixture->arena, json.data, &err), 0);
    assert_int_equal(read.count, 3);
    assert_field(&read.items[0], "Set-Cookie", "a=\"1\\2\"");
    assert_field(&read.items[1], "set-cookie", "");
    assert_field(&read.items[2], "X", "\xc3\xa9\t\x7f");
    buffer_fini(&json);
}

static void test_any_json_of_the_shape_is_read(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    const char *json = " [\n [ \"\\u0058\" , \"\\u00e9\\n\" ] ] ";
    assert_int_equal(fields_from_json(&fixture->fields, &fixture->arena, json, &err), 0);
    assert_int_equal(fixture->fields.count, 1);
    assert_field(&fixture->fields.items[0], "X", "\xc3\xa9\n");
}

static void test_nul_in_the_stored_form_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    const char *json = "[[\"X\",\"a\\u0000b\"]]";
    assert_int_equal(fields_from_json(&fixture->fields, &fixture->arena, json, &err), 0);
    assert_int_equal(fixture->fields.items[0].value_length, 3);
    assert_memory_equal(fixture->fields.items[0].value, "a\0b", 4);
}

static void test_other_json_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const wrong[] = {
        "",
        "[",
        "null",
        "{}",
        "\"X\"",
        "[1]",
        "[\"X\",\"y\"]",
        "[[]]",
        "[[\"X\"]]",
        "[[\"X\",1]]",
        "[[null,\"y\"]]",
        "[{\"X\":\"y\"}]",
        "[[\"X\",\"y\",\"z\"]]",
        "[[\"X\",\"y\"]] []",
        "[[\"X\",\"\xff\"]]",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fields fields = {0};
        struct err err = {0};
        if (fields_from_json(&fields, &fixture->arena, wrong[i], &err) != -1)
            fail_msg("taken for a header list: %s", wrong[i]);
        assert_true(err.is_set);
    }
}

static void test_copy_survives_the_original(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, "A", "one");
    add(fixture, "B", "two");
    struct arena arena = {0};
    struct fields copy;
    fields_copy(&copy, &arena, &fixture->fields);
    arena_fini(&fixture->arena);
    assert_int_equal(copy.count, 2);
    assert_field(&copy.items[0], "A", "one");
    assert_field(&copy.items[1], "B", "two");
    arena_fini(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_case_and_repeats_are_kept),
        TEST(test_only_the_given_lengths_are_taken),
        TEST(test_many_fields_stay_in_order),
        TEST(test_names_are_found_in_any_case),
        TEST(test_wire_bytes_are_those_of_the_lines),
        TEST(test_list_is_searched_over_all_its_lines_in_any_case),
        TEST(test_list_may_have_empty_elements_and_any_white_space),
        TEST(test_part_of_an_element_is_not_in_the_list),
        TEST(test_element_with_parameters_is_found),
        TEST(test_stored_form_is_a_list_of_pairs),
        TEST(test_stored_form_says_when_bytes_were_mapped_as_latin1),
        TEST(test_stored_form_is_read_back_as_it_was),
        TEST(test_any_json_of_the_shape_is_read),
        TEST(test_nul_in_the_stored_form_is_kept),
        TEST(test_other_json_is_refused),
        TEST(test_copy_survives_the_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
