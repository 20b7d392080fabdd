// SPDX-License-Identifier: MIT
// Recorded text on a terminal: nothing in it is obeyed, and its width is known.
#include "hark/terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void assert_written(const char *data, size_t length, enum safe_text mode,
                           const char *expected)
{
    char *text = NULL;
    size_t text_length;
    FILE *out = open_memstream(&text, &text_length);
    safe_text_write(out, data, length, mode);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void assert_cut(const char *data, size_t columns, const char *expected)
{
    char *text = NULL;
    size_t text_length;
    FILE *out = open_memstream(&text, &text_length);
    size_t written = safe_text_write_cut(out, data, strlen(data), columns);
    fclose(out);
    assert_string_equal(text, expected);
    assert_int_equal(written, safe_text_columns(text, text_length));
    assert_true(written <= columns);
    free(text);
}

static void test_controls_are_escaped(void **state)
{
    (void)state;
    assert_written("a\x1b[2J\x07\x00\x7f", 8, SAFE_LINES, "a\\x1b[2J\\x07\\x00\\x7f");
    assert_written("\xc2\x9b"
                   "31m",
                   5, SAFE_LINES, "\\u009b31m");
}

static void test_reordering_characters_are_escaped(void **state)
{
    (void)state;
    assert_written("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8", 9, SAFE_LINES, "\\u202e\\u2066\\u2028");
}

static void test_bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    assert_written("a\xff\xc3", 3, SAFE_LINES, "a\\xff\\xc3");
}

static void test_line_ends_pass_only_where_lines_may(void **state)
{
    (void)state;
    assert_written("a\tb\r\nc\n", 7, SAFE_LINES, "a\tb\r\nc\n");
    assert_written("a\tb\r\nc\n", 7, SAFE_LINE, "a\\tb\\r\\nc\\n");
}

static void test_a_lone_carriage_return_never_passes(void **state)
{
    (void)state;
    assert_written("good\rbad\r", 9, SAFE_LINES, "good\\rbad\\r");
}

static void test_printable_text_stays(void **state)
{
    (void)state;
    assert_written("naïve 日本 😀", strlen("naïve 日本 😀"), SAFE_LINE, "naïve 日本 😀");
}

static void test_width_counts_columns(void **state)
{
    (void)state;
    assert_int_equal(safe_text_columns("abc", 3), 3);
    assert_int_equal(safe_text_columns("日本", 6), 4);
    assert_int_equal(safe_text_columns("e\xcc\x81", 3), 1); // e and a combining accent
    assert_int_equal(safe_text_columns("\x1b", 1), 4);
}

static void test_what_is_too_wide_is_cut_and_says_so(void **state)
{
    (void)state;
    assert_cut("abcdef", 6, "abcdef");
    assert_cut("abcdef", 5, "abcd…");
    assert_cut("abcdef", 1, "…");
    assert_cut("日本語", 6, "日本語");
    assert_cut("日本語", 5, "日本…");
    assert_cut("日本語", 4, "日…");
    assert_cut("ab\x1b", 5, "ab…");
}

// In pieces of every size the same text comes out.
static void test_a_stream_may_cut_characters(void **state)
{
    (void)state;
    static const char data[] = "日\x1b"
                               "本\r\n\xff😀\r\xe6\x97";
    static const char expected[] = "日\\x1b本\r\n\\xff😀\\r\\xe6\\x97";
    size_t length = sizeof data - 1;
    for (size_t piece = 1; piece <= length; piece++) {
        char *text = NULL;
        size_t text_length;
        FILE *out = open_memstream(&text, &text_length);
        struct safe_stream stream = {0};
        for (size_t at = 0; at < length; at += piece)
            safe_stream_write(&stream, out, data + at, piece < length - at ? piece : length - at);
        safe_stream_finish(&stream, out);
        fclose(out);
        assert_string_equal(text, expected);
        free(text);
    }
}

static void test_no_color_beats_forced_color(void **state)
{
    (void)state;
    setenv("CLICOLOR_FORCE", "1", 1);
    unsetenv("NO_COLOR");
    assert_true(terminal_of(-1).has_color);
    setenv("NO_COLOR", "1", 1);
    assert_false(terminal_of(-1).has_color);
    setenv("CLICOLOR_FORCE", "0", 1);
    unsetenv("NO_COLOR");
    assert_false(terminal_of(-1).has_color);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_controls_are_escaped),
        cmocka_unit_test(test_reordering_characters_are_escaped),
        cmocka_unit_test(test_bytes_that_are_not_utf8_are_escaped),
        cmocka_unit_test(test_line_ends_pass_only_where_lines_may),
        cmocka_unit_test(test_a_lone_carriage_return_never_passes),
        cmocka_unit_test(test_printable_text_stays),
        cmocka_unit_test(test_width_counts_columns),
        cmocka_unit_test(test_what_is_too_wide_is_cut_and_says_so),
        cmocka_unit_test(test_a_stream_may_cut_characters),
        cmocka_unit_test(test_no_color_beats_forced_color),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
