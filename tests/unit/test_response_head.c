// SPDX-License-Identifier: MIT
// Response heads line by line: what is repaired, what is refused, how the body is framed
// (RFC 9112 sections 4 to 6).
#include "hark/message.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static int add_bytes(struct response_head *head, const char *line, size_t length)
{
    struct err err = {0};
    int result = response_head_add_line(head, line, length, &err);
    assert_int_equal(err.is_set, result != 0);
    return result;
}

// In memory of its own without a NUL, as libcurl gives it.
static int add(struct response_head *head, const char *line)
{
    size_t length = strlen(line);
    char *copy = malloc(length + (length == 0));
    memcpy(copy, line, length);
    int result = add_bytes(head, copy, length);
    free(copy);
    return result;
}

static void must_add(struct response_head *head, const char *line)
{
    if (add(head, line) != 0)
        fail_msg("refused: %s", line);
}

// A head whose status line has been read.
static struct response_head begun(void)
{
    struct response_head head = {.arena = &arena};
    must_add(&head, "HTTP/1.1 200 OK\r\n");
    return head;
}

static void assert_status_line(const char *line, const char *version, int status,
                               const char *reason)
{
    struct response_head head = {.arena = &arena};
    must_add(&head, line);
    assert_string_equal(head.version, version);
    assert_int_equal(head.status, status);
    assert_string_equal(head.reason, reason);
    assert_false(head.is_complete);
}

static void assert_field(const struct response_head *head, size_t index, const char *name,
                         const char *value)
{
    assert_true(index < head->fields.count);
    const struct field *field = &head->fields.items[index];
    assert_string_equal(field->name, name);
    assert_string_equal(field->value, value);
    assert_int_equal(field->name_length, strlen(name));
    assert_int_equal(field->value_length, strlen(value));
}

// --- the status line ---------------------------------------------------------------------------

static void test_status_line_has_version_status_and_reason(void **state)
{
    (void)state;
    assert_status_line("HTTP/1.1 404 Not Found\r\n", "HTTP/1.1", 404, "Not Found");
    assert_status_line("HTTP/1.0 200 OK\n", "HTTP/1.0", 200, "OK");
    assert_status_line("HTTP/1.1 599 x", "HTTP/1.1", 599, "x");
    assert_status_line("HTTP/1.1 103 Early Hints\r\n", "HTTP/1.1", 103, "Early Hints");
}

static void test_reason_may_be_empty(void **state)
{
    (void)state;
    assert_status_line("HTTP/1.1 200 \r\n", "HTTP/1.1", 200, "");
    assert_status_line("HTTP/1.1 200\r\n", "HTTP/1.1", 200, "");
}

static void test_anything_else_is_no_status_line(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "\r\n",
        "HTTP/1.1",
        "HTTP/1.1 20",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 -20 OK",
        "HTTP/1.x 200 OK",
        "HTTP/1 200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "ICY 200 OK",
        "<html>",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct response_head head = {.arena = &arena};
        if (add(&head, wrong[i]) != -1)
            fail_msg("taken for a status line: %s", wrong[i]);
    }
}

// --- fields ------------------------------------------------------------------------------------

static void test_fields_keep_order_case_and_repeats(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "Set-Cookie: a=1\r\n");
    must_add(&head, "X-Colons: a:b: c\r\n");
    must_add(&head, "set-cookie: b=2\r\n");
    assert_int_equal(head.fields.count, 3);
    assert_field(&head, 0, "Set-Cookie", "a=1");
    assert_field(&head, 1, "X-Colons", "a:b: c");
    assert_field(&head, 2, "set-cookie", "b=2");
}

static void test_white_space_around_a_value_is_not_part_of_it(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "A:x\r\n");
    must_add(&head, "B: \t x y \t \r\n");
    must_add(&head, "C: x\n");
    must_add(&head, "D: x");
    assert_field(&head, 0, "A", "x");
    assert_field(&head, 1, "B", "x y");
    assert_field(&head, 2, "C", "x");
    assert_field(&head, 3, "D", "x");
}

static void test_empty_value_is_a_value(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X-Empty:\r\n");
    must_add(&head, "X-Blank:   \r\n");
    assert_field(&head, 0, "X-Empty", "");
    assert_field(&head, 1, "X-Blank", "");
}

// Section 5.1: "A proxy MUST remove any such whitespace from a response message".
static void test_white_space_before_the_colon_is_removed(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X : 1\r\n");
    must_add(&head, "Y \t: 2\r\n");
    assert_field(&head, 0, "X", "1");
    assert_field(&head, 1, "Y", "2");
}

static void test_line_that_is_no_field_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"no colon\r\n", ": value\r\n", "A B: x\r\n",
                                        "A(: x\r\n",    "\x01: x\r\n", "caf\xe9: x\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct response_head head = begun();
        if (add(&head, wrong[i]) != -1)
            fail_msg("taken for a field: %s", wrong[i]);
    }
}

