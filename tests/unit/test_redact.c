// SPDX-License-Identifier: MIT
// What of the head of an exchange is replaced before it is recorded, and what is not.
#include "hark/redact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char *header_names[] = {"Authorization", "Cookie", "Set-Cookie", "X-*-Token",
                                     "Proxy-Authorization"};
static const char *parameter_names[] = {"token", "api_key"};
static const struct config_list headers = {header_names, COUNT_OF(header_names)};
static const struct config_list query = {parameter_names, COUNT_OF(parameter_names)};
static const struct config_list nothing;
static const unsigned char key[REDACT_KEY_BYTES] = "a key";

// With the bare word for a mark, so that it is seen where marks are.
static const struct redaction plain = {
    .headers = &headers, .query = &query, .json = &nothing, .form = &nothing};
static const struct redaction keyed = {
    .headers = &headers, .query = &query, .json = &nothing, .form = &nothing, .key = key};

static void assert_field(const char *name, const char *value, const char *expected)
{
    struct buffer out = {0};
    buffer_append_text(&out, "");
    redact_field(&plain, name, value, &out);
    assert_string_equal(out.data, expected);
    buffer_fini(&out);
}

static void assert_error(const char *code, const char *text, const char *expected)
{
    struct buffer out = {0};
    buffer_append_text(&out, "");
    redact_error(&plain, code, text, &out);
    assert_string_equal(out.data, expected);
    buffer_fini(&out);
}

static void test_what_errors_quote(void **state)
{
    (void)state;
    assert_error("bad-request", "field name \"a \"secret\" b\" is no token",
                 "field name \"redacted\" is no token");
    assert_error("bad-response", "http://u:p@a/ said: \"x\"",
                 "http://redacted@a/ said: \"redacted\"");
    assert_error("playback-miss", "the value of \"q\" differs", "the value of \"q\" differs");
    assert_error("bad-request", "one \" alone", "one \" alone");
    assert_error(NULL, "a \"b\"", "a \"b\"");
}

static void assert_query(const char *text, const char *expected)
{
    struct buffer out = {0};
    redact_query(&plain, text, &out);
    assert_string_equal(out.data, expected);
    buffer_fini(&out);
}

static void test_listed_fields_keep_their_form(void **state)
{
    (void)state;
    assert_field("authorization", "Bearer abc", "Bearer redacted");
    assert_field("Authorization", "abc", "redacted");
    assert_field("Cookie", "a=1; b=2; c=", "a=redacted; b=redacted; c=");
    assert_field("Set-Cookie", "id=abc; Path=/; HttpOnly", "id=redacted; Path=/; HttpOnly");
    assert_field("Set-Cookie", "a=1; expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/, b=secret",
                 "a=redacted; expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=redacted");
    assert_field("Set-Cookie", "a=\"x;secret\"; Secure", "a=redacted;redacted; Secure");
    assert_field("Authorization", "secret two", "redacted");
    assert_field("Authorization ", "Basic secret", "redacted");
    assert_field("Authorization x", "secret", "redacted");
    assert_field("Host", "u:secret@a.example:80", "redacted@a.example:80");
    assert_field("Host", "a.example:80", "a.example:80");
    assert_field("X-Csrf-Token", "abc", "redacted");
    assert_field("X-Token", "abc", "abc");
    assert_field("X-Csrf-Token", "", "");
}

static void test_parameters_are_found_however_they_are_spelt(void **state)
{
    (void)state;
    assert_query("a=1&token=abc&b=2", "a=1&token=redacted&b=2");
    assert_query("TOKEN=abc", "TOKEN=redacted");
    assert_query("t%6fken=abc", "t%6fken=redacted");
    assert_query("user[token]=abc&user%5Btoken%5D=x",
                 "user[token]=redacted&user%5Btoken%5D=redacted");
    assert_query("token=&token", "token=&token");
    assert_query("tokens=abc&xtoken=1", "tokens=abc&xtoken=1");
    assert_query("token=a=b;c", "token=redacted");
    assert_query("a=1;token=x", "a=1;token=redacted");
    assert_query("", "");
}

