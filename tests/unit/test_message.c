// SPDX-License-Identifier: MIT
// Request heads: what is refused and with which status, how the body is framed, and which fields
// end at this hop (RFC 9110, RFC 9112).
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

// From lines like "Name: value\n", the last one without its end.
static struct fields fields_of(const char *lines)
{
    struct fields fields = {0};
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n");
        const char *separator = strstr(lines, ": ");
        assert_non_null(separator);
        size_t name_length = (size_t)(separator - lines);
        fields_add(&fields, &arena, lines, name_length, separator + 2, length - name_length - 2);
        lines += length + (lines[length] == '\n');
    }
    return fields;
}

static int check_fields(const char *method, const char *version, const struct fields *fields,
                        int64_t *body_length)
{
    struct request_head head = {
        .method = method, .target = "http://h/", .version = version, .fields = fields};
    struct err err = {0};
    int status = request_head_check(&head, body_length, &err);
    assert_int_equal(err.is_set, status != 0);
    return status;
}

static int check(const char *method, const char *version, const char *lines)
{
    struct fields fields = fields_of(lines);
    int64_t body_length = 0;
    return check_fields(method, version, &fields, &body_length);
}

// The status for a POST over HTTP/1.1 with a good Host and these fields.
static int check_post(const char *lines)
{
    struct fields fields = fields_of(lines);
    fields_add(&fields, &arena, "Host", 4, "h", 1);
    int64_t body_length = 0;
    return check_fields("POST", "HTTP/1.1", &fields, &body_length);
}

static void assert_post(const char *lines, int expected)
{
    int status = check_post(lines);
    if (status != expected)
        fail_msg("%s: status %d instead of %d", lines, status, expected);
}

static int64_t body_length_of(const char *lines)
{
    struct fields fields = fields_of(lines);
    int64_t body_length = -99;
    assert_int_equal(check_fields("POST", "HTTP/1.1", &fields, &body_length), 0);
    return body_length;
}

// --- tokens and values -------------------------------------------------------------------------

static bool is_tchar(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void test_token_has_the_characters_of_the_grammar(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char text[] = {'a', (char)c, 'z'};
        if (text_is_token(text, 3) != is_tchar(c))
            fail_msg("character %02x", (unsigned)c);
    }
    assert_false(text_is_token("", 0));
}

// RFC 9110 section 5.5: VCHAR, obs-text, SP and HTAB.
static void test_field_value_has_no_control_but_tab(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char text[] = {'a', (char)c, 'z'};
        bool expected = c == '\t' || (c >= 0x20 && c != 0x7f);
        if (text_is_field_value(text, 3) != expected)
            fail_msg("character %02x", (unsigned)c);
    }
    assert_true(text_is_field_value("", 0));
}

// --- heads -----------------------------------------------------------------------------------

static void test_every_http1_version_is_taken(void **state)
{
    (void)state;
    assert_int_equal(check("GET", "HTTP/1.1", "Host: h"), 0);
    assert_int_equal(check("GET", "HTTP/1.0", "Host: h"), 0);
    assert_int_equal(check("GET", "HTTP/1.2", "Host: h"), 0);
}

static void test_other_versions_get_505(void **state)
{
    (void)state;
    assert_int_equal(check("GET", "HTTP/2.0", "Host: h"), 505);
    assert_int_equal(check("GET", "HTTP/0.9", "Host: h"), 505);
}

