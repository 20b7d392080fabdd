// SPDX-License-Identifier: MIT
// Where a request that is about to be sent again holds marks of redaction.
#include "proxy/replay_marks.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MARK "redacted:0123456789abcdef"

struct fixture {
    struct arena arena;
    struct replay_message message;
    struct replay_marks marks;
    struct err reason;
};

static void add_field(struct fixture *fixture, const char *name, const char *value)
{
    fields_add(&fixture->message.headers, &fixture->arena, name, strlen(name), value,
               strlen(value));
}

static void assert_told(struct fixture *fixture, const char *places)
{
    replay_marks_find(&fixture->marks, &fixture->message);
    assert_int_equal(replay_marks_explain(&fixture->marks, &fixture->reason), places ? -1 : 0);
    if (places != NULL && strcmp(strstr(fixture->reason.text, ": ") + 2, places) != 0)
        fail_msg("the reason is \"%s\"", fixture->reason.text);
    arena_fini(&fixture->arena);
}

static void test_request_without_marks_goes_out(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/redacted?a=redacted:&b=1"};
    add_field(&fixture, "Authorization", "Bearer abc");
    assert_told(&fixture, NULL);
}

static void test_fields_are_named_once(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/"};
    add_field(&fixture, "Authorization", "Bearer " MARK);
    add_field(&fixture, "Cookie", "a=1; b=" MARK);
    add_field(&fixture, "Cookie", "c=" MARK);
    assert_told(&fixture, "Authorization, Cookie");
}

static void test_fields_that_end_at_this_hop_do_not_count(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/"};
    add_field(&fixture, "Proxy-Authorization", "Basic " MARK);
    add_field(&fixture, "X-Key", MARK);
    add_field(&fixture, "Connection", "X-Key");
    assert_told(&fixture, NULL);
}

static void test_target_is_looked_into(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/a;k=" MARK "?token=" MARK "&b=1&to%6Ben2=" MARK};
    assert_told(&fixture, "path, parameter token, parameter token2");
}

static void test_body_may_come_in_any_pieces(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/"};
    static const char body[] = "{\"password\":\"" MARK "\"}";
    for (size_t i = 0; i < strlen(body); i++)
        if (replay_marks_on_segment(&fixture.marks, (int64_t)i, 0, body + i, 1) != 0)
            break;
    assert_told(&fixture, "body");
}

static void test_many_places_are_counted(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/"};
    static const char *const names[] = {"A", "B", "C", "D", "E", "F"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        add_field(&fixture, names[i], MARK);
    assert_told(&fixture, "A, B, C, D and 2 more");
}

static void test_long_names_are_cut(void **state)
{
    (void)state;
    struct fixture fixture = {.message.target = "/"};
    char name[2000];
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    add_field(&fixture, name, MARK);
    name[40] = '\0';
    assert_told(&fixture, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_without_marks_goes_out),
        cmocka_unit_test(test_fields_are_named_once),
        cmocka_unit_test(test_fields_that_end_at_this_hop_do_not_count),
        cmocka_unit_test(test_target_is_looked_into),
        cmocka_unit_test(test_body_may_come_in_any_pieces),
        cmocka_unit_test(test_many_places_are_counted),
        cmocka_unit_test(test_long_names_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
