// SPDX-License-Identifier: MIT
// What is replaced in bodies, however they are cut into pieces, and that the rest stays.
#include "hark/redact_body.h"

#include "hark/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const char *json_names[] = {"password", "user.pin", "/list/key", "*_secret"};
static const char *form_names[] = {"password", "card"};
static const struct config_list json_list = {json_names, 4};
static const struct config_list form_list = {form_names, 2};
static const struct config_list nothing;

// With the bare word for a mark, so that it is seen where marks are.
static const struct redaction rules = {
    .headers = &nothing, .query = &nothing, .json = &json_list, .form = &form_list};

static struct redact_body *create(const char *type, const char *coding)
{
    struct arena arena = {0};
    struct fields headers = {0};
    if (type != NULL)
        fields_add(&headers, &arena, "Content-Type", 12, type, strlen(type));
    struct redact_body *body = redact_body_create(&rules, &headers, NULL, coding);
    arena_fini(&arena);
    return body;
}

// What comes out of a body given in pieces of `step` bytes; -1 if it cannot be searched.
static int run(struct redact_body *body, const char *text, size_t length, size_t step,
               struct buffer *out)
{
    struct err err = {0};
    int rc = 0;
    buffer_append_text(out, "");
    for (size_t at = 0; rc == 0 && at < length; at += step)
        rc = redact_body_write(body, text + at, length - at < step ? length - at : step, out, &err);
    if (rc == 0)
        rc = redact_body_finish(body, out, &err);
    assert_int_equal(rc != 0, err.is_set);
    return rc;
}

static void assert_body(const char *type, const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text) + 1; step += step < 8 ? 1 : 13) {
        struct buffer out = {0};
        struct redact_body *body = create(type, NULL);
        assert_non_null(body);
        assert_int_equal(run(body, text, strlen(text), step, &out), 0);
        assert_string_equal(out.data, expected);
        redact_body_destroy(body);
        buffer_fini(&out);
    }
}

// The beginning is recorded, and nothing behind it.
static void assert_cut(const char *type, const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text) + 1; step++) {
        struct buffer out = {0};
        struct redact_body *body = create(type, NULL);
        assert_int_equal(run(body, text, strlen(text), step, &out), -1);
        assert_string_equal(out.data, expected);
        redact_body_destroy(body);
        buffer_fini(&out);
    }
}

#define JSON "application/json"

static void test_json_names_at_any_depth(void **state)
{
    (void)state;
    assert_body(JSON, "{\"a\": 1, \"password\" : \"x\", \"b\":[{\"password\":\"y\\\"z\"}]}",
                "{\"a\": 1, \"password\" : \"redacted\", \"b\":[{\"password\":\"redacted\"}]}");
    assert_body(JSON, "{\"Password\":\"x\",\"my_secret\":\"y\",\"secrets\":\"z\"}",
                "{\"Password\":\"redacted\",\"my_secret\":\"redacted\",\"secrets\":\"z\"}");
    assert_body(JSON, "{\"p\\u0061ss\\u0077ord\":\"x\"}",
                "{\"p\\u0061ss\\u0077ord\":\"redacted\"}");
    assert_body("application/vnd.x+json", "{\"password\":1}", "{\"password\":\"redacted\"}");
}

static void test_json_values_of_every_kind(void **state)
{
    (void)state;
    assert_body(JSON, "{\"password\":12.5e3,\"a\":1}", "{\"password\":\"redacted\",\"a\":1}");
    assert_body(JSON, "{\"password\":{\"a\":[\"x\",{\"b\":2}]},\"a\":1}",
                "{\"password\":\"redacted\",\"a\":1}");
    assert_body(JSON, "{\"password\":[\"x\", \"y\"] }", "{\"password\":\"redacted\" }");
    assert_body(JSON, "{\"password\":null,\"a\":true}", "{\"password\":null,\"a\":true}");
    assert_body(JSON, "{\"password\":\"\",\"a\":false}", "{\"password\":\"\",\"a\":false}");
    assert_body(JSON, "{\"password\":true}", "{\"password\":\"redacted\"}");
}

