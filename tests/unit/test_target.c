// SPDX-License-Identifier: MIT
// Request targets in their four forms (RFC 9112 section 3.2), and authorities (RFC 3986 section
// 3.2).
#include "hark/message.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct target parse(const char *method, const char *text)
{
    struct target target;
    struct err err = {0};
    int status = target_parse(&target, &arena, method, text, &err);
    if (status != 0)
        fail_msg("%s %s: %d: %s", method, text, status, err.text);
    return target;
}

static void assert_refused(const char *method, const char *text)
{
    struct target target;
    struct err err = {0};
    int status = target_parse(&target, &arena, method, text, &err);
    if (status != 400)
        fail_msg("%s %s: status %d", method, text, status);
    assert_true(err.is_set);
}

static void assert_path(const char *method, const char *text, const char *path, const char *query)
{
    struct target target = parse(method, text);
    assert_string_equal(target.path, path);
    if (query == NULL)
        assert_null(target.query);
    else
        assert_string_equal(target.query, query);
}

static void assert_host(const char *text, const char *host, int port)
{
    struct target target = parse("GET", text);
    assert_string_equal(target.host, host);
    assert_int_equal(target.port, port);
}

// --- absolute form -----------------------------------------------------------------------------

static void test_absolute_form_is_taken_apart(void **state)
{
    (void)state;
    struct target target = parse("GET", "http://example.com:8080/a/b?x=1&y");
    assert_int_equal(target.form, TARGET_ABSOLUTE);
    assert_string_equal(target.scheme, "http");
    assert_string_equal(target.authority, "example.com:8080");
    assert_string_equal(target.host, "example.com");
    assert_int_equal(target.port, 8080);
    assert_string_equal(target.path, "/a/b");
    assert_string_equal(target.query, "x=1&y");
}

static void test_port_is_80_unless_given(void **state)
{
    (void)state;
    assert_host("http://example.com/", "example.com", 80);
    assert_host("http://example.com:/", "example.com", 80); // RFC 3986 section 6.2.3
    assert_host("http://example.com:1/", "example.com", 1);
    assert_host("http://example.com:65535/", "example.com", 65535);
}

// RFC 9110 section 7.7: no recoding, no dot segments removed.
static void test_octets_of_path_and_query_stay(void **state)
{
    (void)state;
    assert_path("GET", "http://h/a/../b%2f%7E//./?x=%31&&", "/a/../b%2f%7E//./", "x=%31&&");
    assert_path("GET", "http://h/a?b?c/d:e@f", "/a", "b?c/d:e@f");
    assert_path("GET", "http://h/http://other/?u=http://third/", "/http://other/",
                "u=http://third/");
    assert_path("GET", "http://h/caf\xc3\xa9?\xff", "/caf\xc3\xa9", "\xff");
    assert_path("GET", "/a/../b%2f?x=%31", "/a/../b%2f", "x=%31");
}

static void test_missing_path_is_the_root(void **state)
{
    (void)state;
    assert_path("GET", "http://h", "/", NULL);
    assert_path("GET", "http://h?x", "/", "x"); // RFC 9112 section 3.2.1
}

static void test_empty_query_is_not_a_missing_one(void **state)
{
    (void)state;
    assert_path("GET", "http://h/a", "/a", NULL);
    assert_path("GET", "http://h/a?", "/a", "");
    assert_path("GET", "/a?", "/a", "");
}

// RFC 9112 section 3.2.4: only a target that is nothing but an authority means the whole server.
static void test_options_for_an_authority_is_for_the_server(void **state)
{
    (void)state;
    assert_path("OPTIONS", "http://h", "*", NULL);
    assert_path("OPTIONS", "HTTP://h:8080", "*", NULL);
    assert_path("OPTIONS", "http://h/", "/", NULL);
    assert_path("OPTIONS", "http://h?x", "/", "x");
}

static void test_host_is_compared_in_lower_case_and_sent_as_received(void **state)
{
    (void)state;
    struct target target = parse("GET", "HTTP://EXAMPLE.Com:80/A");
    assert_string_equal(target.scheme, "http");
    assert_string_equal(target.host, "example.com");
    assert_string_equal(target.authority, "EXAMPLE.Com:80");
    assert_string_equal(target.path, "/A");
}

