// SPDX-License-Identifier: MIT
// Which requests are the same for playback.
#include "proxy/playback_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static struct config *config_with(const char *const *sets, size_t count)
{
    struct err err = {0};
    struct config_sources sources = {.file = "/dev/null", .sets = sets, .set_count = count};
    struct config *config = config_load(&sources, &err);
    if (config == NULL)
        fail_msg("%s", err.text);
    return config;
}

static bool is_same_query(const char *set, const char *a, const char *b)
{
    struct config *config = config_with(&set, set == NULL ? 0 : 1);
    struct playback_head head = {.method = "GET", .host = "a", .path = "/", .query = a};
    uint64_t key = playback_head_key(config, &head);
    head.query = b;
    bool is_same = key == playback_head_key(config, &head);
    config_release(config);
    return is_same;
}

static void test_queries_are_compared_by_parameter(void **state)
{
    (void)state;
    assert_true(is_same_query(NULL, "a=1&b=2", "b=2&a=1"));
    assert_true(is_same_query(NULL, "a=x%20y", "a=x+y"));
    assert_true(is_same_query(NULL, NULL, ""));
    assert_true(is_same_query(NULL, "a", "a="));
    assert_false(is_same_query(NULL, "a=1", "a=2"));
    assert_false(is_same_query(NULL, "a=1", "a=1&a=1"));
    assert_false(is_same_query(NULL, "a=1&b=", "a=1"));
    assert_false(is_same_query(NULL, "ab=", "a=b"));
}

static void test_ignored_parameters_do_not_count(void **state)
{
    (void)state;
    assert_true(is_same_query("playback_ignore_query=t key", "a=1&t=5&key=x", "key=y&a=1"));
    assert_false(is_same_query("playback_ignore_query=t", "a=1&T=5", "a=1"));
    assert_true(is_same_query("playback_match=path", "a=1", "a=2"));
}

static void test_redacted_parameters_are_equal_where_both_have_them(void **state)
{
    (void)state;
    const char *const set = "redact_query=token";
    assert_true(is_same_query(set, "a=1&token=x", "token=redacted:0123456789abcdef&a=1"));
    assert_true(is_same_query(set, "Token=x", "Token=y"));
    assert_true(is_same_query(set, "a=/b?token=x", "a=/b?token=redacted:0123456789abcdef"));
    assert_false(is_same_query(set, "a=/b?token=x", "a=/c?token=x"));
    assert_false(is_same_query(set, "a=1&token=x", "a=1"));
    assert_false(is_same_query(set, "a=1&token=x", "a=2&token=x"));
    assert_false(is_same_query(NULL, "token=x", "token=redacted:0123456789abcdef"));
}

static void test_each_part_of_the_head_counts(void **state)
{
    (void)state;
    struct config *config = config_with(NULL, 0);
    const struct playback_head head = {"GET", "http", "h", 80, "/p", "q", NULL};
    const struct playback_head others[] = {
        {"PUT", "http", "h", 80, "/p", "q", NULL}, {"GET", "https", "h", 80, "/p", "q", NULL},
        {"GET", "http", "i", 80, "/p", "q", NULL}, {"GET", "http", "h", 81, "/p", "q", NULL},
        {"GET", "http", "h", 80, "/q", "q", NULL}, {"GET", "http", "h", 80, "/p", "p", NULL},
    };
    uint64_t key = playback_head_key(config, &head);
    assert_true(key == playback_head_key(config, &head));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_true(key != playback_head_key(config, &others[i]));
    config_release(config);
}

static uint64_t key_with_headers(const char *const *sets, size_t count, const char *const *pairs)
{
    struct config *config = config_with(sets, count);
    struct arena arena = {0};
    struct fields fields = {0};
    for (size_t i = 0; pairs[i] != NULL; i += 2)
        fields_add(&fields, &arena, pairs[i], strlen(pairs[i]), pairs[i + 1], strlen(pairs[i + 1]));
    struct playback_head head = {.method = "GET", .headers = &fields};
    uint64_t key = playback_head_key(config, &head);
    arena_fini(&arena);
    config_release(config);
    return key;
}

