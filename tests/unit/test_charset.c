// SPDX-License-Identifier: MIT
// Which character set a text is in, and how it becomes UTF-8 in pieces of any size.
#include "hark/buffer.h"
#include "hark/charset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static int collect(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 0;
}

static void assert_reads(const char *charset, const char *data, size_t length, const char *expected)
{
    for (size_t piece = 1; piece <= length; piece++) {
        struct err err = {0};
        struct buffer out = {0};
        struct charset_reader *reader = charset_reader_create(charset, &err);
        assert_non_null(reader);
        for (size_t at = 0; at < length; at += piece) {
            size_t now = piece < length - at ? piece : length - at;
            assert_int_equal(charset_reader_write(reader, data + at, now, collect, &out), 0);
        }
        assert_int_equal(charset_reader_finish(reader, collect, &out), 0);
        buffer_append_char(&out, '\0');
        assert_string_equal(out.data, expected);
        charset_reader_destroy(reader);
        buffer_fini(&out);
    }
}

static void test_latin1_becomes_utf8(void **state)
{
    (void)state;
    assert_reads("ISO-8859-1", "caf\xe9!", 5, "café!");
}

static void test_characters_of_several_bytes_survive_any_cut(void **state)
{
    (void)state;
    assert_reads("Shift_JIS", "\x83\x6e\x81\x5b\x83\x4e", 6, "ハーク");
    assert_reads("UTF-16LE", "\x3d\xd8\x00\xde!\0", 6, "😀!");
    assert_reads("ISO-2022-JP", "\x1b$B%O!<%/\x1b(B.", 13, "ハーク.");
}

static void test_a_byte_order_mark_is_left_out(void **state)
{
    (void)state;
    assert_reads("UTF-8", "\xef\xbb\xbfok", 5, "ok");
    assert_reads("UTF-16BE", "\xfe\xff\0o\0k", 6, "ok");
}

static void test_meaningless_bytes_are_replaced(void **state)
{
    (void)state;
    assert_reads("UTF-8",
                 "a\xff"
                 "b",
                 3,
                 "a\xef\xbf\xbd"
                 "b");
    assert_reads("UTF-8", "a\xe2\x82", 3, "a\xef\xbf\xbd");
}

static void test_an_unknown_set_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(charset_reader_create("no-such-set", &err));
    assert_string_equal(err.text, "character set no-such-set: not known to this system");
}

static void test_the_set_comes_from_mark_then_parameter_then_content(void **state)
{
    (void)state;
    static const struct {
        const char *content_type;
        const char *head;
        bool is_utf8;
        const char *expected;
    } cases[] = {
        {"text/html; charset=koi8-r", "\xef\xbb\xbfx", true, "UTF-8"},
        {"text/html; charset=koi8-r", "x", true, "koi8-r"},
        {"text/html;boundary=a;\tCharset=\"windows-1252\"", "x", true, "windows-1252"},
        {"text/html; xcharset=koi8-r", "x", true, "UTF-8"},
        {"text/html; charset=a/b", "x", true, "a"},
        {"text/html; charset=", "x", true, "UTF-8"},
        {"text/html; charset=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x", true,
         "UTF-8"},
        {NULL, "x", true, "UTF-8"},
        {NULL, "\xe9", false, "ISO-8859-1"},
        {NULL, "\xff\xfe", false, "UTF-16LE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[CHARSET_NAME_MAX];
        charset_find(cases[i].content_type, cases[i].head, strlen(cases[i].head), cases[i].is_utf8,
                     name);
        assert_string_equal(name, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latin1_becomes_utf8),
        cmocka_unit_test(test_characters_of_several_bytes_survive_any_cut),
        cmocka_unit_test(test_a_byte_order_mark_is_left_out),
        cmocka_unit_test(test_meaningless_bytes_are_replaced),
        cmocka_unit_test(test_an_unknown_set_is_an_error),
        cmocka_unit_test(test_the_set_comes_from_mark_then_parameter_then_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
