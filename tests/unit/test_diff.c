// SPDX-License-Identifier: MIT
// What differs between two exchanges: each difference once, and nothing that is none.
#include "hark/diff.h"
#include "store_fixture.h"

#include <locale.h>
#include <zlib.h>

#define LINES_MANY 3000

// The differences so far as JSON lines.
static void on_difference(void *ctx, const struct difference *difference)
{
    struct buffer *told = ctx;
    if (told->length > 0)
        buffer_append_char(told, '\n');
    difference_append_json(difference, told);
}

static struct exchange_row *read_row(struct store_reader *reader, int64_t id)
{
    struct err err = {0};
    struct exchange_row *row = NULL;
    if (store_get_row(reader, id, &row, &err) != STORE_FOUND)
        fail_msg("%s", err.text);
    return row;
}

// Compares exchanges 1 and 2. The caller frees what was told.
static char *compare_with(struct fixture *fixture, const struct diff_options *options, int *result)
{
    struct store_reader *reader = fixture_reader(fixture);
    struct exchange_row *first = read_row(reader, 1);
    struct exchange_row *second = read_row(reader, 2);
    struct buffer told = {0};
    struct err err = {0};
    buffer_append(&told, "", 0);
    *result =
        exchange_diff(&(struct diff_exchange){reader, first},
                      &(struct diff_exchange){reader, second}, options, on_difference, &told, &err);
    assert_string_equal(err.text, "");
    row_destroy(first);
    row_destroy(second);
    store_reader_close(reader);
    return buffer_take(&told);
}

static void assert_told(struct fixture *fixture, const struct diff_options *options,
                        const char *expected)
{
    int result = -1;
    char *told = compare_with(fixture, options, &result);
    if (strcmp(told, expected) != 0)
        fail_msg("told\n%s\nexpected\n%s", told, expected);
    assert_int_equal(result, expected[0] == '\0' ? 0 : 1);
    free(told);
}

static void put_with_body(struct fixture *fixture, struct exchange_row *row, const void *body,
                          size_t length)
{
    row->response_size = (int64_t)length;
    fixture_put(fixture, row);
    fixture_put_body(fixture, row->id, BODY_RESPONSE, 0, body, length);
    row_destroy(row);
}

static void put_type(struct fixture *fixture, int64_t id, const char *type, const void *body,
                     size_t length)
{
    struct exchange_row *row = fixture_row(id);
    fixture_add_field(row, &row->response_headers, "Content-Type", type);
    put_with_body(fixture, row, body, length);
}

// What is told of two bodies of that type, with the member "side":"response" and "where":"body"
// taken for granted.
static void assert_bodies(void **state, const char *type, const char *first, const char *second,
                          const char *expected)
{
    fixture_tear_down(state);
    fixture_set_up(state);
    put_type(*state, 1, type, first, strlen(first));
    put_type(*state, 2, type, second, strlen(second));
    assert_told(*state, &(struct diff_options){0}, expected);
}

#define BODY(rest)       "{\"side\":\"response\",\"where\":\"body\"," rest "}"
#define JSON(a, b)       assert_bodies(state, "application/json", a, b, "")
#define DIFFERS(a, b, c) assert_bodies(state, "application/json", a, b, c)
#define TEXT(a, b, c)    assert_bodies(state, "text/plain", a, b, c)

// --- JSON ----------------------------------------------------------------------------------------

static void test_json_field_deep_inside_has_its_path(void **state)
{
    DIFFERS("{\"items\":[1,2,3,{\"price\":10,\"n\":\"x\"}]}",
            "{\"items\":[1,2,3,{\"n\":\"x\",\"price\":12}]}",
            BODY("\"path\":\"$.items[3].price\",\"kind\":\"changed\",\"old\":10,\"new\":12"));
    DIFFERS("{\"a b\":{\"\":1}}", "{\"a b\":{\"\":\"1\"}}",
            BODY("\"path\":\"$[\\\"a b\\\"][\\\"\\\"]\",\"kind\":\"changed\",\"old\":1,"
                 "\"new\":\"1\""));
    DIFFERS("1", "null", BODY("\"path\":\"$\",\"kind\":\"changed\",\"old\":1,\"new\":null"));
}