static void test_what_is_no_version_gets_400(void **state)
{
    (void)state;
    static const char *const others[] = {"HTTP/1",   "HTTP/1.10", "http/1.1",
                                         "HTTP/1.x", "HTTP/1.1 ", ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(check("GET", others[i], "Host: h"), 400);
}

static void test_any_token_is_a_method(void **state)
{
    (void)state;
    assert_int_equal(check("get", "HTTP/1.1", "Host: h"), 0);
    assert_int_equal(check("M-FOO", "HTTP/1.1", "Host: h"), 0);
    assert_int_equal(check("G(T", "HTTP/1.1", "Host: h"), 400);
    assert_int_equal(check("G T", "HTTP/1.1", "Host: h"), 400);
    assert_int_equal(check("", "HTTP/1.1", "Host: h"), 400);
}

static void test_field_name_that_is_no_token_is_refused(void **state)
{
    (void)state;
    assert_post("X-Fine_1: y", 0);
    assert_post("X Y: y", 400);
    assert_post("X : y", 400); // white space before the colon: RFC 9112 section 5.1
    assert_post(": y", 400);
    assert_post("X(: y", 400);
    assert_post("X\xe9: y", 400);
}

static void test_control_character_in_a_value_is_refused(void **state)
{
    (void)state;
    assert_post("X: tab\tand caf\xe9 and caf\xc3\xa9", 0);
    assert_post("X: a\rb", 400);
    assert_post("X: a\x01", 400);
    assert_post("X: \x7f", 400);

    struct fields fields = fields_of("Host: h");
    int64_t body_length = 0;
    fields_add(&fields, &arena, "X", 1, "a\0b", 3);
    assert_int_equal(check_fields("GET", "HTTP/1.1", &fields, &body_length), 400);
    fields = fields_of("Host: h");
    fields_add(&fields, &arena, "X", 1, "a\nb", 3);
    assert_int_equal(check_fields("GET", "HTTP/1.1", &fields, &body_length), 400);
}

// RFC 9112 section 3.2.
static void test_host_must_be_there_once_and_valid(void **state)
{
    (void)state;
    assert_int_equal(check("GET", "HTTP/1.1", "host: example.com:80"), 0);
    assert_int_equal(check("GET", "HTTP/1.1", ""), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: a\nHost: a"), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: a\nhost: b"), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: a b"), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: user@a"), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: a:port"), 400);
    assert_int_equal(check("GET", "HTTP/1.1", "Host: a, b"), 400);
}

static void test_host_may_be_empty(void **state)
{
    (void)state;
    assert_int_equal(check("GET", "HTTP/1.1", "Host: "), 0);
}

static void test_host_may_be_missing_in_http_1_0_only(void **state)
{
    (void)state;
    assert_int_equal(check("GET", "HTTP/1.0", ""), 0);
    assert_int_equal(check("GET", "HTTP/1.2", ""), 400);
    assert_int_equal(check("GET", "HTTP/1.0", "Host: a\nHost: a"), 400);
    assert_int_equal(check("GET", "HTTP/1.0", "Host: a b"), 400);
}

// --- framing (RFC 9112 section 6) --------------------------------------------------------------

static void test_request_without_framing_fields_has_no_body(void **state)
{
    (void)state;
    assert_int_equal(body_length_of("Host: h"), 0);
}

static void test_content_length_is_the_length(void **state)
{
    (void)state;
    assert_int_equal(body_length_of("Host: h\nContent-Length: 0"), 0);
    assert_int_equal(body_length_of("Host: h\ncontent-length: 42"), 42);
    assert_int_equal(body_length_of("Host: h\nContent-Length: 010"), 10);
    assert_int_equal(body_length_of("Host: h\nContent-Length: 9223372036854775807"), INT64_MAX);
}

static void test_content_length_must_be_digits(void **state)
{
    (void)state;
    assert_post("Content-Length: +5", 400);
    assert_post("Content-Length: -1", 400);
    assert_post("Content-Length: 0x5", 400);
    assert_post("Content-Length: 5x", 400);
    assert_post("Content-Length: 5 5", 400);
    assert_post("Content-Length: 5.0", 400);
    assert_post("Content-Length: ", 400);
}

static void test_content_length_must_fit(void **state)
{
    (void)state;
    assert_post("Content-Length: 9223372036854775808", 400);
    assert_post("Content-Length: 18446744073709551621", 400); // 5, modulo 2 to the 64
}

static void test_repeated_content_length_is_refused(void **state)
{
    (void)state;
    assert_post("Content-Length: 5\nContent-Length: 6", 400);
    assert_post("Content-Length: 5\ncontent-length: 5", 400);
    assert_post("Content-Length: 5, 5", 400);
}

static void test_chunked_has_no_length_beforehand(void **state)
{
    (void)state;
    assert_int_equal(body_length_of("Host: h\nTransfer-Encoding: chunked"), BODY_LENGTH_CHUNKED);
    assert_int_equal(body_length_of("Host: h\ntransfer-encoding: ChUnKeD"), BODY_LENGTH_CHUNKED);
}

static void test_content_length_with_transfer_encoding_is_refused(void **state)
{
    (void)state;
    assert_post("Content-Length: 5\nTransfer-Encoding: chunked", 400);
    assert_post("Transfer-Encoding: chunked\nContent-Length: 0", 400);
    assert_post("Content-Length: 5\nTransfer-Encoding: gzip, chunked", 400);
}