static void test_each_step_of_a_parameters_name_counts(void **state)
{
    (void)state;
    assert_query("token[]=a&token%5b%5d=b", "token[]=redacted&token%5b%5d=redacted");
    assert_query("token[0][value]=a&user[token][]=b",
                 "token[0][value]=redacted&user[token][]=redacted");
    assert_query("Input.Token=a&token.old=b", "Input.Token=redacted&token.old=redacted");
    assert_query("token[=a&]token=b", "token[=redacted&]token=redacted");
    assert_query("tokens[]=a&[]=b&user[tokens]=c&.=d", "tokens[]=a&[]=b&user[tokens]=c&.=d");
}

static void test_urls_in_fields_that_are_not_listed(void **state)
{
    (void)state;
    assert_field("Location", "/next?token=abc#api_key=d", "/next?token=redacted#api_key=redacted");
    assert_field("Referer", "https://a.example/?x=1&token=abc",
                 "https://a.example/?x=1&token=redacted");
    assert_field("Link", "<https://a.example/?token=abc>; rel=next, </b?api_key=1>; rel=prev",
                 "<https://a.example/?token=redacted>; rel=next, </b?api_key=redacted>; rel=prev");
    assert_field("Refresh", "0; url=/a?token=abc", "0; url=/a?token=redacted");
    assert_field("Location", "https://me:secret@a.example/x", "https://redacted@a.example/x");
    assert_field("X-Note", "token=abc", "token=abc");
    assert_field("From", "me@a.example", "me@a.example");
}

static void test_an_apostrophe_ends_no_url(void **state)
{
    (void)state;
    assert_field("Referer", "https://a.example/?q=it's&token=abc",
                 "https://a.example/?q=it's&token=redacted");
    assert_field("Location", "/cb?token=ab'cd", "/cb?token=redacted");
    assert_field("Location", "https://me:pa'ss@a.example/", "https://redacted@a.example/");
}

static void test_urls_in_the_query(void **state)
{
    (void)state;
    assert_query("url=https://a.example/v1?token=abc&b=2",
                 "url=https://a.example/v1?token=redacted&b=2");
    assert_query("next=/cb#token=abc?d", "next=/cb#token=redacted");
    assert_query("?token=abc", "?token=redacted");
    assert_query("url=http://me:se;c=ret@a.example/", "url=http://redacted@a.example/");
    assert_query("next=//a.example&mail=me@b.example", "next=//a.example&mail=me@b.example");
    assert_query("next=//a.example&token=a@b", "next=//a.example&token=redacted");
    assert_field("Referer", "/?next=//a.example&token=a@b", "/?next=//a.example&token=redacted");
}

static void test_a_name_may_have_a_question_mark_in_it(void **state)
{
    (void)state;
    static const char *names[] = {"pin?"};
    static const struct config_list list = {names, COUNT_OF(names)};
    const struct redaction rules = {
        .headers = &nothing, .query = &list, .json = &nothing, .form = &nothing};
    struct buffer out = {0};
    redact_query(&rules, "a=1&pin?=2&pin%3f=3&a?pin=4", &out);
    assert_string_equal(out.data, "a=1&pin?=redacted&pin%3f=redacted&a?pin=4");
    buffer_fini(&out);
}

static void test_names_are_trimmed(void **state)
{
    (void)state;
    struct buffer out = {0};
    redact_query(&plain, "+token=a&%20token%09=b&to+ken=c&+=d&%0atoken[]=e", &out);
    assert_string_equal(out.data, "+token=redacted&%20token%09=redacted&to+ken=c&+=d"
                                  "&%0atoken[]=redacted");
    buffer_fini(&out);
}

