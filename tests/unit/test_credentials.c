// SPDX-License-Identifier: MIT
// The file of users: what is taken, and how each mistake is said.

#include "hark/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

// BCRYPT is of "secret".
#define BCRYPT "$2y$05$MuzVkL7k7WSp12OM4lh06.3jCIah.bdUKJHuMpZMz.i4IohqhhELa"
#define SHA512                                                                                    \
    "$6$rounds=1000$saltsalt$R70FjP5CKgfUWxkfV6OcgswKXpLOS7Zt6CQLaG4DGtBGbbmhwBDa53tHgL8lEqZB.m6" \
    "RkJZWGZ40UZ5xQhpVS0"

struct fixture {
    char path[64];
    struct credentials *credentials;
    struct err err;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.path = "/tmp/hark-users-XXXXXX"};
    int fd = mkstemp(fixture.path);
    *state = &fixture;
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    credentials_destroy(fixture->credentials);
    return unlink(fixture->path);
}

static struct credentials *load(struct fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    fixture->err = (struct err){0};
    credentials_destroy(fixture->credentials);
    fixture->credentials = credentials_load(fixture->path, &fixture->err);
    assert_int_equal(fixture->credentials == NULL, fixture->err.is_set);
    return fixture->credentials;
}

// `expected` is what follows the name of the file.
static void assert_mistake(struct fixture *fixture, const char *text, const char *expected)
{
    assert_null(load(fixture, text));
    assert_int_equal(strncmp(fixture->err.text, fixture->path, strlen(fixture->path)), 0);
    const char *said = fixture->err.text + strlen(fixture->path);
    if (strncmp(said, expected, strlen(expected)) != 0)
        fail_msg("%s", said);
}

static void test_users_are_found_by_name(void **state)
{
    const struct credentials *credentials =
        load(*state, "# users\n\nzoe:" BCRYPT "\r\nalice:" SHA512 "\nbob:" BCRYPT);
    assert_non_null(credentials);
    assert_string_equal(credentials_find(credentials, "zoe"), BCRYPT);
    assert_string_equal(credentials_find(credentials, "alice"), SHA512);
    assert_string_equal(credentials_find(credentials, "bob"), BCRYPT);
    assert_null(credentials_find(credentials, "carol"));
    assert_null(credentials_find(credentials, ""));
    assert_non_null(credentials_any_hash(credentials));
}

static void test_password_is_verified(void **state)
{
    (void)state;
    assert_true(credentials_verify(BCRYPT, "secret"));
    assert_false(credentials_verify(BCRYPT, "Secret"));
    assert_false(credentials_verify(BCRYPT, ""));
    assert_false(credentials_verify(BCRYPT, BCRYPT));
}

static void test_mistakes_name_their_line(void **state)
{
    assert_mistake(*state, "a:" BCRYPT "\nnothing\n", ":2: not \"user:hash\"");
    assert_mistake(*state, ":" BCRYPT "\n", ":1: not \"user:hash\"");
    assert_mistake(*state, "a:" BCRYPT "\n\nb:plain text\n", ":3: what follows the user is no");
    assert_mistake(*state, "a:\n", ":1: what follows the user is no");
    assert_mistake(*state, "a:$apr1$0UVTV3IN$1BSarWSIg/wIStEML0rLW.\n", ":1: what follows the");
    assert_mistake(*state, "a:kE6dJ0CKtZJaE\n", ":1: the hash is of a kind that is easily broken");
    assert_mistake(*state, "a:" BCRYPT "\nb:" BCRYPT "\na:" BCRYPT "\n",
                   ":3: the user of line 1 again");
}

static void test_line_that_is_too_long_is_a_mistake(void **state)
{
    char text[3000];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 2] = '\n';
    text[sizeof(text) - 1] = '\0';
    assert_mistake(*state, text, ":1: longer than");
}

static void test_file_without_a_user_is_a_mistake(void **state)
{
    assert_mistake(*state, "", ": there is no user in it");
    assert_mistake(*state, "# nobody\n\n", ": there is no user in it");
}

static void test_file_that_others_may_read_or_change_is_a_mistake(void **state)
{
    struct fixture *fixture = *state;
    static const mode_t loose[] = {0644, 0604, 0660, 0602, 0641};
    for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
        assert_int_equal(chmod(fixture->path, loose[i]), 0);
        assert_mistake(fixture, "a:" BCRYPT "\n", ": others may read or change it");
    }
    assert_int_equal(chmod(fixture->path, 0640), 0);
    assert_non_null(load(fixture, "a:" BCRYPT "\n"));
}

static void test_what_is_no_file_is_a_mistake(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(credentials_load("/nonexistent/users", &err));
    assert_string_equal(err.text, "open /nonexistent/users: No such file or directory");
    err = (struct err){0};
    assert_null(credentials_load("/dev/null", &err));
    assert_string_equal(err.text, "/dev/null is no file");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_users_are_found_by_name),
        TEST(test_password_is_verified),
        TEST(test_mistakes_name_their_line),
        TEST(test_line_that_is_too_long_is_a_mistake),
        TEST(test_file_without_a_user_is_a_mistake),
        TEST(test_file_that_others_may_read_or_change_is_a_mistake),
        TEST(test_what_is_no_file_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