static void test_json_paths(void **state)
{
    (void)state;
    assert_body(JSON, "{\"user\":{\"pin\":1,\"name\":\"n\"},\"pin\":2}",
                "{\"user\":{\"pin\":\"redacted\",\"name\":\"n\"},\"pin\":2}");
    assert_body(JSON, "[{\"user\":[{\"pin\":1}]},{\"other\":{\"user\":{\"pin\":1}}}]",
                "[{\"user\":[{\"pin\":\"redacted\"}]},{\"other\":{\"user\":{\"pin\":1}}}]");
    assert_body(JSON, "{\"list\":[{\"key\":1},{\"key\":2}],\"key\":3}",
                "{\"list\":[{\"key\":\"redacted\"},{\"key\":\"redacted\"}],\"key\":3}");
}

static void test_texts_one_after_the_other(void **state)
{
    (void)state;
    assert_body("application/x-ndjson", "{\"password\":1}\n{\"a\":2}\n{\"password\":\"x\"}\n",
                "{\"password\":\"redacted\"}\n{\"a\":2}\n{\"password\":\"redacted\"}\n");
    assert_body("application/json-seq", "\x1e{\"password\":1}\n\x1e[2]\n",
                "\x1e{\"password\":\"redacted\"}\n\x1e[2]\n");
    assert_body(JSON, "\xef\xbb\xbf{\"password\":1}", "\xef\xbb\xbf{\"password\":\"redacted\"}");
    assert_body(JSON, ")]}',\n{\"password\":1}", ")]}',\n{\"password\":\"redacted\"}");
}

static void test_a_body_that_breaks_off_shows_no_part_of_a_value(void **state)
{
    (void)state;
    assert_body(JSON, "{\"password\":\"sec", "{\"password\":\"redacted\"");
    assert_body(JSON, "{\"password\":{\"a\":\"sec", "{\"password\":\"redacted\"");
    assert_body(JSON, "{\"a\":\"b", "{\"a\":\"b");
}

static void test_what_is_no_json_is_cut_there(void **state)
{
    (void)state;
    assert_cut(JSON, "{\"a\":1 \"password\":\"x\"}", "{\"a\":1 ");
    assert_cut(JSON, "<html>", "");
    assert_cut(JSON, "{'password':1}", "{");
    assert_cut(JSON, "{\"password\":{]\"x\"}", "{\"password\":\"redacted\"");
    assert_cut(JSON, "{\"a\":1}}", "{\"a\":1}");
}

static void test_nesting_is_bounded(void **state)
{
    (void)state;
    char text[1101];
    memset(text, '[', sizeof(text));
    text[1100] = '\0';
    char expected[1001];
    memset(expected, '[', sizeof(expected));
    expected[1000] = '\0';
    assert_cut(JSON, text, expected);
}

static void test_text_that_looks_like_json(void **state)
{
    (void)state;
    assert_body("text/plain", " {\"password\":1}", " {\"password\":\"redacted\"}");
    assert_body(NULL, "{\"password\":1}", "{\"password\":\"redacted\"}");
    assert_body("text/plain", "password\":1", "password\":1");
    assert_body("text/plain", "42[\"login\",{\"password\":1}]",
                "42[\"login\",{\"password\":\"redacted\"}]");
    assert_body("text/plain", "451-[{\"password\":1}]", "451-[{\"password\":\"redacted\"}]");
    assert_body("text/plain", "12:00 {\"password\":1}", "12:00 {\"password\":1}");
    assert_body("text/plain", "2026", "2026");
    assert_body("text/plain", "[12:00:01] started: {\"a\":1}", "[12:00:01] started: {\"a\":1}");
    assert_body("application/x-www-form-urlencoded", "{\"password\":\"x\"}",
                "{\"password\":\"redacted\"}");
    assert_null(create("image/png", NULL));
    assert_null(create("application/pdf", "gzip"));
}