static void test_control_character_in_a_value_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"X: a\rb\r\n", "X: \x01\r\n", "X: a\x7f\r\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct response_head head = begun();
        if (add(&head, wrong[i]) != -1)
            fail_msg("taken for a field: %s", wrong[i]);
    }
    struct response_head head = begun();
    must_add(&head, "X: tab\tcaf\xe9\r\n");
    assert_field(&head, 0, "X", "tab\tcaf\xe9");
}

// RFC 9110 section 5.5: what holds a NUL is not to be passed on, wherever in it the NUL is.
static void test_nul_is_refused(void **state)
{
    (void)state;
    static const char middle[] = "X: a\0b\r\n";
    static const char end[] = "X: a\0\r\n";
    static const char alone[] = "X: \0\r\n";
    static const char name[] = "X\0: a\r\n";
    struct response_head head = begun();
    assert_int_equal(add_bytes(&head, middle, sizeof(middle) - 1), -1);
    assert_int_equal(add_bytes(&head, end, sizeof(end) - 1), -1);
    assert_int_equal(add_bytes(&head, alone, sizeof(alone) - 1), -1);
    assert_int_equal(add_bytes(&head, name, sizeof(name) - 1), -1);
    assert_int_equal(add_bytes(&head, "\0\r\n", 3), -1);
    assert_false(head.is_complete);
}

static void test_number_of_fields_is_limited(void **state)
{
    (void)state;
    struct response_head head = begun();
    for (int i = 0; i < RESPONSE_FIELDS_MAX; i++)
        must_add(&head, "X: y\r\n");
    assert_int_equal(add(&head, "X: y\r\n"), -1);
    must_add(&head, " z\r\n");
    must_add(&head, "\r\n");
    assert_true(head.is_complete);
}

static void test_empty_line_ends_the_head(void **state)
{
    (void)state;
    static const char *const ends[] = {"\r\n", "\n", ""};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct response_head head = begun();
        must_add(&head, "A: b\r\n");
        assert_false(head.is_complete);
        must_add(&head, ends[i]);
        assert_true(head.is_complete);
        assert_int_equal(head.fields.count, 1);
    }
}

// --- folded lines (section 5.2) ------------------------------------------------------------------

static void test_folded_line_is_joined_by_one_space(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X: one\r\n");
    must_add(&head, " two\r\n");
    must_add(&head, "\t \tthree \r\n");
    must_add(&head, "Y: next\r\n");
    assert_int_equal(head.fields.count, 2);
    assert_field(&head, 0, "X", "one two three");
    assert_field(&head, 1, "Y", "next");
}

static void test_folded_lines_of_two_fields_do_not_mix(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X: one\r\n");
    must_add(&head, " two\r\n");
    must_add(&head, "Y: 1\r\n");
    must_add(&head, " 2\r\n");
    assert_field(&head, 0, "X", "one two");
    assert_field(&head, 1, "Y", "1 2");
}

static void test_value_may_begin_on_a_folded_line(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X:\r\n");
    must_add(&head, " value\r\n");
    assert_field(&head, 0, "X", "value");
}

static void test_folded_line_of_white_space_adds_nothing(void **state)
{
    (void)state;
    struct response_head head = begun();
    must_add(&head, "X: one\r\n");
    must_add(&head, "  \t\r\n");
    assert_false(head.is_complete);
    assert_field(&head, 0, "X", "one");
    must_add(&head, " two\r\n");
    assert_field(&head, 0, "X", "one two");
}

static void test_folded_line_before_the_first_field_is_refused(void **state)
{
    (void)state;
    struct response_head head = begun();
    assert_int_equal(add(&head, " X: one\r\n"), -1);
}

static void test_control_character_in_a_folded_line_is_refused(void **state)
{
    (void)state;
    static const char nul[] = " a\0b\r\n";
    struct response_head head = begun();
    must_add(&head, "X: one\r\n");
    assert_int_equal(add(&head, " a\rSet-Cookie: b\r\n"), -1);
    assert_int_equal(add(&head, " \x1b[2J\r\n"), -1);
    assert_int_equal(add_bytes(&head, nul, sizeof(nul) - 1), -1);
}

static void test_memory_for_folded_lines_grows_with_what_they_hold(void **state)
{
    (void)state;
    enum {
        LINES = 20000
    };
    struct response_head head = begun();
    must_add(&head, "X: x\r\n");
    for (int i = 0; i < LINES; i++)
        must_add(&head, " y\r\n");
    assert_int_equal(head.fields.items[0].value_length, 1 + 2 * LINES);
    assert_memory_equal(head.fields.items[0].value, "x y y", 5);
    assert_int_equal(strlen(head.fields.items[0].value), 1 + 2 * LINES);
    assert_in_range(arena.bytes, 2 * LINES, 20 * LINES);
}

// --- framing (section 6.3)
// -------------------------------------------------------------------------

static int length_of(int status, const char *method, const char *const *lines, int64_t *length)
{
    struct response_head head = {.arena = &arena};
    char status_line[32];
    snprintf(status_line, sizeof(status_line), "HTTP/1.1 %d x\r\n", status);
    must_add(&head, status_line);
    for (; *lines != NULL; lines++)
        must_add(&head, *lines);
    must_add(&head, "\r\n");
    struct err err = {0};
    int result = response_head_body_length(&head, method, length, &err);
    assert_int_equal(err.is_set, result != 0);
    return result;
}