static void test_equal_json_in_another_form(void **state)
{
    JSON("{\"a\":1,\"b\":{\"c\":[true,null]}}", "{ \"b\": {\"c\": [ true, null ]},\n \"a\": 1 }\n");
    JSON("[1, 0.5, \"\\u00fc\"]", "[1.0,5e-1,\"\xc3\xbc\"]");
}

static void test_members_and_elements_put_in_and_taken_out(void **state)
{
    DIFFERS("{\"a\":1,\"b\":2}", "{\"b\":2,\"c\":[3]}",
            BODY("\"path\":\"$.a\",\"kind\":\"removed\",\"old\":1") "\n" BODY(
                "\"path\":\"$.c\",\"kind\":\"added\",\"new\":[3]"));
    DIFFERS("[1,2,3,4]", "[1,9,2,3,4]", BODY("\"path\":\"$[1]\",\"kind\":\"added\",\"new\":9"));
    DIFFERS("[{\"id\":1},{\"id\":2},{\"id\":3}]", "[{\"id\":2},{\"id\":3}]",
            BODY("\"path\":\"$[0]\",\"kind\":\"removed\",\"old\":{\"id\":1}"));
}

static void test_numbers_that_nearly_agree_are_told_apart(void **state)
{
    DIFFERS("[0.1]", "[0.10000000000000002]",
            BODY("\"path\":\"$[0]\",\"kind\":\"changed\",\"old\":0.10000000000000001,"
                 "\"new\":0.10000000000000002"));
}

// A reader of JSON would lose one of two members of the same name.
static void test_json_that_cannot_be_read_without_loss_is_text(void **state)
{
    DIFFERS("{\"a\":1,\"a\":2}", "{\"a\":3,\"a\":2}",
            BODY("\"path\":\"line 1\",\"kind\":\"changed\",\"old\":\"{\\\"a\\\":1,\\\"a\\\":2}\","
                 "\"new\":\"{\\\"a\\\":3,\\\"a\\\":2}\""));
    DIFFERS("[123456789012345678901]", "[123456789012345678902]",
            BODY("\"path\":\"line 1\",\"kind\":\"changed\",\"old\":\"[123456789012345678901]\","
                 "\"new\":\"[123456789012345678902]\""));
}

// --- text ----------------------------------------------------------------------------------------

static void test_lines_changed_added_and_removed(void **state)
{
    TEXT("a\nb\nc\n", "a\nB\nc\n",
         BODY("\"path\":\"line 2\",\"kind\":\"changed\",\"old\":\"b\",\"new\":\"B\""));
    TEXT("a\nc\n", "a\nb\nc\n", BODY("\"path\":\"line 2\",\"kind\":\"added\",\"new\":\"b\""));
    TEXT("a\nb\nc\nd\n", "b\nc\nx\nd\n",
         BODY("\"path\":\"line 1\",\"kind\":\"removed\",\"old\":\"a\"") "\n" BODY(
             "\"path\":\"line 3\",\"kind\":\"added\",\"new\":\"x\""));
}

// The example of Myers' paper: ABCABBA to CBABAC takes five edits, and no fewer.
static void test_fewest_edits(void **state)
{
    struct fixture *fixture = *state;
    put_type(fixture, 1, "text/plain", "A\nB\nC\nA\nB\nB\nA\n", 14);
    put_type(fixture, 2, "text/plain", "C\nB\nA\nB\nA\nC\n", 12);
    int result = 0;
    char *told = compare_with(fixture, &(struct diff_options){0}, &result);
    size_t edits = 0;
    for (const char *at = told; (at = strstr(at, "\"kind\":\"")) != NULL; at++)
        edits += strncmp(at, "\"kind\":\"changed", 15) == 0 ? 2 : 1;
    assert_int_equal(edits, 5);
    free(told);
}

static void test_newline_at_the_end(void **state)
{
    TEXT("a\nb\n", "a\nb",
         BODY("\"path\":\"line 2\",\"kind\":\"changed\",\"old\":\"b\",\"new\":\"b\","
              "\"note\":\"the second has no newline at its end\""));
}