static void test_ipv6_host_has_no_brackets(void **state)
{
    (void)state;
    assert_host("http://[::1]/", "::1", 80);
    assert_host("http://[2001:DB8::1]:8080/", "2001:db8::1", 8080);
    assert_string_equal(parse("GET", "http://[::1]:8080/").authority, "[::1]:8080");
}

// The forms that inet_aton(3) takes, since the connection will go there.
static void test_numeric_host_is_in_dotted_form(void **state)
{
    (void)state;
    assert_host("http://127.1/", "127.0.0.1", 80);
    assert_host("http://2130706433/", "127.0.0.1", 80);
    assert_host("http://0x7f.0.0.1/", "127.0.0.1", 80);
    assert_host("http://0177.0.0.1/", "127.0.0.1", 80);
}

static void test_percent_encoded_host_is_decoded(void **state)
{
    (void)state;
    assert_host("http://l%6FcalHost/", "localhost", 80);
    assert_refused("GET", "http://a%00b/");
    assert_refused("GET", "http://a%2fb/");
    assert_refused("GET", "http://a%20b/");
    assert_refused("GET", "http://a%40b/");
    assert_refused("GET", "http://a%7Fb/");
    assert_refused("GET", "http://a%0Ab/");
}

static void test_other_schemes_are_refused(void **state)
{
    (void)state;
    assert_refused("GET", "ftp://example.com/");
    assert_refused("GET", "file:///etc/passwd");
    assert_refused("GET", "gopher://example.com/");
    assert_refused("GET", "httpx://example.com/");
    assert_refused("GET", "x://example.com/");
    assert_refused("GET", "://example.com/");
}

static void test_https_is_taken_in_absolute_form(void **state)
{
    (void)state;
    struct target target = parse("GET", "HTTPS://Example.com/a?b");
    assert_int_equal(target.form, TARGET_ABSOLUTE);
    assert_string_equal(target.scheme, "https");
    assert_string_equal(target.host, "example.com");
    assert_int_equal(target.port, 443);
    assert_string_equal(target.path, "/a");
    target = parse("OPTIONS", "https://example.com:8443");
    assert_int_equal(target.port, 8443);
    assert_string_equal(target.path, "*");
}

static void test_userinfo_is_refused(void **state)
{
    (void)state;
    assert_refused("GET", "http://user@example.com/");
    assert_refused("GET", "http://user:password@example.com/");
    assert_refused("GET", "http://@example.com/");
    assert_refused("GET", "http://example.com@/");
}

static void test_bad_authority_is_refused(void **state)
{
    (void)state;
    assert_refused("GET", "http:///path");
    assert_refused("GET", "http://");
    assert_refused("GET", "http://:80/");
    assert_refused("GET", "http://h:0/");
    assert_refused("GET", "http://h:65536/");
    assert_refused("GET", "http://h:99999999999999999999/");
    assert_refused("GET", "http://h:8x/");
    assert_refused("GET", "http://h:-1/");
    assert_refused("GET", "http://h:80:80/");
    assert_refused("GET", "http://[::1/");
    assert_refused("GET", "http://a\\b/");
}

static void test_white_space_controls_and_fragments_are_refused(void **state)
{
    (void)state;
    assert_refused("GET", "http://h/a b");
    assert_refused("GET", "http://h/a\tb");
    assert_refused("GET", "http://h/a\rb");
    assert_refused("GET", "http://h/a\nb");
    assert_refused("GET", "http://h/a\x01");
    assert_refused("GET", "http://h/a\x7f");
    assert_refused("GET", "http://h/a#b");
    assert_refused("GET", "/a#b");
    assert_refused("GET", " /a");
}

// --- the other forms -----------------------------------------------------------------------------

static void test_origin_form_has_path_and_query_only(void **state)
{
    (void)state;
    struct target target = parse("GET", "/where?q=now");
    assert_int_equal(target.form, TARGET_ORIGIN);
    assert_null(target.scheme);
    assert_null(target.authority);
    assert_null(target.host);
    assert_path("GET", "/where?q=now", "/where", "q=now");
    assert_path("GET", "//not-a-host/path", "//not-a-host/path", NULL);
}

static void test_asterisk_form_is_known(void **state)
{
    (void)state;
    struct target target = parse("OPTIONS", "*");
    assert_int_equal(target.form, TARGET_ASTERISK);
    assert_string_equal(target.path, "*");
    assert_null(target.host);
    assert_refused("OPTIONS", "**");
}

