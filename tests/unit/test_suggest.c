// SPDX-License-Identifier: MIT
// What counts as a typing mistake, and what is another word.

#include "hark/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct entry {
    const char *word;
    int other;
};

static const struct entry known[] = {{"listen", 1}, {"mode", 2}, {"max_connections", 3}, {"ui", 4}};

static const char *nearest(const char *word)
{
    return suggest_nearest(word, known, sizeof known / sizeof known[0], sizeof known[0]);
}

static void test_slip_finds_its_word(void **state)
{
    (void)state;
    assert_string_equal(nearest("lisen"), "listen");
    assert_string_equal(nearest("lsiten"), "listen");
    assert_string_equal(nearest("mod"), "mode");
    assert_string_equal(nearest("max-conections"), "max_connections");
}

static void test_other_word_finds_nothing(void **state)
{
    (void)state;
    assert_null(nearest("durability"));
    assert_null(nearest("xx"));
    assert_null(nearest(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slip_finds_its_word),
        cmocka_unit_test(test_other_word_finds_nothing),
    };
    return cmocka_run_group_tests_name("suggest", tests, NULL, NULL);
}