static void test_text_that_differs_beyond_limits_is_one_block(void **state)
{
    struct fixture *fixture = *state;
    struct buffer first = {0};
    struct buffer second = {0};
    buffer_append_text(&first, "same\n");
    buffer_append_text(&second, "same\n");
    for (int i = 0; i < LINES_MANY; i++) {
        buffer_printf(&first, "a%d\n", i);
        buffer_printf(&second, "b%d\n", i);
    }
    put_type(fixture, 1, "text/plain", first.data, first.length);
    put_type(fixture, 2, "text/plain", second.data, second.length);
    assert_told(fixture, &(struct diff_options){0},
                BODY("\"path\":\"from line 2\",\"kind\":\"changed\",\"old\":\"3000 lines\","
                     "\"new\":\"3000 other lines\",\"note\":\"too much differs to be told line by "
                     "line\""));
    buffer_fini(&first);
    buffer_fini(&second);
}

static void test_text_in_another_character_set(void **state)
{
    struct fixture *fixture = *state;
    put_type(fixture, 1, "text/plain; charset=iso-8859-1",
             "gr\xfc\xdf"
             "e",
             5);
    put_type(fixture, 2, "text/plain; charset=utf-8",
             "gr\xc3\xbc\xc3\x9f"
             "e",
             7);
    const char *const names[] = {"content-type"};
    assert_told(fixture, &(struct diff_options){.ignored_headers = names, .ignored_count = 1}, "");
}

// --- bytes ---------------------------------------------------------------------------------------

static void test_bytes_are_told_by_size_and_digest(void **state)
{
    struct fixture *fixture = *state;
    put_type(fixture, 1, "image/png", "\x89PNG\0a", 6);
    put_type(fixture, 2, "image/png", "\x89PNG\0b", 6);
    int result = 0;
    char *told = compare_with(fixture, &(struct diff_options){0}, &result);
    assert_int_equal(result, 1);
    assert_contains(told, "\"path\":\"\",\"kind\":\"changed\",\"old\":\"6 bytes, SHA-256 ");
    assert_contains(told, "not text: compared as a whole");
    free(told);
}

// 5 MiB each; what differs is the last byte, when `differs`.
static char *compare_large(struct fixture *fixture, bool differs, int *result)
{
    size_t piece = (size_t)256 * 1024;
    char *data = mem_calloc(1, piece);
    memset(data, 'x', piece);
    for (int64_t id = 1; id <= 2; id++) {
        struct exchange_row *row = fixture_row(id);
        row->response_size = (int64_t)piece * 20;
        fixture_put(fixture, row);
        for (int64_t seq = 0; seq < 20; seq++) {
            data[piece - 1] = id == 2 && seq == 19 && differs ? 'y' : 'x';
            fixture_put_body(fixture, id, BODY_RESPONSE, seq, data, piece);
        }
        row_destroy(row);
    }
    free(data);
    return compare_with(fixture, &(struct diff_options){0}, result);
}

static void test_large_bodies_are_compared_as_a_whole(void **state)
{
    int result = 0;
    char *told = compare_large(*state, true, &result);
    assert_int_equal(result, 1);
    assert_contains(told, "5242880 bytes, SHA-256 ");
    assert_contains(told, "over 4 MiB: compared as a whole");
    free(told);
}

static void test_equal_large_bodies_are_the_same(void **state)
{
    int result = 1;
    char *told = compare_large(*state, false, &result);
    assert_int_equal(result, 0);
    assert_string_equal(told, "");
    free(told);
}

static void test_same_content_in_another_coding(void **state)
{
    struct fixture *fixture = *state;
    unsigned char packed[200];
    z_stream stream = {.next_in = (unsigned char *)"[1,2]",
                       .avail_in = 5,
                       .next_out = packed,
                       .avail_out = sizeof(packed)};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    struct exchange_row *row = fixture_row(1);
    fixture_add_field(row, &row->response_headers, "Content-Encoding", "gzip");
    put_with_body(fixture, row, packed, stream.total_out);
    deflateEnd(&stream);
    put_with_body(fixture, fixture_row(2), "[1, 2]", 6);
    assert_told(fixture, &(struct diff_options){0},
                "{\"side\":\"response\",\"where\":\"header\",\"path\":\"content-encoding\","
                "\"kind\":\"removed\",\"old\":\"gzip\"}");
}

