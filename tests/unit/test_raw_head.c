// SPDX-License-Identifier: MIT
// Request heads as bytes: where they end, and what makes them unfit for a tolerant parser (RFC 9112
// sections 2.2, 3 and 5).
#include "hark/raw_head.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
    struct arena arena;
    struct request_head head;
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

static int parse_bytes(struct fixture *fixture, const char *bytes, size_t length)
{
    struct err err = {0};
    // In memory of its own, without a NUL.
    char *copy = malloc(length);
    memcpy(copy, bytes, length);
    int status =
        raw_head_parse(copy, length, &fixture->arena, &fixture->head, &fixture->fields, &err);
    free(copy);
    assert_int_equal(err.is_set, status != 0);
    assert_non_null(fixture->head.method);
    assert_non_null(fixture->head.target);
    assert_non_null(fixture->head.version);
    return status;
}

static int parse(struct fixture *fixture, const char *text)
{
    return parse_bytes(fixture, text, strlen(text));
}

static void assert_status(struct fixture *fixture, const char *text, int expected)
{
    int status = parse(fixture, text);
    if (status != expected)
        fail_msg("%d instead of %d for: %s", status, expected, text);
}

// A good head but for this line.
static void assert_line(struct fixture *fixture, const char *line, int expected)
{
    struct buffer text = {0};
    buffer_printf(&text, "GET http://h/ HTTP/1.1\r\nHost: h\r\n%s\r\n\r\n", line);
    assert_status(fixture, text.data, expected);
    buffer_fini(&text);
}

// A good head but for the request line.
static void assert_request_line(struct fixture *fixture, const char *line, int expected)
{
    struct buffer text = {0};
    buffer_printf(&text, "%s\r\nHost: h\r\n\r\n", line);
    assert_status(fixture, text.data, expected);
    buffer_fini(&text);
}

static void assert_field(const struct fixture *fixture, size_t index, const char *name,
                         const char *value)
{
    assert_true(index < fixture->fields.count);
    assert_string_equal(fixture->fields.items[index].name, name);
    assert_string_equal(fixture->fields.items[index].value, value);
}

// --- where a head ends -------------------------------------------------------------------------

static void assert_length(const char *text, size_t expected)
{
    size_t length = raw_head_length(text, strlen(text));
    if (length != expected)
        fail_msg("%zu instead of %zu for: %s", length, expected, text);
}

static void test_head_ends_behind_its_empty_line(void **state)
{
    (void)state;
    assert_length("GET / HTTP/1.1\r\nA: b\r\n\r\n", 24);
    assert_length("GET / HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n", 18);
}

static void test_head_without_its_end_has_no_length(void **state)
{
    (void)state;
    const char *text = "\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n";
    for (size_t length = 0; length < strlen(text); length++) {
        char *copy = malloc(length + (length == 0));
        memcpy(copy, text, length);
        assert_int_equal(raw_head_length(copy, length), 0);
        free(copy);
    }
    assert_length(text, strlen(text));
}

// Section 2.2: "SHOULD ignore at least one empty line (CRLF) received prior to the request-line".
static void test_empty_lines_before_a_head_belong_to_it(void **state)
{
    (void)state;
    assert_length("\r\n\r\nGET / HTTP/1.1\r\n\r\n", 22);
    assert_length("\r\n\r\n", 0);
}

static void test_head_with_bare_line_feeds_has_an_end(void **state)
{
    (void)state;
    assert_length("GET / HTTP/1.1\nA: b\n\nx", 21);
    assert_length("GET / HTTP/1.1\n\r\nx", 17);
    assert_length("GET / HTTP/1.1\r\n\nx", 17);
}

// --- what is read ------------------------------------------------------------------------------

