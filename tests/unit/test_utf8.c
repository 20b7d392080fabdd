// SPDX-License-Identifier: MIT
// Well-formed UTF-8: every character, and every kind of ill-formed sequence, as RFC 3629 has them.
#include "hark/utf8.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

// RFC 3629 section 3: the table, with no thought for which numbers are characters.
static size_t encode(uint32_t number, unsigned char bytes[4])
{
    if (number < 0x80) {
        bytes[0] = (unsigned char)number;
        return 1;
    }
    size_t length = number < 0x800 ? 2 : number < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (number & 0x3f));
        number >>= 6;
    }
    bytes[0] = (unsigned char)(marks[length] | number);
    return length;
}

static bool is_valid(const unsigned char *bytes, size_t length)
{
    return utf8_is_valid((const char *)bytes, length);
}

static void assert_invalid(const char *bytes)
{
    if (utf8_is_valid(bytes, strlen(bytes)))
        fail_msg("taken for UTF-8: %02x %02x …", (unsigned char)bytes[0], (unsigned char)bytes[1]);
}

static void test_every_character_is_valid(void **state)
{
    (void)state;
    for (uint32_t number = 0; number <= 0x10ffff; number++) {
        if (number == 0xd800)
            number = 0xe000;
        unsigned char bytes[4];
        if (!is_valid(bytes, encode(number, bytes)))
            fail_msg("U+%04X is not taken for UTF-8", number);
    }
}

// Section 3: "the definition of UTF-8 prohibits encoding character numbers between U+D800 and
// U+DFFF".
static void test_surrogates_are_invalid(void **state)
{
    (void)state;
    for (uint32_t number = 0xd800; number <= 0xdfff; number++) {
        unsigned char bytes[4];
        if (is_valid(bytes, encode(number, bytes)))
            fail_msg("U+%04X is taken for UTF-8", number);
    }
}

static void test_numbers_above_unicode_are_invalid(void **state)
{
    (void)state;
    for (uint32_t number = 0x110000; number <= 0x1fffff; number++) {
        unsigned char bytes[4];
        if (is_valid(bytes, encode(number, bytes)))
            fail_msg("U+%04X is taken for UTF-8", number);
    }
    assert_invalid("\xf5\x80\x80\x80");
    assert_invalid("\xf8\x88\x80\x80\x80");
    assert_invalid("\xfc\x84\x80\x80\x80\x80");
    assert_invalid("\xfe");
    assert_invalid("\xff");
}

// Section 10: "/" in two, three and four bytes, and the last number each length should not hold.
static void test_overlong_forms_are_invalid(void **state)
{
    (void)state;
    assert_invalid("\xc0\xaf");
    assert_invalid("\xe0\x80\xaf");
    assert_invalid("\xf0\x80\x80\xaf");
    assert_invalid("\xc1\xbf");
    assert_invalid("\xe0\x9f\xbf");
    assert_invalid("\xf0\x8f\xbf\xbf");
    assert_invalid("\xc0\x80");
}

// All two bytes: section 4 allows ASCII twice, or UTF8-2.
static void test_pairs_of_bytes_are_as_the_grammar_says(void **state)
{
    (void)state;
    for (unsigned first = 0; first <= 0xff; first++)
        for (unsigned second = 0; second <= 0xff; second++) {
            const unsigned char pair[] = {(unsigned char)first, (unsigned char)second};
            bool expected = (first < 0x80 && second < 0x80) ||
                            (first >= 0xc2 && first <= 0xdf && second >= 0x80 && second <= 0xbf);
            if (is_valid(pair, 2) != expected)
                fail_msg("%02x %02x: expected %d", first, second, expected);
        }
}

static void test_sequence_that_breaks_off_is_invalid(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa6"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t whole = strlen(texts[i]);
        assert_true(utf8_is_valid(texts[i], whole));
        for (size_t length = 1; length < whole; length++)
            assert_false(utf8_is_valid(texts[i], length));
    }
}

static void test_each_byte_after_the_first_must_continue_the_sequence(void **state)
{
    (void)state;
    assert_invalid("\xe2\x28\xa1");
    assert_invalid("\xe2\x82\x28");
    assert_invalid("\xf0\x28\x8c\xbc");
    assert_invalid("\xf0\x90\x28\xbc");
    assert_invalid("\xf0\x90\x8c\x28");
    assert_invalid("\xe2\x82\xe2\x82\xac");
}

static void test_mistake_is_found_wherever_it_is(void **state)
{
    (void)state;
    char text[41];
    for (size_t length = 1; length < sizeof(text); length++)
        for (size_t at = 0; at < length; at++) {
            memset(text, 'a', sizeof(text));
            assert_true(utf8_is_valid(text, length));
            text[at] = (char)0x80;
            if (utf8_is_valid(text, length))
                fail_msg("0x80 at %zu of %zu is not seen", at, length);
        }
}

static void test_nothing_and_nul_are_valid(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("", 0));
    assert_true(utf8_is_valid("\0", 1));
    assert_true(utf8_is_valid("a\0\xc3\xa9", 4));
    assert_false(utf8_is_valid("a\0\xc3", 3));
}

// "Restored" is what a text that is no UTF-8 was before it was stored as Latin-1.
static void assert_restored(const char *stored, const char *bytes)
{
    struct arena arena = {0};
    size_t length = strlen(stored);
    const char *restored = utf8_restore_bytes(&arena, stored, &length);
    assert_int_equal(length, strlen(bytes));
    assert_string_equal(restored, bytes);
    arena_fini(&arena);
}

static void test_bytes_that_were_no_utf8_come_back(void **state)
{
    (void)state;
    assert_restored("caf\xc3\xa9", "caf\xe9");
    assert_restored("\xc3\xbf\xc2\x80x", "\xff\x80x");
}

static void test_texts_that_were_utf8_stay(void **state)
{
    (void)state;
    assert_restored("", "");
    assert_restored("plain", "plain");
    assert_restored("\xe2\x82\xac", "\xe2\x82\xac");         // above U+00FF: never Latin-1
    assert_restored("\xc3\x83\xc2\xa9", "\xc3\x83\xc2\xa9"); // its bytes would be UTF-8
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character_is_valid),
        cmocka_unit_test(test_surrogates_are_invalid),
        cmocka_unit_test(test_numbers_above_unicode_are_invalid),
        cmocka_unit_test(test_overlong_forms_are_invalid),
        cmocka_unit_test(test_pairs_of_bytes_are_as_the_grammar_says),
        cmocka_unit_test(test_sequence_that_breaks_off_is_invalid),
        cmocka_unit_test(test_each_byte_after_the_first_must_continue_the_sequence),
        cmocka_unit_test(test_mistake_is_found_wherever_it_is),
        cmocka_unit_test(test_nothing_and_nul_are_valid),
        cmocka_unit_test(test_bytes_that_were_no_utf8_come_back),
        cmocka_unit_test(test_texts_that_were_utf8_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