static void test_forms(void **state)
{
    (void)state;
    static const char type[] = "application/x-www-form-urlencoded";
    assert_body(type, "a=1&password=x%26y&b=2", "a=1&password=redacted&b=2");
    assert_body(type, "pass%77ord=x&user[card]=4+4", "pass%77ord=redacted&user[card]=redacted");
    assert_body(type, "password=", "password=");
    assert_body(type, "card[]=1&card[]=2&Input.Password=x",
                "card[]=redacted&card[]=redacted&Input.Password=redacted");
    assert_body(type, "card=1;2", "card=redacted");
}

static void test_forms_that_are_json(void **state)
{
    (void)state;
    static const char type[] = "application/x-www-form-urlencoded";
    assert_body(type, "[{\"password\":\"x\"}]", "[{\"password\":\"redacted\"}]");
    assert_body(type, " \r\n\t{\"password\":\"x\"}", " \r\n\t{\"password\":\"redacted\"}");
    assert_body(type, "\xef\xbb\xbf{\"password\":\"x\"}",
                "\xef\xbb\xbf{\"password\":\"redacted\"}");
    assert_body(type, " a=1&password=[x", " a=1&password=redacted");
    assert_body(type, "\r\n", "\r\n");
    assert_cut(type, " [0]=1&password=x", " [0]");
}

#define PART(head, content) "--b\r\n" head "\r\n\r\n" content "\r\n"
#define NAMED(name)         "Content-Disposition: form-data; name=\"" name "\""

static void test_multipart(void **state)
{
    (void)state;
    static const char type[] = "multipart/form-data; boundary=b";
    assert_body(type, PART(NAMED("a"), "1") PART(NAMED("password"), "x\r\ny") "--b--\r\n",
                PART(NAMED("a"), "1") PART(NAMED("password"), "redacted") "--b--\r\n");
    assert_body(
        type,
        PART(NAMED("password"), "") PART(NAMED("card") "; filename=\"f\"", "\r\n--bx") "--b--",
        PART(NAMED("password"), "") PART(NAMED("card") "; filename=\"f\"", "redacted") "--b--");
    assert_body(type, PART(NAMED("user[card][]"), "1") "--b--",
                PART(NAMED("user[card][]"), "redacted") "--b--");
    assert_body("multipart/form-data; boundary=\"b\"",
                "\n--b\ncontent-disposition:form-data;NAME=card\n\n12\n--b--\n\n",
                "\n--b\ncontent-disposition:form-data;NAME=card\n\nredacted\n--b--\n\n");
    assert_body(type, PART(NAMED("a"), "{\"password\":1}") "--b--",
                PART(NAMED("a"), "{\"password\":\"redacted\"}") "--b--");
    assert_body(type, PART(NAMED("password"), "x") "--b\r\n" NAMED("card") "\r\n\r\nabc",
                PART(NAMED("password"), "redacted") "--b\r\n" NAMED("card") "\r\n\r\nredacted");
    assert_cut("multipart/form-data", "--b\r\n", "");
}

static void test_names_of_parts_as_senders_spell_them(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "Content-Disposition: form-data; filename=\"a; name=x\"; name=\"password\"",
        "Content-Disposition: form-data; filename=\"a\\\"; name=\"password\"",
        "Content-Disposition: form-data; name='password'",
        "Content-Disposition: form-data; name*=utf-8''password",
        "Content-Disposition : form-data; name=password",
    };
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct buffer text = {0};
        struct buffer expected = {0};
        buffer_printf(&text, "--b\r\n%s\r\n\r\nx\r\n--b--", spellings[i]);
        buffer_printf(&expected, "--b\r\n%s\r\n\r\nredacted\r\n--b--", spellings[i]);
        assert_body("multipart/form-data; boundary=b", text.data, expected.data);
        buffer_fini(&text);
        buffer_fini(&expected);
    }
    assert_body("multipart/form-data; boundary=b",
                PART(NAMED("a") "; filename=\"b; name=password\"", "1") "--b--",
                PART(NAMED("a") "; filename=\"b; name=password\"", "1") "--b--");
}

