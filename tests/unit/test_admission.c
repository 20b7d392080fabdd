// SPDX-License-Identifier: MIT
// Who is let in, how many connections of one client, and what is given back.

#include "proxy/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct log *log;
    struct admission *admission;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    // Nothing is logged at this level.
    fixture.log = log_create(STDERR_FILENO, LOG_LEVEL_ERROR, false);
    fixture.admission = admission_create(fixture.log);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    admission_destroy(fixture->admission);
    log_destroy(fixture->log);
    return 0;
}

static void configure(const struct fixture *fixture, const char *allow, const char *per_client)
{
    char first[128];
    char second[128];
    snprintf(first, sizeof(first), "allow=%s", allow);
    snprintf(second, sizeof(second), "max_connections_per_client=%s", per_client);
    const char *const sets[] = {first, second};
    struct err err = {0};
    struct config *config = config_load(
        &(struct config_sources){.file = "/dev/null", .sets = sets, .set_count = 2}, &err);
    assert_non_null(config);
    admission_configure(fixture->admission, config);
    config_release(config);
}

static struct address parsed(const char *text)
{
    struct address address;
    assert_int_equal(address_parse(text, &address), 0);
    return address;
}

static bool allows(const struct fixture *fixture, const char *text)
{
    struct address address = parsed(text);
    return admission_allows(fixture->admission, &address);
}

static enum admission_verdict enter(const struct fixture *fixture, const char *text,
                                    struct client_count **count)
{
    struct address address = parsed(text);
    return admission_enter(fixture->admission, &address, count);
}

static void test_loopback_is_always_let_in_and_others_by_allow(void **state)
{
    configure(*state, "", "0");
    assert_true(allows(*state, "127.0.0.1:1"));
    assert_true(allows(*state, "[::1]:1"));
    assert_true(allows(*state, "[::ffff:127.0.0.1]:1"));
    assert_false(allows(*state, "10.0.0.1:1"));
    configure(*state, "10.0.0.0/24 fd00::/8", "0");
    assert_true(allows(*state, "10.0.0.1:1"));
    assert_true(allows(*state, "[::ffff:10.0.0.1]:1"));
    assert_true(allows(*state, "[fd00::1]:1"));
    assert_false(allows(*state, "10.0.1.1:1"));
    assert_false(allows(*state, "[2001:db8::1]:1"));
}

static void test_connections_of_a_client_are_limited_until_one_leaves(void **state)
{
    struct fixture *fixture = *state;
    struct client_count *count[3];
    struct client_count *other;
    configure(fixture, "0.0.0.0/0", "2");
    assert_int_equal(enter(fixture, "10.0.0.1:1", &count[0]), ADMITTED);
    assert_int_equal(enter(fixture, "10.0.0.1:2", &count[1]), ADMITTED);
    assert_int_equal(enter(fixture, "10.0.0.1:3", &count[2]), ADMISSION_TOO_MANY);
    assert_null(count[2]);
    assert_int_equal(enter(fixture, "[::ffff:10.0.0.1]:3", &count[2]), ADMISSION_TOO_MANY);
    assert_int_equal(enter(fixture, "10.0.0.2:1", &other), ADMITTED);
    admission_leave(fixture->admission, count[0]);
    assert_int_equal(enter(fixture, "10.0.0.1:4", &count[0]), ADMITTED);
    admission_leave(fixture->admission, count[0]);
    admission_leave(fixture->admission, count[1]);
    admission_leave(fixture->admission, count[2]);
    admission_leave(fixture->admission, other);
}

static void test_client_of_ipv6_is_a_network(void **state)
{
    struct fixture *fixture = *state;
    struct client_count *count[2];
    struct client_count *refused;
    configure(fixture, "::/0", "1");
    assert_int_equal(enter(fixture, "[2001:db8:0:1::1]:1", &count[0]), ADMITTED);
    assert_int_equal(enter(fixture, "[2001:db8:0:1:ffff::2]:1", &refused), ADMISSION_TOO_MANY);
    assert_int_equal(enter(fixture, "[2001:db8:0:2::1]:1", &count[1]), ADMITTED);
    admission_leave(fixture->admission, count[0]);
    admission_leave(fixture->admission, count[1]);
}

static void test_limit_that_changes_counts_from_then_on(void **state)
{
    struct fixture *fixture = *state;
    struct client_count *uncounted;
    struct client_count *counted;
    struct client_count *refused;
    configure(fixture, "", "0");
    assert_int_equal(enter(fixture, "127.0.0.1:1", &uncounted), ADMITTED);
    configure(fixture, "", "1");
    assert_int_equal(enter(fixture, "127.0.0.1:2", &counted), ADMITTED);
    assert_int_equal(enter(fixture, "127.0.0.1:3", &refused), ADMISSION_TOO_MANY);
    configure(fixture, "", "0");
    admission_leave(fixture->admission, uncounted);
    admission_leave(fixture->admission, counted);
    configure(fixture, "", "1");
    assert_int_equal(enter(fixture, "127.0.0.1:4", &counted), ADMITTED);
    admission_leave(fixture->admission, counted);
}

static void test_refusals_are_counted_by_reason(void **state)
{
    struct fixture *fixture = *state;
    struct client_count *counts[2];
    struct server_status status = {0};
    configure(fixture, "", "1");
    allows(fixture, "10.0.0.1:1");
    enter(fixture, "10.0.0.1:1", &counts[0]);
    enter(fixture, "127.0.0.1:1", &counts[0]);
    enter(fixture, "127.0.0.1:2", &counts[1]);
    admission_count_overload(fixture->admission);
    admission_get_status(fixture->admission, &status);
    assert_int_equal(status.refused_forbidden, 2);
    assert_int_equal(status.refused_per_client, 1);
    assert_int_equal(status.refused_overload, 1);
    admission_leave(fixture->admission, counts[0]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_loopback_is_always_let_in_and_others_by_allow),
        TEST(test_connections_of_a_client_are_limited_until_one_leaves),
        TEST(test_client_of_ipv6_is_a_network),
        TEST(test_limit_that_changes_counts_from_then_on),
        TEST(test_refusals_are_counted_by_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
