// SPDX-License-Identifier: MIT
// Buffers, and the JSON strings they take (RFC 8259 section 7; jansson reads them back).
#include "hark/buffer.h"

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

static void test_bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (int i = 0; i < 100000; i++)
        buffer_append_char(&buffer, (char)(i % 251));
    assert_int_equal(buffer.length, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal((unsigned char)buffer.data[i], i % 251);
    buffer_fini(&buffer);
}

static void test_nul_follows_the_bytes_at_every_length(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    for (size_t length = 1; length <= 300; length++) {
        buffer_append(&buffer, "x", 1);
        assert_int_equal(strlen(buffer.data), length);
        assert_true(buffer.capacity > buffer.length);
    }
    buffer_fini(&buffer);
}

static void test_appending_nothing_makes_an_empty_text(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer.data, "");
    buffer_fini(&buffer);
}

static void test_printf_appends_text_of_any_length(void **state)
{
    (void)state;
    char word[1001];
    memset(word, 'w', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "a");
    buffer_printf(&buffer, "%s-%d", word, 42);
    assert_int_equal(buffer.length, 1 + 1000 + 3);
    assert_int_equal(buffer.data[0], 'a');
    assert_string_equal(buffer.data + 1001, "-42");
    buffer_fini(&buffer);
}

static void test_reserved_room_is_at_the_end(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "head ");
    char *room = buffer_reserve(&buffer, 5000);
    assert_ptr_equal(room, buffer.data + 5);
    memset(room, 'r', 5000);
    buffer.length += 5000;
    buffer_append_text(&buffer, "tail");
    assert_memory_equal(buffer.data, "head rrr", 8);
    assert_string_equal(buffer.data + 5005, "tail");
    buffer_fini(&buffer);
}

static void test_clear_empties_and_keeps_the_memory(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_clear(&buffer);
    buffer_append_text(&buffer, "something");
    size_t capacity = buffer.capacity;
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, capacity);
    assert_string_equal(buffer.data, "");
    buffer_fini(&buffer);
}

static void test_take_gives_the_bytes_away(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    char *nothing = buffer_take(&buffer);
    assert_string_equal(nothing, "");
    buffer_append_text(&buffer, "text");
    char *text = buffer_take(&buffer);
    assert_string_equal(text, "text");
    assert_null(buffer.data);
    assert_int_equal(buffer.length, 0);
    assert_int_equal(buffer.capacity, 0);
    free(nothing);
    free(text);
}

// --- JSON strings ------------------------------------------------------------------------------

static void assert_json(const char *text, size_t length, int result, const char *expected)
{
    struct buffer buffer = {0};
    assert_int_equal(buffer_append_json_string(&buffer, text, length), result);
    assert_string_equal(buffer.data, expected);
    buffer_fini(&buffer);
}

// What a JSON reader makes of the string. The caller drops it.
static json_t *read_back(const char *text, size_t length, int result)
{
    struct buffer buffer = {0};
    assert_int_equal(buffer_append_json_string(&buffer, text, length), result);
    json_t *value = json_loadb(buffer.data, buffer.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (value == NULL)
        fail_msg("no JSON: %s", buffer.data);
    assert_true(json_is_string(value));
    buffer_fini(&buffer);
    return value;
}

static void test_json_string_has_quotes_and_is_appended(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    buffer_append_text(&buffer, "{\"name\":");
    buffer_append_json_string(&buffer, "value", 5);
    assert_string_equal(buffer.data, "{\"name\":\"value\"");
    buffer_fini(&buffer);
    assert_json("", 0, 0, "\"\"");
}

static void test_json_string_escapes_quote_and_backslash(void **state)
{
    (void)state;
    assert_json("\"\\\"", 3, 0, "\"\\\"\\\\\\\"\"");
    assert_json("a/b", 3, 0, "\"a/b\"");
}

static void test_json_string_holds_no_control_character_and_loses_none(void **state)
{
    (void)state;
    char controls[0x21];
    for (int c = 0; c < 0x20; c++)
        controls[c] = (char)c;
    controls[0x20] = 0x7f;
    json_t *value = read_back(controls, sizeof(controls), 0);
    assert_int_equal(json_string_length(value), sizeof(controls));
    assert_memory_equal(json_string_value(value), controls, sizeof(controls));
    json_decref(value);

    struct buffer buffer = {0};
    buffer_append_json_string(&buffer, controls, sizeof(controls));
    for (size_t i = 0; i < buffer.length; i++)
        assert_in_range(buffer.data[i], 0x20, 0x7e);
    buffer_fini(&buffer);
}

static void test_json_string_leaves_utf8_as_it_is(void **state)
{
    (void)state;
    assert_json("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6", 11, 0,
                "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6\"");
}

static void test_json_string_of_other_bytes_is_latin1_throughout(void **state)
{
    (void)state;
    // The first two bytes alone would be U+00E9; beside 0xff the whole text is not UTF-8.
    assert_json("\xc3\xa9\xff", 3, 1, "\"\xc3\x83\xc2\xa9\xc3\xbf\"");
}

static void test_json_string_maps_each_byte_to_the_character_of_its_number(void **state)
{
    (void)state;
    char bytes[256];
    struct buffer expected = {0};
    for (int c = 0; c < 256; c++) {
        bytes[c] = (char)c;
        if (c < 0x80)
            buffer_append_char(&expected, (char)c);
        else
            buffer_printf(&expected, "%c%c", 0xc0 + c / 64, 0x80 + c % 64);
    }
    json_t *value = read_back(bytes, sizeof(bytes), 1);
    assert_int_equal(json_string_length(value), expected.length);
    assert_memory_equal(json_string_value(value), expected.data, expected.length);
    json_decref(value);
    buffer_fini(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_out_as_they_went_in),
        cmocka_unit_test(test_nul_follows_the_bytes_at_every_length),
        cmocka_unit_test(test_appending_nothing_makes_an_empty_text),
        cmocka_unit_test(test_printf_appends_text_of_any_length),
        cmocka_unit_test(test_reserved_room_is_at_the_end),
        cmocka_unit_test(test_clear_empties_and_keeps_the_memory),
        cmocka_unit_test(test_take_gives_the_bytes_away),
        cmocka_unit_test(test_json_string_has_quotes_and_is_appended),
        cmocka_unit_test(test_json_string_escapes_quote_and_backslash),
        cmocka_unit_test(test_json_string_holds_no_control_character_and_loses_none),
        cmocka_unit_test(test_json_string_leaves_utf8_as_it_is),
        cmocka_unit_test(test_json_string_of_other_bytes_is_latin1_throughout),
        cmocka_unit_test(test_json_string_maps_each_byte_to_the_character_of_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
