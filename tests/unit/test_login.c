// SPDX-License-Identifier: MIT
// Proxy-Authorization: what is taken out of the fields, and what it says.

#include "proxy/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_basic(const char *value, const char *user, const char *password)
{
    struct arena arena = {0};
    struct login login;
    if (login_parse_basic(value, &arena, &login) != 0)
        fail_msg("%s", value);
    assert_string_equal(login.user, user);
    assert_string_equal(login.password, password);
    arena_fini(&arena);
}

static void assert_none(const char *value)
{
    struct arena arena = {0};
    struct login login;
    assert_int_equal(login_parse_basic(value, &arena, &login), -1);
    arena_fini(&arena);
}

static void test_basic_is_user_and_password(void **state)
{
    (void)state;
    assert_basic("Basic YWxpY2U6c2VjcmV0", "alice", "secret");
    assert_basic("basic  YWxpY2U6c2VjcmV0", "alice", "secret");
    assert_basic("Basic YTpiOmM=", "a", "b:c");
    assert_basic("Basic Og==", "", "");
    assert_basic("Basic w7w6w7w=", "ü", "ü");
}

static void test_anything_else_is_none(void **state)
{
    (void)state;
    assert_none(NULL);
    assert_none("");
    assert_none("Basic");
    assert_none("Basic ");
    assert_none("Basic !!!!");
    assert_none("Basic YWxpY2U="); // no colon
    assert_none("Basic YQBhOmI="); // a NUL
    assert_none("Bearer YWxpY2U6c2VjcmV0");
    assert_none("BasicYWxpY2U6c2VjcmV0");
}

static void add(struct fields *fields, struct arena *arena, const char *name, const char *value)
{
    fields_add(fields, arena, name, strlen(name), value, strlen(value));
}

static void test_what_is_given_stays_out_of_the_fields(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct fields fields = {0};
    assert_null(login_take(&fields, &arena));
    add(&fields, &arena, "Host", "a");
    add(&fields, &arena, "PROXY-authorization", "Basic YWxpY2U6c2VjcmV0");
    add(&fields, &arena, "Proxy-Authorization", "Basic Og==");
    assert_string_equal(login_take(&fields, &arena), "Basic Og==");
    assert_string_equal(fields.items[0].value, "a");
    assert_string_equal(fields.items[1].value, "(not recorded)");
    assert_string_equal(fields.items[2].value, "(not recorded)");
    arena_fini(&arena);
}

// As libmicrohttpd before 1.0 hands them over.
static void test_malformed_lines_keep_no_password_either(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct fields fields = {0};
    add(&fields, &arena, "Proxy-Authorization ", "Basic Og==");
    add(&fields, &arena, "Proxy-Authorization\tBasic", "Og==");
    add(&fields, &arena, "proxy-authorizationOg==", "Basic");
    add(&fields, &arena, "Proxy-Authorization-Info", "x");
    assert_null(login_take(&fields, &arena));
    assert_string_equal(fields.items[0].name, "Proxy-Authorization "); // still no name
    assert_string_equal(fields.items[1].name, "Proxy-Authorization\t");
    assert_string_equal(fields.items[2].name, "proxy-authorization");
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(fields.items[i].value, "(not recorded)");
    assert_string_equal(fields.items[3].value, "x");
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic_is_user_and_password),
        cmocka_unit_test(test_anything_else_is_none),
        cmocka_unit_test(test_what_is_given_stays_out_of_the_fields),
        cmocka_unit_test(test_malformed_lines_keep_no_password_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