// Section 6.3: without chunked at the end the length cannot be known.
static void test_transfer_encoding_that_does_not_end_in_chunked_is_refused(void **state)
{
    (void)state;
    assert_post("Transfer-Encoding: gzip", 400);
    assert_post("Transfer-Encoding: identity", 400);
    assert_post("Transfer-Encoding: chunked, gzip", 400);
    assert_post("Transfer-Encoding: xchunked", 400);
    assert_post("Transfer-Encoding: chunked-x", 400);
    assert_post("Transfer-Encoding: ", 400);
}

// Section 6.1: "SHOULD respond with 501 (Not Implemented)".
static void test_transfer_coding_that_is_not_understood_gets_501(void **state)
{
    (void)state;
    assert_post("Transfer-Encoding: gzip, chunked", 501);
    assert_post("Transfer-Encoding: gzip,\tChunked", 501);
    assert_post("Transfer-Encoding: chunkedness, chunked", 501);
    assert_post("Transfer-Encoding: chunk, chunked", 501);
}

// Section 6.1: "MUST NOT apply the chunked transfer coding more than once".
static void test_chunked_twice_is_refused(void **state)
{
    (void)state;
    assert_post("Transfer-Encoding: chunked, chunked", 400);
    assert_post("Transfer-Encoding: chunked,chunked", 400);
    assert_post("Transfer-Encoding: chunked, gzip, chunked", 400);
    assert_post("Transfer-Encoding: gzip, chunked , Chunked", 400);
    assert_post("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400);
    assert_post("Transfer-Encoding: gzip\nTransfer-Encoding: chunked", 400);
}

static void test_transfer_encoding_in_http_1_0_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check("POST", "HTTP/1.0", "Transfer-Encoding: chunked"), 400);
}

// --- methods and statuses ----------------------------------------------------------------------

