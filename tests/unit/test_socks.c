// SPDX-License-Identifier: MIT
// The messages of SOCKS 5 (RFC 1928, RFC 1929): where each ends, what is in it, what is none.
#include "hark/socks.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

// Parses a copy that ends where the message ends, so that reading on is found out.
#define PARSE(function, bytes, length, result)               \
    ({                                                       \
        uint8_t *copy = malloc((length) > 0 ? (length) : 1); \
        memcpy(copy, bytes, length);                         \
        ssize_t whole = function(copy, length, result);      \
        free(copy);                                          \
        whole;                                               \
    })

static ssize_t request_of(const char *bytes, size_t length, struct socks_request *request)
{
    return PARSE(socks_parse_request, bytes, length, request);
}

#define REQUEST(bytes, request) request_of(bytes, sizeof(bytes) - 1, request)

static void test_greeting_says_what_is_offered(void **state)
{
    (void)state;
    struct socks_greeting greeting;
    assert_int_equal(PARSE(socks_parse_greeting, "\5\1\0", (size_t)3, &greeting), 3);
    assert_true(greeting.offers_none && !greeting.offers_password);
    assert_int_equal(PARSE(socks_parse_greeting, "\5\2\1\2rest", (size_t)8, &greeting), 4);
    assert_true(!greeting.offers_none && greeting.offers_password);
    assert_int_equal(PARSE(socks_parse_greeting, "\5\0", (size_t)2, &greeting), 2);
    assert_true(!greeting.offers_none && !greeting.offers_password);
}

static void test_greeting_needs_all_its_bytes(void **state)
{
    (void)state;
    struct socks_greeting greeting;
    for (size_t length = 0; length < 5; length++)
        assert_int_equal(PARSE(socks_parse_greeting, "\5\3\0\1\2", length, &greeting), SOCKS_MORE);
    assert_int_equal(PARSE(socks_parse_greeting, "\4\1\0", (size_t)3, &greeting), SOCKS_BAD);
}

static void test_password(void **state)
{
    (void)state;
    const char bytes[] = "\1\2me\6secret";
    struct socks_password password;
    for (size_t length = 0; length < sizeof(bytes) - 1; length++)
        assert_int_equal(PARSE(socks_parse_password, bytes, length, &password), SOCKS_MORE);
    assert_int_equal(PARSE(socks_parse_password, bytes, sizeof(bytes) - 1, &password), 11);
    assert_string_equal(password.user, "me");
    assert_string_equal(password.password, "secret");
    assert_int_equal(PARSE(socks_parse_password, "\1\0\0", (size_t)3, &password), 3);
    assert_string_equal(password.user, "");
    assert_int_equal(PARSE(socks_parse_password, "\5\1a\1b", (size_t)5, &password), SOCKS_BAD);
    assert_int_equal(PARSE(socks_parse_password, "\1\2a\0\1b", (size_t)6, &password), SOCKS_BAD);
}

static void test_longest_password_fits(void **state)
{
    (void)state;
    uint8_t bytes[513];
    struct socks_password password;
    memset(bytes, 'x', sizeof(bytes));
    bytes[0] = SOCKS_PASSWORD_VERSION;
    bytes[1] = bytes[257] = 255;
    assert_int_equal(PARSE(socks_parse_password, bytes, sizeof(bytes), &password), 513);
    assert_int_equal(strlen(password.user), 255);
    assert_int_equal(strlen(password.password), 255);
}

static void test_request_with_each_kind_of_address(void **state)
{
    (void)state;
    struct socks_request request;
    assert_int_equal(REQUEST("\5\1\0\1\x7f\0\0\1\0\x50", &request), 10);
    assert_string_equal(request.authority, "127.0.0.1:80");
    assert_true(request.is_known_address && !request.is_name);
    assert_int_equal(request.command, SOCKS_CONNECT);
    assert_int_equal(REQUEST("\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90more", &request), 22);
    assert_string_equal(request.authority, "[::1]:8080");
    assert_int_equal(REQUEST("\5\1\0\3\x0b"
                             "example.com\1\xbb",
                             &request),
                     18);
    assert_string_equal(request.authority, "example.com:443");
    assert_true(request.is_name);
}

static void test_addresses_as_names(void **state)
{
    (void)state;
    struct socks_request request;
    assert_int_equal(REQUEST("\5\1\0\3\x3"
                             "::1\0\x50",
                             &request),
                     10);
    assert_string_equal(request.authority, "[::1]:80");
    assert_false(request.is_name);
    assert_int_equal(REQUEST("\5\1\0\3\x9"
                             "192.0.2.1\0\x50",
                             &request),
                     16);
    assert_string_equal(request.authority, "192.0.2.1:80");
}

static void test_request_needs_all_its_bytes(void **state)
{
    (void)state;
    const char name[] = "\5\1\0\3\x0b"
                        "example.com\1\xbb";
    const char v6[] = "\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90";
    struct socks_request request;
    for (size_t length = 0; length < sizeof(name) - 1; length++)
        assert_int_equal(request_of(name, length, &request), SOCKS_MORE);
    for (size_t length = 0; length < sizeof(v6) - 1; length++)
        assert_int_equal(request_of(v6, length, &request), SOCKS_MORE);
}

static void test_longest_name_fits(void **state)
{
    (void)state;
    char bytes[262] = "\5\1\0\3\xff";
    struct socks_request request;
    memset(bytes + 5, 'a', 255);
    bytes[260] = bytes[261] = '\xff';
    assert_int_equal(request_of(bytes, sizeof(bytes), &request), 262);
    assert_int_equal(strlen(request.authority), 261);
    assert_string_equal(request.authority + 255, ":65535");
}

static void test_names_that_are_none(void **state)
{
    (void)state;
    struct socks_request request;
    assert_int_equal(REQUEST("\5\1\0\3\0\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\3a\0b\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\3a b\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\4me@h\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\3h:1\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\3h/x\0\x50", &request), SOCKS_BAD);
    assert_int_equal(REQUEST("\5\1\0\3\2h\r\0\x50", &request), SOCKS_BAD);
}

static void test_what_socks_5_has_not(void **state)
{
    (void)state;
    struct socks_request request;
    assert_int_equal(REQUEST("\5\x2\0\1\x7f\0\0\1\0\x50", &request), 10);
    assert_int_equal(request.command, SOCKS_BIND);
    assert_int_equal(REQUEST("\5\1\0\2whatever", &request), 4);
    assert_false(request.is_known_address);
    assert_string_equal(request.authority, "");
    assert_int_equal(REQUEST("\4\1\0\1\x7f\0\0\1\0\x50", &request), SOCKS_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting_says_what_is_offered),
        cmocka_unit_test(test_greeting_needs_all_its_bytes),
        cmocka_unit_test(test_password),
        cmocka_unit_test(test_longest_password_fits),
        cmocka_unit_test(test_request_with_each_kind_of_address),
        cmocka_unit_test(test_addresses_as_names),
        cmocka_unit_test(test_request_needs_all_its_bytes),
        cmocka_unit_test(test_longest_name_fits),
        cmocka_unit_test(test_names_that_are_none),
        cmocka_unit_test(test_what_socks_5_has_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