static void test_nothing_stands_outside_of_parts(void **state)
{
    (void)state;
    static const char other[] = "multipart/form-data; boundary=c";
    static const char type[] = "multipart/form-data; boundary=b";
    assert_cut(other, PART(NAMED("password"), "x") "--b--", "");
    assert_cut(type, PART(NAMED("a"), "1") "--b--\r\n" PART(NAMED("password"), "x") "--b--",
               PART(NAMED("a"), "1") "--b--\r\n");
    assert_cut(type, PART(NAMED("a"), "1") "--b\r\n" NAMED("password") "\r\nX: y",
               PART(NAMED("a"), "1") "--b\r\n");
}

static void test_parts_that_have_parts_are_not_recorded(void **state)
{
    (void)state;
    assert_body("multipart/mixed; boundary=b",
                PART("Content-Type: application/http", "GET /?token=1\r\n\r\n{}") PART(
                    "Content-Type: Multipart/mixed; boundary=c", "--c\r\n\r\n{}\r\n--c--") "--b--",
                PART("Content-Type: application/http", "redacted")
                    PART("Content-Type: Multipart/mixed; boundary=c", "redacted") "--b--");
}

// A body that has this field beside a Content-Type, given in one piece. NULL: it is not recorded.
static void assert_beside(const char *type, const char *name, const char *value, const char *text,
                          const char *expected)
{
    struct arena arena = {0};
    struct fields headers = {0};
    struct buffer out = {0};
    fields_add(&headers, &arena, "Content-Type", 12, type, strlen(type));
    fields_add(&headers, &arena, name, strlen(name), value, strlen(value));
    struct redact_body *body = redact_body_create(&rules, &headers, NULL, NULL);
    arena_fini(&arena);
    assert_non_null(body);
    int rc = run(body, text, strlen(text), strlen(text), &out);
    assert_int_equal(rc, expected != NULL ? 0 : -1);
    assert_string_equal(out.data, expected != NULL ? expected : "");
    redact_body_destroy(body);
    buffer_fini(&out);
}

static void test_of_several_types_any_counts(void **state)
{
    (void)state;
    assert_beside("image/png", "content-type", JSON, "{\"password\":1}",
                  "{\"password\":\"redacted\"}");
    assert_beside("image/png", "Content-Type", "multipart/form-data; boundary=b",
                  PART(NAMED("card"), "1") "--b--", PART(NAMED("card"), "redacted") "--b--");
}

static void test_type_that_no_field_says(void **state)
{
    (void)state;
    const struct fields none = {0};
    struct buffer out = {0};
    assert_null(redact_body_create(&rules, &none, "image/png", NULL));
    static const char form[] = "application/x-www-form-urlencoded";
    struct redact_body *body = redact_body_create(&rules, &none, form, NULL);
    assert_int_equal(run(body, "card=1", 6, 6, &out), 0);
    assert_string_equal(out.data, "card=redacted");
    redact_body_destroy(body);
    buffer_fini(&out);
}

static void test_range_that_begins_in_the_middle(void **state)
{
    (void)state;
    static const char end[] = "crets\"}";
    assert_beside("text/plain", "Content-Range", "bytes 10-16/17", end, NULL);
    assert_beside("text/plain", "Content-Range", "lines 1-2/3", end, NULL);
    assert_beside("text/plain", "Content-Range", "bytes 0-6/7", end, end);
}

static void test_a_part_without_a_known_type_may_be_json(void **state)
{
    (void)state;
    static const char type[] = "multipart/form-data; boundary=b";
    static const char octets[] = NAMED("a") "\r\nContent-Type: Application/Octet-Stream";
    struct buffer text = {0};
    struct buffer expected = {0};
    buffer_printf(&text, "--b\r\n%s\r\n\r\n{\"password\":1}\r\n--b--", octets);
    buffer_printf(&expected, "--b\r\n%s\r\n\r\n{\"password\":\"redacted\"}\r\n--b--", octets);
    assert_body(type, text.data, expected.data);
    buffer_fini(&text);
    buffer_fini(&expected);
}

