// SPDX-License-Identifier: MIT
// JSON laid out for reading keeps every token as it was sent.
#include "hark/json_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static char *laid_out(const char *json, bool has_color)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct terminal terminal = {.has_color = has_color};
    json_layout_write(out, &terminal, json, strlen(json));
    fclose(out);
    return text;
}

static void assert_layout(const char *json, const char *expected)
{
    assert_true(json_is_valid(json, strlen(json)));
    char *text = laid_out(json, false);
    assert_string_equal(text, expected);
    free(text);
}

static void test_tokens_stay_as_they_were_sent(void **state)
{
    (void)state;
    assert_layout("{\"n\":12345678901234567890,\"r\":1.0E+2,\"z\":-0.10,\"a\":1,\"a\":2}",
                  "{\n"
                  "  \"n\": 12345678901234567890,\n"
                  "  \"r\": 1.0E+2,\n"
                  "  \"z\": -0.10,\n"
                  "  \"a\": 1,\n"
                  "  \"a\": 2\n"
                  "}");
}

static void test_white_space_is_made_anew(void **state)
{
    (void)state;
    assert_layout(" [ 1 ,\r\n\t{ \"a\" : [ ] , \"b\" : { } } ] \n",
                  "[\n  1,\n  {\n    \"a\": [],\n    \"b\": {}\n  }\n]");
}

static void test_white_space_and_brackets_in_strings_stay(void **state)
{
    (void)state;
    assert_layout("[\"a, b: {c} [d]\\\"  \\\\\",\"\\u0000\"]",
                  "[\n  \"a, b: {c} [d]\\\"  \\\\\",\n  \"\\u0000\"\n]");
}

static void test_any_value_may_stand_alone(void **state)
{
    (void)state;
    assert_layout("null", "null");
    assert_layout(" \"x\" ", "\"x\"");
    assert_layout("-1e5", "-1e5");
}

static void test_what_a_terminal_would_obey_is_escaped(void **state)
{
    (void)state;
    assert_layout("\"\x7f\xc2\x9b\xe2\x80\xae\xc3\xa9\"", "\"\\x7f\\u009b\\u202eé\"");
}

static void test_deep_texts_do_not_grow_with_the_square_of_their_depth(void **state)
{
    (void)state;
    enum {
        DEPTH = 1000
    };
    char json[2 * DEPTH + 1];
    memset(json, '[', DEPTH);
    memset(json + DEPTH, ']', DEPTH);
    json[2 * DEPTH] = '\0';
    assert_true(json_is_valid(json, 2 * DEPTH));
    char *text = laid_out(json, false);
    assert_in_range(strlen(text), 2 * DEPTH, 200 * DEPTH);
    free(text);
}

static void test_keys_and_strings_have_colors(void **state)
{
    (void)state;
    char *text = laid_out("{\"k\" :\"v\"}", true);
    assert_string_equal(text, "{\n  \033[34m\"k\"\033[0m: \033[32m\"v\"\033[0m\n}");
    free(text);
}

static void test_what_is_no_json_is_told(void **state)
{
    (void)state;
    static const char *const cases[] = {"",     "{",   "{}{}",   "{'a':1}",
                                        "[1,]", "nul", "\"\n\"", "\"\xff\""};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (json_is_valid(cases[i], strlen(cases[i])))
            fail_msg("taken for JSON: %s", cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_stay_as_they_were_sent),
        cmocka_unit_test(test_white_space_is_made_anew),
        cmocka_unit_test(test_white_space_and_brackets_in_strings_stay),
        cmocka_unit_test(test_any_value_may_stand_alone),
        cmocka_unit_test(test_what_a_terminal_would_obey_is_escaped),
        cmocka_unit_test(test_deep_texts_do_not_grow_with_the_square_of_their_depth),
        cmocka_unit_test(test_keys_and_strings_have_colors),
        cmocka_unit_test(test_what_is_no_json_is_told),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