static void test_what_is_no_method_is_hidden(void **state)
{
    (void)state;
    struct exchange_row *row = row_create();
    row->method = "http://a.example/?token=a";
    redact_row(&plain, row);
    assert_string_equal(row->method, "redacted");
    assert_null(row->path);
    row->method = "GET\thttp://a.example/";
    row->path = "?token=a";
    redact_row(&plain, row);
    assert_string_equal(row->path, "redacted");
    row->method = "GET\thttp://a.example/";
    row->path = "";
    redact_row(&plain, row);
    assert_string_equal(row->path, "");
    row->method = "M-SEARCH";
    row->path = "/\"<>";
    redact_row(&plain, row);
    assert_string_equal(row->method, "M-SEARCH");
    assert_string_equal(row->path, "/\"<>");
    row_destroy(row);
}

static void test_what_is_no_target_is_hidden_where_it_may_be_a_value(void **state)
{
    (void)state;
    static const char *const targets[][2] = {
        {"http://a.example/b?token=c d", "http://a.example/bredacted"},
        {"/b?token=c#d", "/bredacted"},
        {"http://me:c d@a.example/", "http://redacted"},
        {"me:c d@a.example:443", "redacted"},
        {"ftp://a.example/?token=c\"d", "ftp://a.example/redacted"},
        {"token=c", "token=redacted"},
        {"a?x=1&token=\tc", "aredacted"},
        {"a.example:443", "a.example:443"},
    };
    for (size_t i = 0; i < COUNT_OF(targets); i++) {
        struct exchange_row *row = row_create();
        row->path = targets[i][0];
        redact_row(&plain, row);
        assert_string_equal(row->path, targets[i][1]);
        row_destroy(row);
    }
}

static void test_userinfo_is_replaced_whatever_is_listed(void **state)
{
    (void)state;
    const struct redaction only_headers = {
        .headers = &headers, .query = &nothing, .json = &nothing, .form = &nothing};
    struct exchange_row *row = row_create();
    row->path = "/x";
    row->query = "url=http://me:secret@a.example/?token=b";
    redact_row(&only_headers, row);
    assert_string_equal(row->query, "url=http://redacted@a.example/?token=b");
    row_destroy(row);
}

static void mark_of(const char *text, struct buffer *out)
{
    buffer_clear(out);
    redact_query(&keyed, text, out);
}

static void test_equal_values_have_equal_marks(void **state)
{
    (void)state;
    struct buffer one = {0};
    struct buffer other = {0};
    mark_of("token=abc", &one);
    mark_of("token=%61b%63", &other);
    assert_string_equal(one.data, other.data);
    assert_true(redact_is_mark(one.data + strlen("token="), one.length - strlen("token=")));
    mark_of("token=abd", &other);
    assert_string_not_equal(one.data, other.data);
    // HMAC-SHA256 with this key, by another implementation.
    assert_string_equal(one.data, "token=redacted:e84bac9c08d7281c");
    buffer_fini(&one);
    buffer_fini(&other);
}

static void test_a_mark_stays_what_it_is(void **state)
{
    (void)state;
    struct buffer once = {0};
    struct buffer twice = {0};
    mark_of("a=1&token=abc", &once);
    mark_of(once.data, &twice);
    assert_string_equal(once.data, twice.data);
    assert_false(redact_is_mark("redacted:0123456789abcdeF", REDACT_MARK_BYTES));
    assert_false(redact_is_mark("redacted:0123456789abcde", REDACT_MARK_BYTES - 1));
    buffer_fini(&once);
    buffer_fini(&twice);
}

static void test_long_values_are_hashed_whole(void **state)
{
    (void)state;
    char value[300] = "token=";
    struct buffer one = {0};
    struct buffer other = {0};
    memset(value + strlen(value), 'x', 200);
    mark_of(value, &one);
    value[150] = 'y';
    mark_of(value, &other);
    assert_string_not_equal(one.data, other.data);
    assert_int_equal(one.length, strlen("token=") + REDACT_MARK_BYTES);
    buffer_fini(&one);
    buffer_fini(&other);
}

static void add(struct exchange_row *row, struct fields *fields, const char *name,
                const char *value)
{
    fields_add(fields, &row->arena, name, strlen(name), value, strlen(value));
}