// Where each part takes time for all that stands behind it, this body takes minutes.
// The sanitizers make memmem() do just that.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#define MANY_PARTS_BYTES ((size_t)64 * 1024)
#else
#define MANY_PARTS_BYTES ((size_t)2 * 1024 * 1024)
#endif

static void test_many_parts_take_no_longer_than_few(void **state)
{
    (void)state;
    static const char part[] = "--b\r\n\r\n\r\n";
    struct buffer text = {0};
    struct buffer out = {0};
    while (text.length < MANY_PARTS_BYTES)
        buffer_append_text(&text, part);
    struct redact_body *body = create("multipart/form-data; boundary=b", NULL);
    assert_int_equal(run(body, text.data, text.length, text.length, &out), 0);
    assert_string_equal(out.data, text.data);
    redact_body_destroy(body);
    buffer_fini(&text);
    buffer_fini(&out);
}

static void test_event_streams(void **state)
{
    (void)state;
    assert_body(
        "text/event-stream",
        "event: a\ndata: {\"password\":\"x\",\ndata: \"b\":1}\n\n:c\r\ndata:[DONE]\r\n\r\n"
        "data: password\n\nid: {\"password\":1}\ndatax: 1\ndata\n\n",
        "event: a\ndata: {\"password\":\"redacted\",\ndata: \"b\":1}\n\n:c\r\ndata:[DONE]\r\n"
        "\r\ndata: password\n\nid: {\"password\":1}\ndatax: 1\ndata\n\n");
    assert_body(
        "text/event-stream", "data: {\"password\":1\rdata: }\r\rdata: {\"password\":2}\r\r",
        "data: {\"password\":\"redacted\"\rdata: }\r\rdata: {\"password\":\"redacted\"}\r\r");
}

static void test_an_event_stream_may_begin_with_a_byte_order_mark(void **state)
{
    (void)state;
    static const char type[] = "text/event-stream";
    assert_body(type,
                "\xef\xbb\xbf"
                "data: {\"password\":1}\n\n",
                "\xef\xbb\xbf"
                "data: {\"password\":\"redacted\"}\n\n");
    assert_body(type,
                "\xef\xbb"
                "data: {\"password\":1}\n\n",
                "\xef\xbb"
                "data: {\"password\":1}\n\n");
    assert_body(type,
                "\n\xef\xbb\xbf"
                "data: {\"password\":1}\n\n",
                "\n\xef\xbb\xbf"
                "data: {\"password\":1}\n\n");
    assert_body(type, "\xef\xbb\xbf\n", "\xef\xbb\xbf\n");
}

static size_t gzip_bytes(const void *data, size_t length, unsigned char *out, size_t size)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)data,
                       .avail_in = (uInt)length,
                       .next_out = out,
                       .avail_out = (uInt)size};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static size_t gzip(const char *text, unsigned char *out, size_t size)
{
    return gzip_bytes(text, strlen(text), out, size);
}

static void assert_gzip(const char *type, const char *text, const char *expected, bool is_decoded)
{
    unsigned char coded[512];
    size_t length = gzip(text, coded, sizeof(coded));
    for (size_t step = 1; step <= length; step += 7) {
        struct buffer out = {0};
        struct redact_body *body = create(type, "gzip");
        assert_int_equal(run(body, (char *)coded, length, step, &out), 0);
        assert_int_equal(redact_body_is_decoded(body), is_decoded);
        if (is_decoded)
            assert_string_equal(out.data, expected);
        else
            assert_memory_equal(out.data, coded, length);
        redact_body_destroy(body);
        buffer_fini(&out);
    }
}

