// SPDX-License-Identifier: MIT
// Looking for a text in pieces: the same answer wherever the pieces are cut.
#include "hark/text_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool is_found(const char *text, const char *data)
{
    struct text_search *search = text_search_create(text, strlen(text));
    bool found = text_search_feed(search, data, strlen(data));
    text_search_destroy(search);
    return found;
}

static void test_text_is_found_anywhere(void **state)
{
    (void)state;
    assert_true(is_found("needle", "needle"));
    assert_true(is_found("needle", "a needle in hay"));
    assert_true(is_found("needle", "hay needle"));
    assert_true(is_found("x", "hay x"));
    assert_true(is_found("aab", "aaab"));
    assert_false(is_found("needle", "needl"));
    assert_false(is_found("needle", ""));
    assert_false(is_found("needle", "nedle needl e"));
}

static void test_case_matters_only_beyond_ascii(void **state)
{
    (void)state;
    assert_true(is_found("Needle", "a nEEDLE"));
    assert_true(is_found("[ID]", "[id]"));
    assert_true(is_found("stra\xc3\x9f"
                         "e",
                         "STRA\xc3\x9f"
                         "E"));
    assert_false(is_found("\xc3\xa9", "\xc3\x89"));
    assert_false(is_found("@", "`")); // as far apart as the cases of a letter
    assert_false(is_found("[", "{"));
}

// Every way to cut the bytes into three pieces.
static bool is_found_in_pieces(struct text_search *search, const char *data, size_t a, size_t b)
{
    text_search_restart(search);
    bool found = text_search_feed(search, data, a);
    found = found || text_search_feed(search, data + a, b - a);
    return found || text_search_feed(search, data + b, strlen(data) - b);
}

static void test_pieces_make_no_difference(void **state)
{
    (void)state;
    static const char data[] = "abababac abac";
    static const char *const texts[] = {"a", "ab", "ababac", "c ab", "ABABABAC ABAC", "abb", "cc"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool expected = strcasestr(data, texts[i]) != NULL;
        struct text_search *search = text_search_create(texts[i], strlen(texts[i]));
        for (size_t a = 0; a < sizeof(data); a++)
            for (size_t b = a; b < sizeof(data); b++)
                assert_int_equal(is_found_in_pieces(search, data, a, b), expected);
        text_search_destroy(search);
    }
}

static void test_bytes_one_at_a_time(void **state)
{
    (void)state;
    struct text_search *search = text_search_create("end", 3);
    static const char data[] = "the eend";
    for (size_t i = 0; i < strlen(data); i++)
        assert_int_equal(text_search_feed(search, data + i, 1), i == strlen(data) - 1);
    text_search_restart(search);
    assert_false(text_search_feed(search, "d", 1));
    text_search_destroy(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_found_anywhere),
        cmocka_unit_test(test_case_matters_only_beyond_ascii),
        cmocka_unit_test(test_pieces_make_no_difference),
        cmocka_unit_test(test_bytes_one_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