static void test_a_row_is_redacted_everywhere(void **state)
{
    (void)state;
    struct exchange_row *row = row_create();
    row->path = "http://u:secret@x/?token=secret"; // what is no target is kept as the path
    row->query = "token=secret&a=1";
    row->interim = "[{\"status\":103,\"headers\":[[\"Set-Cookie\",\"a=secret\"]]}]";
    add(row, &row->request_headers, "Authorization", "Bearer secret");
    add(row, &row->request_trailers, "X-A-Token", "secret");
    add(row, &row->response_headers, "Location", "/?token=secret");
    add(row, &row->response_trailers, "Set-Cookie", "a=secret");
    redact_row(&plain, row);
    assert_string_equal(row->path, "http://redacted@x/?token=redacted");
    assert_string_equal(row->query, "token=redacted&a=1");
    assert_string_equal(row->interim,
                        "[{\"status\":103,\"headers\":[[\"Set-Cookie\",\"a=redacted\"]]}]");
    assert_string_equal(row->request_headers.items[0].value, "Bearer redacted");
    assert_int_equal(row->request_headers.items[0].value_length, strlen("Bearer redacted"));
    assert_string_equal(row->request_trailers.items[0].value, "redacted");
    assert_string_equal(row->response_headers.items[0].value, "/?token=redacted");
    assert_string_equal(row->response_trailers.items[0].value, "a=redacted");
    row_destroy(row);
}

static void test_of_a_command_two_words_stay(void **state)
{
    (void)state;
    const struct redaction off = {
        .headers = &nothing, .query = &nothing, .json = &nothing, .form = &nothing};
    char *cut = redact_command(&plain, "hark run -- curl -H 'Authorization: x'");
    char *whole = redact_command(&off, "hark run -- curl -H 'Authorization: x'");
    char *shorter = redact_command(&plain, "hark serve");
    assert_string_equal(cut, "hark run …");
    assert_string_equal(whole, "hark run -- curl -H 'Authorization: x'");
    assert_string_equal(shorter, "hark serve");
    free(cut);
    free(whole);
    free(shorter);
}

static void test_marks_are_found_in_pieces(void **state)
{
    (void)state;
    static const char mark[] = "redacted:0123456789abcdef";
    static const char text[] = "{\"a\": \"r rerredacted:0123456789abcdef0\"}";
    static const char *const others[] = {"redacted:0123456789abcde", "redacted:0123456789abcdeF",
                                         "redacted 0123456789abcdef", "",
                                         "Redacted:0123456789abcdef"};
    assert_true(redact_is_mark(mark, strlen(mark)));
    assert_false(redact_is_mark(text, strlen(text)));
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        struct redact_search search = {0};
        bool is_first = redact_search(&search, text, cut);
        assert_true(is_first || redact_search(&search, text + cut, strlen(text) - cut));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(redact_has_mark(others[i], strlen(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_errors_quote),
        cmocka_unit_test(test_listed_fields_keep_their_form),
        cmocka_unit_test(test_parameters_are_found_however_they_are_spelt),
        cmocka_unit_test(test_each_step_of_a_parameters_name_counts),
        cmocka_unit_test(test_urls_in_fields_that_are_not_listed),
        cmocka_unit_test(test_an_apostrophe_ends_no_url),
        cmocka_unit_test(test_urls_in_the_query),
        cmocka_unit_test(test_a_name_may_have_a_question_mark_in_it),
        cmocka_unit_test(test_names_are_trimmed),
        cmocka_unit_test(test_what_is_no_method_is_hidden),
        cmocka_unit_test(test_what_is_no_target_is_hidden_where_it_may_be_a_value),
        cmocka_unit_test(test_userinfo_is_replaced_whatever_is_listed),
        cmocka_unit_test(test_equal_values_have_equal_marks),
        cmocka_unit_test(test_a_mark_stays_what_it_is),
        cmocka_unit_test(test_long_values_are_hashed_whole),
        cmocka_unit_test(test_a_row_is_redacted_everywhere),
        cmocka_unit_test(test_of_a_command_two_words_stay),
        cmocka_unit_test(test_marks_are_found_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