static void test_content_codings_are_undone_where_it_must_be(void **state)
{
    (void)state;
    assert_gzip(JSON, "{\"password\":\"x\"}", "{\"password\":\"redacted\"}", true);
    assert_gzip("text/plain", "  [{\"password\":\"x\"}]", "  [{\"password\":\"redacted\"}]", true);
    assert_gzip("text/html", "<html>{\"password\":\"x\"}", NULL, false);
    struct buffer out = {0};
    struct redact_body *body = create(JSON, "unknown");
    assert_int_equal(run(body, "{}", 2, 2, &out), -1);
    assert_int_equal(out.length, 0);
    redact_body_destroy(body);
    buffer_fini(&out);
}

// A body in two gzip codings: so much space, and `text`. Given byte by byte; the caller ends `out`.
static int run_spaces(size_t spaces, const char *text, struct buffer *out, bool *is_decoded)
{
    size_t length = spaces + strlen(text);
    char *plain = malloc(length + 1);
    unsigned char *once = malloc(length);
    unsigned char twice[4096];
    memset(plain, ' ', spaces);
    strcpy(plain + spaces, text);
    length = gzip_bytes(plain, length, once, length);
    length = gzip_bytes(once, length, twice, sizeof(twice));
    struct redact_body *body = create("text/plain", "gzip, gzip");
    int rc = run(body, (char *)twice, length, 1, out);
    *is_decoded = redact_body_is_decoded(body);
    redact_body_destroy(body);
    free(once);
    free(plain);
    return rc;
}

static void test_encoded_text_that_begins_with_much_space_is_searched(void **state)
{
    (void)state;
    struct buffer out = {0};
    bool is_decoded;
    assert_int_equal(run_spaces(100000, "{\"password\":1}", &out, &is_decoded), 0);
    assert_true(is_decoded);
    assert_string_equal(out.data + 100000, "{\"password\":\"redacted\"}");
    buffer_fini(&out);
}

static void test_encoded_text_cannot_unpack_without_end(void **state)
{
    (void)state;
    struct buffer out = {0};
    bool is_decoded;
    assert_int_equal(run_spaces(2 * DECODER_BURST_BYTES, "", &out, &is_decoded), -1);
    assert_true(out.length < 2 * DECODER_BURST_BYTES);
    buffer_fini(&out);
}

// What was drained so far, and how often.
struct drained {
    struct buffer all;
    int times;
};

static bool drain_and_stop(void *ctx, struct buffer *out)
{
    struct drained *drained = ctx;
    buffer_append(&drained->all, out->data, out->length);
    buffer_clear(out);
    drained->times++;
    return false;
}

// The body comes in one piece that decodes to 3 MiB, and is taken a little at a time.
static void assert_goes_on(const char *type, const char *lead, const char *lead_expected)
{
    static const size_t padding = (size_t)3 * 1024 * 1024;
    struct buffer text = {0};
    buffer_append_text(&text, lead);
    for (size_t i = 0; i < padding; i++)
        buffer_append_char(&text, 'x');
    buffer_append_text(&text, "\"}]");
    unsigned char coded[8192];
    size_t length = gzip(text.data, coded, sizeof(coded));

    struct drained drained = {0};
    struct buffer out = {0};
    struct err err = {0};
    struct redact_body *body = create(type, "gzip");
    int rc = redact_body_write_drained(body, coded, length, &out, drain_and_stop, &drained, &err);
    while (rc == 1)
        rc = redact_body_resume(body, &out, drain_and_stop, &drained, &err);
    assert_int_equal(rc, 0);
    assert_int_equal(redact_body_finish(body, &out, &err), 0);
    drain_and_stop(&drained, &out);
    assert_in_range(drained.times, 10, 50);
    assert_int_equal(drained.all.length, strlen(lead_expected) + padding + 3);
    assert_memory_equal(drained.all.data, lead_expected, strlen(lead_expected));
    assert_string_equal(drained.all.data + drained.all.length - 5, "xx\"}]");
    redact_body_destroy(body);
    buffer_fini(&text);
    buffer_fini(&drained.all);
    buffer_fini(&out);
}

static void test_goes_on_where_the_drain_stopped(void **state)
{
    (void)state;
    assert_goes_on(JSON, "[{\"password\":\"y\",\"a\":\"", "[{\"password\":\"redacted\",\"a\":\"");
    assert_goes_on("text/plain", " [{\"password\":\"y\",\"a\":\"",
                   " [{\"password\":\"redacted\",\"a\":\"");
}