static void test_connect_has_an_authority_with_its_port(void **state)
{
    (void)state;
    struct target target = parse("CONNECT", "Example.com:443");
    assert_int_equal(target.form, TARGET_AUTHORITY);
    assert_string_equal(target.authority, "Example.com:443");
    assert_string_equal(target.host, "example.com");
    assert_int_equal(target.port, 443);

    target = parse("CONNECT", "[::1]:8443");
    assert_string_equal(target.host, "::1");
    assert_int_equal(target.port, 8443);
}

static void test_connect_with_empty_or_bad_port_is_refused(void **state)
{
    (void)state;
    assert_refused("CONNECT", "example.com");
    assert_refused("CONNECT", "example.com:");
    assert_refused("CONNECT", "example.com:0");
    assert_refused("CONNECT", "example.com:65536");
    assert_refused("CONNECT", "example.com:https");
    assert_refused("CONNECT", "example.com:+443");
    assert_refused("CONNECT", "[::1]");
    assert_refused("CONNECT", ":443");
}

// RFC 9112 section 3.2.3: CONNECT takes the authority form and no other.
static void test_connect_takes_no_other_form(void **state)
{
    (void)state;
    assert_refused("CONNECT", "http://example.com:443/");
    assert_refused("CONNECT", "example.com:443/");
    assert_refused("CONNECT", "user@example.com:443");
    assert_refused("CONNECT", "/");
    assert_refused("CONNECT", "*");
}

static void test_authority_form_is_for_connect_only(void **state)
{
    (void)state;
    assert_refused("GET", "example.com:80");
    assert_refused("GET", "mailto:25");
    assert_refused("GET", "example.com");
    assert_refused("GET", "http:/example.com");
    assert_refused("GET", "");
}

// --- authorities -------------------------------------------------------------------------------

static void test_host_with_or_without_port_is_an_authority(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "example.com",
        "example.com:80",
        "EXAMPLE.com",
        "a",
        "a_b-c~d.e",
        "127.0.0.1",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:80",
        "[::ffff:10.0.0.1]:80",
        "a:",
        "xn--bcher-kva.de",
        "a%41",
        "example.com.",
    };
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
        if (!authority_is_valid(valid[i]))
            fail_msg("refused: %s", valid[i]);
}

// RFC 3986 section 3.2.2, and no userinfo (RFC 9110 section 7.2).
static void test_anything_else_is_no_authority(void **state)
{
    (void)state;
    static const char *const invalid[] = {
        "",     ":80",  "a b",  "a,b",       "a:80, b:80", "user@a",   "a/",      "a/b",
        "a?b",  "a#b",  "a\\b", "a:80x",     "a: 80",      "a:+80",    "a:65536", "a:80:80",
        "[::1", "::1]", "::1",  "[::g]",     "[::1]x",     "[]",       "a[::1]",  "a|b",
        "a<b>", "a\"b", "a{b}", "a^b",       "a`b",        "a\x01",    "a\x7f",   "a\tb",
        "%",    "a%4",  "a%zz", "b\xc3\xbc", "b\xfc.de",   "http://a", "http:a",
    };
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
        if (authority_is_valid(invalid[i]))
            fail_msg("taken for an authority: %s", invalid[i]);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_absolute_form_is_taken_apart),
        TEST(test_port_is_80_unless_given),
        TEST(test_octets_of_path_and_query_stay),
        TEST(test_missing_path_is_the_root),
        TEST(test_empty_query_is_not_a_missing_one),
        TEST(test_options_for_an_authority_is_for_the_server),
        TEST(test_host_is_compared_in_lower_case_and_sent_as_received),
        TEST(test_ipv6_host_has_no_brackets),
        TEST(test_numeric_host_is_in_dotted_form),
        TEST(test_percent_encoded_host_is_decoded),
        TEST(test_other_schemes_are_refused),
        TEST(test_https_is_taken_in_absolute_form),
        TEST(test_userinfo_is_refused),
        TEST(test_bad_authority_is_refused),
        TEST(test_white_space_controls_and_fragments_are_refused),
        TEST(test_origin_form_has_path_and_query_only),
        TEST(test_asterisk_form_is_known),
        TEST(test_connect_has_an_authority_with_its_port),
        TEST(test_connect_with_empty_or_bad_port_is_refused),
        TEST(test_connect_takes_no_other_form),
        TEST(test_authority_form_is_for_connect_only),
        TEST(test_host_with_or_without_port_is_an_authority),
        TEST(test_anything_else_is_no_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