static void test_broken_coding_is_compared_as_on_the_wire(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t id = 1; id <= 2; id++) {
        struct exchange_row *row = fixture_row(id);
        fixture_add_field(row, &row->response_headers, "Content-Encoding", "gzip");
        put_with_body(fixture, row, id == 1 ? "no gzip" : "NO GZIP", 7);
    }
    int result = 0;
    char *told = compare_with(fixture, &(struct diff_options){0}, &result);
    assert_int_equal(result, 1);
    assert_contains(told, "\"note\":\"decode gzip: corrupt");
    free(told);
}

static void test_cut_body_is_never_the_same(void **state)
{
    struct fixture *fixture = *state;
    put_with_body(fixture, fixture_row(1), "abc", 3);
    struct exchange_row *row = fixture_row(2);
    row->body_truncated = true;
    row->response_size = 1000;
    fixture_put(fixture, row);
    fixture_put_body(fixture, 2, BODY_RESPONSE, 0, "abc", 3);
    row_destroy(row);
    assert_told(fixture, &(struct diff_options){0},
                BODY("\"path\":\"\",\"kind\":\"unknown\",\"note\":\"of the second body only the "
                     "first 3 bytes were recorded\""));
}

// --- heads ---------------------------------------------------------------------------------------

#define HEADER(rest) "{\"side\":\"response\",\"where\":\"header\"," rest "}"