#define LINES(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
#define NO_LINES ((const char *const[]){NULL})

static void assert_length(int status, const char *method, const char *const *lines,
                          int64_t expected)
{
    int64_t length = -99;
    assert_int_equal(length_of(status, method, lines, &length), 0);
    assert_int_equal(length, expected);
}

static void assert_contradictory(const char *const *lines)
{
    int64_t length = 0;
    if (length_of(200, "GET", lines, &length) != -1)
        fail_msg("%s is taken for %lld", lines[0], (long long)length);
}

static void test_content_length_frames_the_body(void **state)
{
    (void)state;
    assert_length(200, "GET", LINES("Content-Length: 0"), 0);
    assert_length(200, "GET", LINES("content-length: 42"), 42);
    assert_length(200, "GET", LINES("Content-Length: 9223372036854775807"), INT64_MAX);
}

static void test_body_without_framing_goes_on_until_the_close(void **state)
{
    (void)state;
    assert_length(200, "GET", NO_LINES, BODY_LENGTH_UNTIL_CLOSE);
    assert_length(404, "POST", LINES("X: y"), BODY_LENGTH_UNTIL_CLOSE);
}

static void test_chunked_wins_over_content_length(void **state)
{
    (void)state;
    assert_length(200, "GET", LINES("Transfer-Encoding: chunked"), BODY_LENGTH_CHUNKED);
    assert_length(200, "GET", LINES("Transfer-Encoding: CHUNKED"), BODY_LENGTH_CHUNKED);
    assert_length(200, "GET", LINES("Content-Length: 5", "Transfer-Encoding: chunked"),
                  BODY_LENGTH_CHUNKED);
}

static void test_answer_without_body_does_not_wait_for_the_close(void **state)
{
    (void)state;
    assert_length(200, "HEAD", NO_LINES, 0);
    assert_length(204, "GET", NO_LINES, 0);
    assert_length(304, "GET", NO_LINES, 0);
    assert_length(304, "GET", LINES("Transfer-Encoding: chunked"), 0);
    assert_length(200, "HEAD", LINES("Transfer-Encoding: chunked"), 0);
}

static void test_equal_content_lengths_are_one(void **state)
{
    (void)state;
    assert_length(200, "GET", LINES("Content-Length: 5", "content-length: 5"), 5);
}

static void test_differing_content_lengths_are_contradictory(void **state)
{
    (void)state;
    assert_contradictory(LINES("Content-Length: 5", "Content-Length: 6"));
    assert_contradictory(LINES("Content-Length: 5", "Content-Length: 5", "Content-Length: 6"));
}

static void test_bad_content_length_is_contradictory(void **state)
{
    (void)state;
    assert_contradictory(LINES("Content-Length: -1"));
    assert_contradictory(LINES("Content-Length: +5"));
    assert_contradictory(LINES("Content-Length: 5x"));
    assert_contradictory(LINES("Content-Length: 5, 6"));
    assert_contradictory(LINES("Content-Length:"));
    assert_contradictory(LINES("Content-Length: 9223372036854775808"));
}

static void test_unknown_transfer_coding_is_contradictory(void **state)
{
    (void)state;
    assert_contradictory(LINES("Transfer-Encoding: gzip"));
    assert_contradictory(LINES("Transfer-Encoding: gzip, chunked"));
    assert_contradictory(LINES("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"));
    assert_contradictory(LINES("Transfer-Encoding:"));
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_status_line_has_version_status_and_reason),
        TEST(test_reason_may_be_empty),
        TEST(test_anything_else_is_no_status_line),
        TEST(test_fields_keep_order_case_and_repeats),
        TEST(test_white_space_around_a_value_is_not_part_of_it),
        TEST(test_empty_value_is_a_value),
        TEST(test_white_space_before_the_colon_is_removed),
        TEST(test_line_that_is_no_field_is_refused),
        TEST(test_control_character_in_a_value_is_refused),
        TEST(test_nul_is_refused),
        TEST(test_number_of_fields_is_limited),
        TEST(test_empty_line_ends_the_head),
        TEST(test_folded_line_is_joined_by_one_space),
        TEST(test_folded_lines_of_two_fields_do_not_mix),
        TEST(test_value_may_begin_on_a_folded_line),
        TEST(test_folded_line_of_white_space_adds_nothing),
        TEST(test_folded_line_before_the_first_field_is_refused),
        TEST(test_control_character_in_a_folded_line_is_refused),
        TEST(test_memory_for_folded_lines_grows_with_what_they_hold),
        TEST(test_content_length_frames_the_body),
        TEST(test_body_without_framing_goes_on_until_the_close),
        TEST(test_chunked_wins_over_content_length),
        TEST(test_answer_without_body_does_not_wait_for_the_close),
        TEST(test_equal_content_lengths_are_one),
        TEST(test_differing_content_lengths_are_contradictory),
        TEST(test_bad_content_length_is_contradictory),
        TEST(test_unknown_transfer_coding_is_contradictory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