static void test_headers_count_only_if_named(void **state)
{
    (void)state;
    const char *const one[] = {"Accept", "a", "Connection", "x", "x", "1", "Host", "h", NULL};
    const char *const two[] = {"x", "2", "accept", "a", "Host", "i", NULL};
    const char *const all[] = {"playback_match=method headers"};
    const char *const accept[] = {"playback_match=method header:ACCEPT"};
    const char *const other[] = {"playback_match=method header:x"};
    const char *const ignoring[] = {"playback_match=headers", "playback_ignore_headers=X"};
    assert_true(key_with_headers(NULL, 0, one) == key_with_headers(NULL, 0, two));
    assert_true(key_with_headers(accept, 1, one) == key_with_headers(accept, 1, two));
    assert_true(key_with_headers(other, 1, one) != key_with_headers(other, 1, two));
    assert_true(key_with_headers(all, 1, one) != key_with_headers(all, 1, two));
    assert_true(key_with_headers(ignoring, 2, one) == key_with_headers(ignoring, 2, two));
}

static void test_redacted_headers_are_equal_where_both_have_them(void **state)
{
    (void)state;
    const char *const sets[] = {"playback_match=headers", "redact_headers=Authorization"};
    const char *const sent[] = {"Authorization", "Bearer abc", NULL};
    const char *const recorded[] = {"authorization", "Bearer redacted:0123456789abcdef", NULL};
    const char *const basic[] = {"Authorization", "Basic abc", NULL};
    assert_true(key_with_headers(sets, 2, sent) == key_with_headers(sets, 2, recorded));
    assert_true(key_with_headers(sets, 2, sent) != key_with_headers(sets, 2, basic));
    assert_true(key_with_headers(sets, 1, sent) != key_with_headers(sets, 1, recorded));
}

// --- bodies ------------------------------------------------------------------------------------

static uint64_t digest_of(const char *type, const char *coding, const void *data, size_t length,
                          size_t step)
{
    struct arena arena = {0};
    struct fields headers = {0};
    if (type != NULL)
        fields_add(&headers, &arena, "Content-Type", 12, type, strlen(type));
    if (coding != NULL)
        fields_add(&headers, &arena, "Content-Encoding", 16, coding, strlen(coding));
    struct playback_digest digest;
    playback_digest_init(&digest, &(struct config){0}, &headers);
    for (size_t at = 0; at < length; at += step)
        playback_digest_add(&digest, (const char *)data + at,
                            length - at < step ? length - at : step);
    uint64_t number = playback_digest_finish(&digest);
    playback_digest_fini(&digest);
    arena_fini(&arena);
    return number;
}

static uint64_t text_digest(const char *type, const char *text)
{
    return digest_of(type, NULL, text, strlen(text), 3);
}

static void test_json_is_compared_by_content(void **state)
{
    (void)state;
    static const char json[] = "application/json; charset=utf-8";
    assert_true(text_digest(json, "{\"a\":1,\"b\":[1,2]}") ==
                text_digest("application/problem+json", " { \"b\": [1, 2],\n\"a\": 1 }"));
    assert_true(text_digest(json, "\"\\u00e9\"") == text_digest(json, "\"\xc3\xa9\""));
    assert_true(text_digest(json, "[1,2]") != text_digest(json, "[2,1]"));
    assert_true(text_digest(json, "{\"a\":1}") != text_digest(json, "{\"a\":\"1\"}"));
    assert_true(text_digest(json, "{\"a\":1") != text_digest(json, "{\"a\": 1"));
    assert_true(text_digest("text/plain", "[1]") != text_digest("text/plain", "[1 ]"));
}

static void test_what_json_would_lose_is_compared_as_bytes(void **state)
{
    (void)state;
    static const char json[] = "application/json";
    assert_true(text_digest(json, "{\"a\":1,\"a\":2}") != text_digest(json, "{\"a\":2}"));
    assert_true(text_digest(json, "99999999999999999998") !=
                text_digest(json, "99999999999999999999"));
}

static void test_boundary_of_a_multipart_body_does_not_count(void **state)
{
    (void)state;
    uint64_t one = text_digest("multipart/form-data; boundary=xyz", "--xyz\r\na\r\n--xyz--");
    assert_true(one ==
                text_digest("multipart/form-data; x=y; boundary=\"1 2\"", "--1 2\r\na\r\n--1 2--"));
    assert_true(one != text_digest("multipart/form-data; boundary=xyz", "--xyz\r\nb\r\n--xyz--"));
}