// Two rows with these response fields: names and values in turn, ended by NULL.
static void put_fields(struct fixture *fixture, const char *const *first, const char *const *second)
{
    for (int64_t id = 1; id <= 2; id++) {
        struct exchange_row *row = fixture_row(id);
        for (const char *const *at = id == 1 ? first : second; *at != NULL; at += 2)
            fixture_add_field(row, &row->response_headers, at[0], at[1]);
        fixture_put(fixture, row);
        row_destroy(row);
    }
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_fields_changed_added_and_removed(void **state)
{
    put_fields(*state, LIST("ETag", "1", "X-Old", "o", "Vary", "a", "Vary", "b"),
               LIST("X-New", "n", "vary", "a", "Vary", "c", "etag", "2"));
    assert_told(
        *state, &(struct diff_options){0},
        HEADER("\"path\":\"etag\",\"kind\":\"changed\",\"old\":\"1\",\"new\":\"2\"") "\n" HEADER("\"path\":\"x-old\",\"kind\":\"removed\",\"old\":\"o\"") "\n" HEADER(
            "\"path\":\"vary\",\"kind\":\"changed\",\"old\":\"b\",\"new\":\"c\"") "\n" HEADER("\"path\":\"x-new\",\"kind\":\"added\",\"new\":\"n\""));
}

static void test_fields_that_always_differ_do_not_count(void **state)
{
    put_fields(*state, LIST("Date", "1", "Age", "3", "Set-Cookie", "a=1; Expires=Mon; Path=/"),
               LIST("date", "2", "Via", "x", "Set-Cookie", "a=1; Path=/; expires=Tue"));
    assert_told(*state, &(struct diff_options){0}, "");
    int result = 0;
    free(compare_with(*state, &(struct diff_options){.has_all_headers = true}, &result));
    assert_int_equal(result, 1);
}

static void test_cookie_with_another_value_counts(void **state)
{
    put_fields(*state, LIST("Set-Cookie", "a=1; Expires=Mon"), LIST("Set-Cookie", "a=2"));
    assert_told(*state, &(struct diff_options){0},
                HEADER("\"path\":\"set-cookie\",\"kind\":\"changed\",\"old\":\"a=1; Expires=Mon\","
                       "\"new\":\"a=2\""));
    const char *const names[] = {"SET-COOKIE"};
    assert_told(*state, &(struct diff_options){.ignored_headers = names, .ignored_count = 1}, "");
}

static void test_status_reason_and_error(void **state)
{
    struct exchange_row *row = fixture_row(1);
    row->reason = "OK";
    fixture_put(*state, row);
    row->id = 2;
    row->status = 502;
    row->reason = NULL;
    row->error = "connect";
    fixture_put(*state, row);
    row_destroy(row);
    assert_told(*state, &(struct diff_options){0},
                "{\"side\":\"response\",\"where\":\"status\",\"path\":\"\",\"kind\":\"changed\","
                "\"old\":\"200\",\"new\":\"502\"}\n"
                "{\"side\":\"response\",\"where\":\"reason\",\"path\":\"\",\"kind\":\"removed\","
                "\"old\":\"OK\"}\n"
                "{\"side\":\"response\",\"where\":\"error\",\"path\":\"\",\"kind\":\"added\","
                "\"new\":\"connect\"}");
}

static void test_request_counts_only_when_asked_for(void **state)
{
    struct exchange_row *row = fixture_row(1);
    fixture_put(*state, row);
    row->id = 2;
    row->method = "PUT";
    row->query = "a=1";
    fixture_put(*state, row);
    fixture_put_body(*state, 2, BODY_REQUEST, 0, "new", 3);
    row_destroy(row);
    assert_told(*state, &(struct diff_options){0}, "");
    assert_told(*state, &(struct diff_options){.has_request = true},
                "{\"side\":\"request\",\"where\":\"method\",\"path\":\"\",\"kind\":\"changed\","
                "\"old\":\"GET\",\"new\":\"PUT\"}\n"
                "{\"side\":\"request\",\"where\":\"url\",\"path\":\"\",\"kind\":\"changed\","
                "\"old\":\"http://example.com/\",\"new\":\"http://example.com/?a=1\"}\n"
                "{\"side\":\"request\",\"where\":\"body\",\"path\":\"line 1\",\"kind\":\"added\","
                "\"new\":\"new\"}");
}

// --- for people ----------------------------------------------------------------------------------

static void test_written_for_people(void **state)
{
    (void)state;
    const struct {
        struct difference difference;
        size_t columns;
        const char *expected;
    } cases[] = {
        {{BODY_RESPONSE, "status", "", DIFFERENCE_CHANGED, {"200", 3}, {"500", 3}, false, NULL},
         80,
         "status: 200 -> 500\n"},
        {{BODY_REQUEST, "header", "a", DIFFERENCE_ADDED, {NULL, 0}, {"x\x1b", 2}, false, NULL},
         80,
         "request header a\n  + x\\x1b\n"},
        {{BODY_RESPONSE,
          "body",
          "$.a",
          DIFFERENCE_CHANGED,
          {"\"abcdefghijkl\"", 14},
          {"2", 1},
          true,
          "note"},
         16,
         "body $.a\n  - \"abcdefghij…\n  + 2\n  (note)\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        struct terminal terminal = {.columns = cases[i].columns};
        difference_write(&cases[i].difference, &terminal, out);
        fclose(out);
        assert_string_equal(text, cases[i].expected);
        free(text);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_json_field_deep_inside_has_its_path),
        CASE(test_equal_json_in_another_form),
        CASE(test_members_and_elements_put_in_and_taken_out),
        CASE(test_numbers_that_nearly_agree_are_told_apart),
        CASE(test_json_that_cannot_be_read_without_loss_is_text),
        CASE(test_lines_changed_added_and_removed),
        CASE(test_fewest_edits),
        CASE(test_newline_at_the_end),
        CASE(test_text_that_differs_beyond_limits_is_one_block),
        CASE(test_text_in_another_character_set),
        CASE(test_bytes_are_told_by_size_and_digest),
        CASE(test_large_bodies_are_compared_as_a_whole),
        CASE(test_equal_large_bodies_are_the_same),
        CASE(test_same_content_in_another_coding),
        CASE(test_broken_coding_is_compared_as_on_the_wire),
        CASE(test_cut_body_is_never_the_same),
        CASE(test_fields_changed_added_and_removed),
        CASE(test_fields_that_always_differ_do_not_count),
        CASE(test_cookie_with_another_value_counts),
        CASE(test_status_reason_and_error),
        CASE(test_request_counts_only_when_asked_for),
        cmocka_unit_test(test_written_for_people),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