static void test_good_head_is_taken_apart(void **state)
{
    struct fixture *fixture = *state;
    assert_status(fixture,
                  "POST http://h/a?b=%20 HTTP/1.1\r\nhost:h\r\nX-Two: \t a b \t\r\nX-Empty:\r\n"
                  "x-two: caf\xc3\xa9:\xe9\r\n\r\n",
                  0);
    assert_string_equal(fixture->head.method, "POST");
    assert_string_equal(fixture->head.target, "http://h/a?b=%20");
    assert_string_equal(fixture->head.version, "HTTP/1.1");
    assert_ptr_equal(fixture->head.fields, &fixture->fields);
    assert_int_equal(fixture->fields.count, 4);
    assert_field(fixture, 0, "host", "h");
    assert_field(fixture, 1, "X-Two", "a b");
    assert_field(fixture, 2, "X-Empty", "");
    assert_field(fixture, 3, "x-two", "caf\xc3\xa9:\xe9");
}

static void test_empty_lines_before_the_request_line_are_skipped(void **state)
{
    struct fixture *fixture = *state;
    assert_status(fixture, "\r\n\r\nGET / HTTP/1.0\r\n\r\n", 0);
    assert_string_equal(fixture->head.method, "GET");
    assert_int_equal(fixture->fields.count, 0);
}

static void test_what_was_read_before_a_mistake_is_there(void **state)
{
    struct fixture *fixture = *state;
    assert_status(fixture, "GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\nbroken\r\nZ: z\r\n\r\n", 400);
    assert_string_equal(fixture->head.method, "GET");
    assert_string_equal(fixture->head.target, "/a");
    assert_int_equal(fixture->fields.count, 2);
    assert_field(fixture, 1, "X", "y");

    assert_status(fixture, "GET /a HTTP/1.1\nHost: h\n\n", 400);
    assert_string_equal(fixture->head.method, "GET");
    assert_string_equal(fixture->head.target, "/a");
    assert_string_equal(fixture->head.version, "HTTP/1.1");
}

// --- the request line (section 3) ----------------------------------------------------------------

static void test_request_line_has_three_words_and_two_spaces(void **state)
{
    struct fixture *fixture = *state;
    assert_request_line(fixture, "M-FOO http://h/ HTTP/1.1", 0);
    assert_request_line(fixture, "GET http://h/caf\xc3\xa9 HTTP/1.1", 0);
    assert_request_line(fixture, "GET", 400);
    assert_request_line(fixture, "GET ", 400);
    assert_request_line(fixture, "GET http://h/", 400);
    assert_request_line(fixture, "GET  HTTP/1.1", 400);
    assert_request_line(fixture, "GET  http://h/ HTTP/1.1", 400);
    assert_request_line(fixture, "GET http://h/  HTTP/1.1", 400);
    assert_request_line(fixture, "GET http://h/a b HTTP/1.1", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/1.1 ", 400);
    assert_request_line(fixture, " GET http://h/ HTTP/1.1", 400);
    assert_request_line(fixture, "GET\thttp://h/\tHTTP/1.1", 400);
    assert_request_line(fixture, "GET http://h/\tHTTP/1.1", 400);
}

static void test_method_must_be_a_token(void **state)
{
    struct fixture *fixture = *state;
    assert_request_line(fixture, "G(T http://h/ HTTP/1.1", 400);
    assert_request_line(fixture, "G\x01T http://h/ HTTP/1.1", 400);
    assert_request_line(fixture, " http://h/ HTTP/1.1", 400);
}

static void test_target_has_no_control_character(void **state)
{
    struct fixture *fixture = *state;
    assert_request_line(fixture, "GET http://h/\x01 HTTP/1.1", 400);
    assert_request_line(fixture, "GET http://h/\x7f HTTP/1.1", 400);
    static const char nul[] = "GET http://h/\0a HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_int_equal(parse_bytes(fixture, nul, sizeof(nul) - 1), 400);
    static const char in_version[] = "GET http://h/ HTTP/1.1\0\r\nHost: h\r\n\r\n";
    assert_int_equal(parse_bytes(fixture, in_version, sizeof(in_version) - 1), 400);
}

static void test_version_is_http_1(void **state)
{
    struct fixture *fixture = *state;
    assert_request_line(fixture, "GET http://h/ HTTP/1.0", 0);
    assert_request_line(fixture, "GET http://h/ HTTP/1.2", 0);
    assert_request_line(fixture, "GET http://h/ HTTP/2.0", 505);
    assert_request_line(fixture, "GET http://h/ HTTP/0.9", 505);
    assert_request_line(fixture, "GET http://h/ http/1.1", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/1", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/11", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/1.10", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/1x1", 400);
    assert_request_line(fixture, "GET http://h/ HTTP/1.x", 400);
}

// --- field lines (sections 2.2 and 5) ------------------------------------------------------------

static void test_folded_lines_are_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X: a\r\n b", 400);
    assert_line(fixture, "X: a\r\n\tb: c", 400);
}