static void test_idempotent_methods_are_those_of_the_rfc(void **state)
{
    (void)state;
    static const char *const idempotent[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
    static const char *const others[] = {"POST", "PATCH", "CONNECT", "M-FOO", "get", "GETX", ""};
    for (size_t i = 0; i < sizeof(idempotent) / sizeof(idempotent[0]); i++)
        assert_true(method_is_idempotent(idempotent[i]));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(method_is_idempotent(others[i]));
}

static void test_answers_without_body_are_those_of_the_rfc(void **state)
{
    (void)state;
    assert_true(status_has_body(200, "GET"));
    assert_true(status_has_body(205, "GET"));
    assert_true(status_has_body(404, "POST"));
    assert_false(status_has_body(200, "HEAD"));
    assert_false(status_has_body(404, "HEAD"));
    assert_false(status_has_body(100, "POST"));
    assert_false(status_has_body(199, "GET"));
    assert_false(status_has_body(204, "GET"));
    assert_false(status_has_body(304, "GET"));
}

// --- hop by hop (RFC 9110 section 7.6.1) ---------------------------------------------------------

static void assert_hop_by_hop(const struct fields *fields, const char *name, bool expected)
{
    const struct field *field = fields_find(fields, name);
    assert_non_null(field);
    if (field_is_hop_by_hop(fields, field) != expected)
        fail_msg("%s: expected %d", name, expected);
}

static void test_fields_of_the_hop_end_here(void **state)
{
    (void)state;
    struct fields fields =
        fields_of("connection: close\nKeep-Alive: timeout=5\nProxy-Connection: keep-alive\n"
                  "TE: trailers\nTransfer-Encoding: chunked\nUpgrade: websocket\n"
                  "Proxy-Authorization: Basic eDp5");
    for (size_t i = 0; i < fields.count; i++)
        assert_hop_by_hop(&fields, fields.items[i].name, true);
}

static void test_other_fields_go_on(void **state)
{
    (void)state;
    struct fields fields = fields_of("Connection: close\nAccept: */*\nContent-Length: 5\nHost: h\n"
                                     "Via: 1.1 a\nCookie: a=1\nX-Close: 1\nCache-Control: private");
    for (size_t i = 1; i < fields.count; i++)
        assert_hop_by_hop(&fields, fields.items[i].name, false);
}

static void test_fields_that_connection_lists_end_here(void **state)
{
    (void)state;
    struct fields fields = fields_of("X-One: 1\nConnection: close, x-one\nX-Two: 2\n"
                                     "Connection: X-TWO\nX-Three: 3");
    assert_hop_by_hop(&fields, "X-One", true);
    assert_hop_by_hop(&fields, "X-Two", true);
    assert_hop_by_hop(&fields, "X-Three", false);
}

static void test_listing_a_field_that_frames_the_message_does_no_harm(void **state)
{
    (void)state;
    struct fields fields = fields_of("Connection: Host, content-length, Content-Type\n"
                                     "Host: h\nContent-Length: 5\nContent-Type: a/b");
    assert_hop_by_hop(&fields, "Host", false);
    assert_hop_by_hop(&fields, "Content-Length", false);
    assert_hop_by_hop(&fields, "Content-Type", false);
}

// --- what the content is -------------------------------------------------------------------------

static const char *media_type_of(const char *lines)
{
    struct fields fields = fields_of(lines);
    return media_type(&fields, &arena);
}

static const char *encoding_of(const char *lines)
{
    struct fields fields = fields_of(lines);
    return content_encoding(&fields, &arena);
}

static void test_media_type_is_in_lower_case_without_parameters(void **state)
{
    (void)state;
    assert_string_equal(media_type_of("Content-Type: application/json"), "application/json");
    assert_string_equal(media_type_of("content-type: Text/HTML; Charset=UTF-8"), "text/html");
    assert_string_equal(media_type_of("Content-Type: text/plain \t;charset=x"), "text/plain");
}

static void test_media_type_may_be_unknown(void **state)
{
    (void)state;
    assert_null(media_type_of(""));
    assert_null(media_type_of("Content-Type: "));
    assert_null(media_type_of("Content-Type: ; charset=x"));
}

static void test_content_encoding_is_in_lower_case(void **state)
{
    (void)state;
    assert_string_equal(encoding_of("Content-Encoding: GZip"), "gzip");
    assert_string_equal(encoding_of("content-encoding: gzip, BR"), "gzip, br");
}

static void test_identity_is_no_content_encoding(void **state)
{
    (void)state;
    assert_null(encoding_of(""));
    assert_null(encoding_of("Content-Encoding: "));
    assert_null(encoding_of("Content-Encoding: Identity"));
}

// RFC 9110 section 5.3: the lines of a field are one list.
static void test_content_encoding_over_several_lines_is_one_list(void **state)
{
    (void)state;
    assert_string_equal(encoding_of("Content-Encoding: GZIP\nX: y\ncontent-encoding: br"),
                        "gzip, br");
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_token_has_the_characters_of_the_grammar),
        TEST(test_field_value_has_no_control_but_tab),
        TEST(test_every_http1_version_is_taken),
        TEST(test_other_versions_get_505),
        TEST(test_what_is_no_version_gets_400),
        TEST(test_any_token_is_a_method),
        TEST(test_field_name_that_is_no_token_is_refused),
        TEST(test_control_character_in_a_value_is_refused),
        TEST(test_host_must_be_there_once_and_valid),
        TEST(test_host_may_be_empty),
        TEST(test_host_may_be_missing_in_http_1_0_only),
        TEST(test_request_without_framing_fields_has_no_body),
        TEST(test_content_length_is_the_length),
        TEST(test_content_length_must_be_digits),
        TEST(test_content_length_must_fit),
        TEST(test_repeated_content_length_is_refused),
        TEST(test_chunked_has_no_length_beforehand),
        TEST(test_content_length_with_transfer_encoding_is_refused),
        TEST(test_transfer_encoding_that_does_not_end_in_chunked_is_refused),
        TEST(test_transfer_coding_that_is_not_understood_gets_501),
        TEST(test_chunked_twice_is_refused),
        TEST(test_transfer_encoding_in_http_1_0_is_refused),
        TEST(test_idempotent_methods_are_those_of_the_rfc),
        TEST(test_answers_without_body_are_those_of_the_rfc),
        TEST(test_fields_of_the_hop_end_here),
        TEST(test_other_fields_go_on),
        TEST(test_fields_that_connection_lists_end_here),
        TEST(test_listing_a_field_that_frames_the_message_does_no_harm),
        TEST(test_media_type_is_in_lower_case_without_parameters),
        TEST(test_media_type_may_be_unknown),
        TEST(test_content_encoding_is_in_lower_case),
        TEST(test_identity_is_no_content_encoding),
        TEST(test_content_encoding_over_several_lines_is_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