// Of a body that says it has that coding, and has not.
static void assert_falsely_coded(const char *coding, const char *text, const char *expected)
{
    for (size_t step = 1; step <= strlen(text) + 1; step++) {
        struct buffer out = {0};
        struct redact_body *body = create("text/plain", coding);
        assert_non_null(body);
        assert_int_equal(run(body, text, strlen(text), step, &out), 0);
        assert_string_equal(out.data, expected);
        assert_false(redact_body_is_decoded(body));
        redact_body_destroy(body);
        buffer_fini(&out);
    }
}

static void test_text_without_the_coding_it_names_is_searched_as_it_is(void **state)
{
    (void)state;
    static const char *codings[] = {"utf-8", "gzip", "deflate", "br", "zstd", "gzip, unknown"};
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        assert_falsely_coded(codings[i], "{\"password\":\"x\"}", "{\"password\":\"redacted\"}");
        assert_falsely_coded(codings[i], " [{\"a\":1,\"password\":\"x\"}]",
                             " [{\"a\":1,\"password\":\"redacted\"}]");
        assert_falsely_coded(codings[i], "\x1f {\"password\":1}", "\x1f {\"password\":1}");
    }
}

static void test_equal_values_have_one_mark_everywhere(void **state)
{
    (void)state;
    static const unsigned char key[REDACT_KEY_BYTES] = "a key";
    struct redaction keyed = rules;
    struct arena arena = {0};
    struct fields headers = {0};
    struct buffer out = {0};
    struct err err = {0};
    keyed.key = key;
    fields_add(&headers, &arena, "Content-Type", 12, JSON, strlen(JSON));
    struct redact_body *body = redact_body_create(&keyed, &headers, NULL, NULL);
    static const char text[] = "[{\"password\":\"\\u00e9x\"},{\"password\":\"\xc3\xa9x\"}]";
    redact_body_write(body, text, strlen(text), &out, &err);
    char *first = strstr(out.data, "redacted:");
    char *second = strstr(first + 1, "redacted:");
    assert_memory_equal(first, second, REDACT_MARK_BYTES);
    redact_body_destroy(body);
    buffer_fini(&out);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_names_at_any_depth),
        cmocka_unit_test(test_json_values_of_every_kind),
        cmocka_unit_test(test_json_paths),
        cmocka_unit_test(test_texts_one_after_the_other),
        cmocka_unit_test(test_a_body_that_breaks_off_shows_no_part_of_a_value),
        cmocka_unit_test(test_what_is_no_json_is_cut_there),
        cmocka_unit_test(test_nesting_is_bounded),
        cmocka_unit_test(test_text_that_looks_like_json),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_forms_that_are_json),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_names_of_parts_as_senders_spell_them),
        cmocka_unit_test(test_nothing_stands_outside_of_parts),
        cmocka_unit_test(test_parts_that_have_parts_are_not_recorded),
        cmocka_unit_test(test_of_several_types_any_counts),
        cmocka_unit_test(test_type_that_no_field_says),
        cmocka_unit_test(test_range_that_begins_in_the_middle),
        cmocka_unit_test(test_a_part_without_a_known_type_may_be_json),
        cmocka_unit_test(test_many_parts_take_no_longer_than_few),
        cmocka_unit_test(test_event_streams),
        cmocka_unit_test(test_an_event_stream_may_begin_with_a_byte_order_mark),
        cmocka_unit_test(test_content_codings_are_undone_where_it_must_be),
        cmocka_unit_test(test_encoded_text_that_begins_with_much_space_is_searched),
        cmocka_unit_test(test_encoded_text_cannot_unpack_without_end),
        cmocka_unit_test(test_goes_on_where_the_drain_stopped),
        cmocka_unit_test(test_text_without_the_coding_it_names_is_searched_as_it_is),
        cmocka_unit_test(test_equal_values_have_one_mark_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