static void test_white_space_before_the_first_field_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_status(fixture, "GET http://h/ HTTP/1.1\r\n Host: h\r\n\r\n", 400);
    assert_status(fixture, "GET http://h/ HTTP/1.1\r\n \r\nHost: h\r\n\r\n", 400);
}

static void test_white_space_before_the_colon_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X : y", 400);
    assert_line(fixture, "X\t: y", 400);
}

static void test_name_must_be_a_token(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X!#$%&'*+-.^_`|~9: y", 0);
    assert_line(fixture, ": y", 400);
    assert_line(fixture, "X Y: y", 400);
    assert_line(fixture, "X(: y", 400);
    assert_line(fixture, "caf\xc3\xa9: y", 400);
    assert_line(fixture, "no colon", 400);
}

static void test_value_has_no_control_character_but_tab(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X: a\tb", 0);
    assert_line(fixture, "X: \x01", 400);
    assert_line(fixture, "X: a\x7f", 400);
    static const char middle[] = "GET / HTTP/1.0\r\nX: a\0b\r\n\r\n";
    static const char end[] = "GET / HTTP/1.0\r\nX: a\0\r\n\r\n";
    assert_int_equal(parse_bytes(fixture, middle, sizeof(middle) - 1), 400);
    assert_int_equal(parse_bytes(fixture, end, sizeof(end) - 1), 400);
}

static void test_carriage_return_alone_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X: a\rb", 400);
    assert_line(fixture, "X: a\r", 400);
    assert_line(fixture, "X: a\rY: b", 400);
    assert_request_line(fixture, "GET http://h/\rHTTP/1.1", 400);
    assert_request_line(fixture, "\rGET http://h/ HTTP/1.1", 400);
}

static void test_line_feed_alone_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_line(fixture, "X: a\nY: b", 400);
    assert_line(fixture, "X: a\n", 400);
    assert_status(fixture, "GET http://h/ HTTP/1.1\nHost: h\r\n\r\n", 400);
    assert_status(fixture, "GET http://h/ HTTP/1.1\r\nHost: h\n\r\n", 400);
    assert_status(fixture, "GET http://h/ HTTP/1.1\r\nHost: h\r\n\n", 400);
    assert_status(fixture, "\nGET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400);
}

static void test_what_the_rules_for_heads_refuse_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_status(fixture, "GET http://h/ HTTP/1.1\r\n\r\n", 400);
    assert_line(fixture, "Host: h", 400);
    assert_line(fixture, "Content-Length: 5\r\nTransfer-Encoding: chunked", 400);
    assert_line(fixture, "Transfer-Encoding: gzip, chunked", 501);
    assert_line(fixture, "Transfer-Encoding: chunked \t", 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_head_ends_behind_its_empty_line),
        TEST(test_head_without_its_end_has_no_length),
        TEST(test_empty_lines_before_a_head_belong_to_it),
        TEST(test_head_with_bare_line_feeds_has_an_end),
        TEST(test_good_head_is_taken_apart),
        TEST(test_empty_lines_before_the_request_line_are_skipped),
        TEST(test_what_was_read_before_a_mistake_is_there),
        TEST(test_request_line_has_three_words_and_two_spaces),
        TEST(test_method_must_be_a_token),
        TEST(test_target_has_no_control_character),
        TEST(test_version_is_http_1),
        TEST(test_folded_lines_are_refused),
        TEST(test_white_space_before_the_first_field_is_refused),
        TEST(test_white_space_before_the_colon_is_refused),
        TEST(test_name_must_be_a_token),
        TEST(test_value_has_no_control_character_but_tab),
        TEST(test_carriage_return_alone_is_refused),
        TEST(test_line_feed_alone_is_refused),
        TEST(test_what_the_rules_for_heads_refuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
