// SPDX-License-Identifier: MIT
// JSON that is written as it grows.
#include "hark/json_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void test_commas_stand_between_values(void **state)
{
    (void)state;
    struct json_out json = {0};
    json_put_open(&json, NULL, '{');
    json_put_integer(&json, "a", -1);
    json_put_open(&json, "b", '[');
    json_put_close(&json, ']');
    json_put_open(&json, "c", '[');
    json_put_text(&json, NULL, NULL);
    json_put_bool(&json, NULL, true);
    json_put_close(&json, ']');
    json_put_optional(&json, "d", 0, 0);
    json_put_literal(&json, "e", "{ \"x\" : [1, 2] }");
    json_put_literal(&json, "f", "no JSON");
    json_put_close(&json, '}');
    assert_string_equal(json.line.data, "{\"a\":-1,\"b\":[],\"c\":[null,true],\"d\":null,"
                                        "\"e\":{\"x\":[1,2]},\"f\":\"no JSON\"}");
    json_out_fini(&json);
}

static void test_thousandths(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const char *expected;
    } cases[] = {
        {0, "0"},      {1, "0.001"},    {10, "0.01"},
        {1500, "1.5"}, {-1500, "-1.5"}, {12345678, "12345.678"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_out json = {0};
        json_put_thousandths(&json, NULL, cases[i].value);
        assert_string_equal(json.line.data, cases[i].expected);
        json_out_fini(&json);
    }
}

// A text that is fed byte by byte, and one that is longer than what is written at once.
static void test_strings_come_in_any_pieces(void **state)
{
    (void)state;
    static const char text[] = "a\"日本\x01\n𝄞";
    char *written = NULL;
    size_t length;
    struct json_out json = {.out = open_memstream(&written, &length)};
    struct json_stream stream = {.json = &json};
    json_stream_begin(&stream, NULL);
    for (int round = 0; round < 4000; round++)
        for (size_t i = 0; i < strlen(text); i++)
            assert_int_equal(json_stream_add(&stream, text + i, 1), 0);
    json_stream_end(&stream);
    assert_true(json.line.length < (size_t)128 * 1024);
    json_out_flush(&json);
    fclose(json.out);
    json_t *value = json_loadb(written, length, JSON_DECODE_ANY, NULL);
    assert_int_equal(json_string_length(value), 4000 * strlen(text));
    assert_memory_equal(json_string_value(value) + 3999 * strlen(text), text, strlen(text));
    json_decref(value);
    free(written);
    json_out_fini(&json);
}

static void test_memory_does_not_grow_with_a_text(void **state)
{
    (void)state;
    size_t length = (size_t)2 * 1024 * 1024;
    char *text = malloc(length);
    memset(text, 1, length);
    struct json_out json = {.out = fopen("/dev/null", "w")};
    struct json_stream stream = {.json = &json};
    json_stream_begin(&stream, NULL);
    assert_int_equal(json_stream_add(&stream, text, length), 0);
    json_stream_end(&stream);
    assert_true(json.line.capacity <= (size_t)1024 * 1024);
    fclose(json.out);
    free(text);
    json_out_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_stand_between_values),
        cmocka_unit_test(test_thousandths),
        cmocka_unit_test(test_strings_come_in_any_pieces),
        cmocka_unit_test(test_memory_does_not_grow_with_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