static void test_pieces_and_size_make_no_difference(void **state)
{
    (void)state;
    size_t length = 3 * PLAYBACK_CONTENT_MAX_BYTES / 2;
    char *text = malloc(length);
    memset(text, ' ', length);
    text[0] = '1';
    uint64_t one = digest_of("application/json", NULL, text, length, 1000);
    assert_true(one == digest_of("application/json", NULL, text, length, 65536));
    assert_true(one == digest_of("text/plain", NULL, text, length, length));
    assert_true(one != digest_of("application/json", NULL, text, length - 1, 65536));
    free(text);
}

static void test_codings_are_undone(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [1]}";
    unsigned char packed[128];
    z_stream stream = {.next_in = (unsigned char *)text,
                       .avail_in = sizeof(text) - 1,
                       .next_out = packed,
                       .avail_out = sizeof(packed)};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t length = stream.total_out;
    deflateEnd(&stream);
    assert_true(digest_of("application/json", "gzip", packed, length, 5) ==
                text_digest("application/json", "{\"a\":[1]}"));
}

static void test_what_cannot_be_decoded_is_compared_as_it_is(void **state)
{
    (void)state;
    uint64_t one = digest_of("application/json", "gzip", "[1, 2]", 6, 6);
    assert_true(one == digest_of("application/json", "gzip", "[1, 2]", 6, 1));
    assert_true(one != digest_of("application/json", "gzip", "[1, 3]", 6, 6));
    assert_true(one == text_digest("text/plain", "[1, 2]"));
}

static void test_no_body_is_an_empty_body_of_any_type(void **state)
{
    (void)state;
    struct playback_digest none = {0};
    uint64_t empty = playback_digest_finish(&none);
    assert_true(empty == text_digest("application/json", ""));
    assert_true(empty == text_digest("text/plain", ""));
    assert_true(empty != text_digest("text/plain", " "));
}

static uint64_t redacted_digest(const char *type, const char *text)
{
    const char *const sets[] = {"redact_json=password", "redact_form=password"};
    struct config *config = config_with(sets, 2);
    struct arena arena = {0};
    struct fields headers = {0};
    struct playback_digest digest;
    fields_add(&headers, &arena, "Content-Type", 12, type, strlen(type));
    playback_digest_init(&digest, config, &headers);
    playback_digest_add(&digest, text, strlen(text));
    uint64_t number = playback_digest_finish(&digest);
    playback_digest_fini(&digest);
    arena_fini(&arena);
    config_release(config);
    return number;
}

static void test_redacted_fields_of_bodies_are_equal_where_both_have_them(void **state)
{
    (void)state;
    const char *const json = "application/json";
    const char *const form = "application/x-www-form-urlencoded";
    assert_true(redacted_digest(json, "{\"a\":1,\"password\":{\"x\":2}}") ==
                redacted_digest(json, "{\"password\": \"redacted:0123456789abcdef\", \"a\": 1}"));
    assert_true(redacted_digest(json, "{\"a\":1,\"password\":\"x\"}") !=
                redacted_digest(json, "{\"a\":2,\"password\":\"x\"}"));
    assert_true(redacted_digest(json, "{\"a\":1,\"password\":\"x\"}") !=
                redacted_digest(json, "{\"a\":1}"));
    assert_true(redacted_digest(form, "a=1&password=x") ==
                redacted_digest(form, "a=1&password=redacted:0123456789abcdef"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries_are_compared_by_parameter),
        cmocka_unit_test(test_ignored_parameters_do_not_count),
        cmocka_unit_test(test_redacted_parameters_are_equal_where_both_have_them),
        cmocka_unit_test(test_redacted_headers_are_equal_where_both_have_them),
        cmocka_unit_test(test_redacted_fields_of_bodies_are_equal_where_both_have_them),
        cmocka_unit_test(test_each_part_of_the_head_counts),
        cmocka_unit_test(test_headers_count_only_if_named),
        cmocka_unit_test(test_json_is_compared_by_content),
        cmocka_unit_test(test_what_json_would_lose_is_compared_as_bytes),
        cmocka_unit_test(test_boundary_of_a_multipart_body_does_not_count),
        cmocka_unit_test(test_pieces_and_size_make_no_difference),
        cmocka_unit_test(test_codings_are_undone),
        cmocka_unit_test(test_what_cannot_be_decoded_is_compared_as_it_is),
        cmocka_unit_test(test_no_body_is_an_empty_body_of_any_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
