// SPDX-License-Identifier: MIT
// The command line taken apart: options, words, ids, and what is said about mistakes.
#include "cli/number.h"
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct command_option options[] = {
    {"limit", 'n', "N", "help"},
    {"set", 0, "KEY=VALUE", "help"},
    {NULL, 0, NULL, NULL},
};

static const struct command command = {
    .name = "try", .options = options, .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS};

#define PARSE(given, err, first, ...)                                                             \
    options_parse(&command, (int)(sizeof((const char *[]){"try", __VA_ARGS__}) / sizeof(char *)), \
                  (char **)(uintptr_t)(const char *[]){"try", __VA_ARGS__, NULL}, (given),        \
                  (first), (err))

static void assert_mistake(const char *word, const char *expected)
{
    struct given_options given = {0};
    struct err err = {0};
    int first;
    assert_int_equal(PARSE(&given, &err, &first, word), -1);
    assert_string_equal(err.text, expected);
    given_options_fini(&given);
}

static void test_options_may_stand_among_words(void **state)
{
    (void)state;
    struct given_options given = {0};
    struct err err = {0};
    int first;
    assert_int_equal(PARSE(&given, &err, &first, "word", "-n", "5", "--json", "more", "--db=f"), 0);
    assert_int_equal(first, 5);
    assert_string_equal(given_options_find(&given, "limit", 0)->value, "5");
    assert_string_equal(given_options_find(&given, "db", 0)->value, "f");
    assert_non_null(given_options_find(&given, "json", 0));
    assert_null(given_options_find(&given, "config", 0));
    given_options_fini(&given);
}

static void test_repeated_options_keep_their_order(void **state)
{
    (void)state;
    struct given_options given = {0};
    struct err err = {0};
    int first;
    assert_int_equal(PARSE(&given, &err, &first, "--set", "a=1", "-n1", "--set", "b=2"), 0);
    assert_string_equal(given_options_find(&given, "set", 0)->value, "a=1");
    assert_string_equal(given_options_find(&given, "set", 1)->value, "b=2");
    assert_null(given_options_find(&given, "set", 2));
    given_options_fini(&given);
}

static void test_mistakes_name_the_word_and_what_it_may_have_been(void **state)
{
    (void)state;
    assert_mistake("--limt", "unknown option \"--limt\"; did you mean \"--limit\"?");
    assert_mistake("--zzzzzz", "unknown option \"--zzzzzz\"");
    assert_mistake("--limit", "option \"--limit\" wants an argument");
    assert_mistake("-n", "option \"-n\" wants an argument");
    assert_mistake("--json=1", "option \"--json\" takes no argument");
    assert_mistake("-x", "unknown option \"-x\" (a word that begins with - goes after --)");
}

static void test_every_command_takes_the_common_options(void **state)
{
    (void)state;
    assert_true(options_has(&command, "data-dir"));
    assert_true(options_has(&command, "config"));
    assert_true(options_has(&command, "help"));
    assert_true(options_has(&command, "db"));
    assert_false(options_has(&command, "listen"));
}

static void test_ids_are_numbers_counts_back_and_ranges(void **state)
{
    (void)state;
    static const char *const good[] = {"1",    "0",      "@last",    "@-1",
                                       "@-20", "10..20", "1..@last", "@-5..@-2"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!id_is_well_formed(good[i]))
            fail_msg("refused: %s", good[i]);
    static const char *const bad[] = {"",
                                      "-1",
                                      "x",
                                      "1x",
                                      "@",
                                      "@last2",
                                      "@-0",
                                      "@-",
                                      "@2",
                                      "1..",
                                      "..2",
                                      "1...2",
                                      "1-2",
                                      " 1",
                                      "+1",
                                      "0x1",
                                      "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (id_is_well_formed(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void test_ranges_have_two_ends(void **state)
{
    (void)state;
    struct id_range range;
    struct err err = {0};
    assert_int_equal(id_resolve(NULL, "10..20", &range, &err), STORE_FOUND);
    assert_int_equal(range.first, 10);
    assert_int_equal(range.last, 20);
    assert_false(range.is_single);
    assert_int_equal(id_resolve(NULL, "7", &range, &err), STORE_FOUND);
    assert_int_equal(range.first, 7);
    assert_true(range.is_single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_may_stand_among_words),
        cmocka_unit_test(test_repeated_options_keep_their_order),
        cmocka_unit_test(test_mistakes_name_the_word_and_what_it_may_have_been),
        cmocka_unit_test(test_every_command_takes_the_common_options),
        cmocka_unit_test(test_ids_are_numbers_counts_back_and_ranges),
        cmocka_unit_test(test_ranges_have_two_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
