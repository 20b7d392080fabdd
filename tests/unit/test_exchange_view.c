// SPDX-License-Identifier: MIT
// Exchanges from a real recording as text, as JSON, and with their bodies' times.
#include "hark/chunk.h"
#include "hark/exchange_view.h"
#include "hark/mem.h"
#include "hark/store_writer.h"
#include "hark/timing_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define SEGMENT_BYTES ((size_t)200 * 1024)

// A recording in a folder of its own, with one exchange in it.
struct recording {
    char folder[32];
    char *path;
    struct log *log;
    struct store_writer *writer;
    struct store_reader *reader;
    struct exchange_row *row; // as written
};

static int set_up(void **state)
{
    struct recording *recording = mem_calloc(1, sizeof *recording);
    strcpy(recording->folder, "/tmp/hark-view-XXXXXX");
    assert_non_null(mkdtemp(recording->folder));
    recording->path = mem_printf("%s/hark.db", recording->folder);
    recording->log = log_create(STDERR_FILENO, LOG_LEVEL_ERROR, false);
    struct err err = {0};
    recording->writer = store_writer_open(&(struct store_writer_options){.path = recording->path,
                                                                         .version = "test",
                                                                         .command = "test",
                                                                         .settings = "{}",
                                                                         .log = recording->log},
                                          &err);
    assert_string_equal(err.text, "");

    struct exchange_row *row = row_create();
    row->id = store_writer_next_id(recording->writer);
    row->session_id = store_writer_session_id(recording->writer);
    row->started_us = INT64_C(1769860860123000); // 2026-01-31T12:01:00.123Z
    row->duration_us = 45000;
    row->state = ROW_STATE_DONE;
    row->client_addr = "127.0.0.1:50000";
    row->method = "GET";
    row->scheme = "http";
    row->host = "example.com";
    row->port = 80;
    row->path = "/x";
    row->request_version = "HTTP/1.1";
    fields_add(&row->request_headers, &row->arena, "Host", 4, "example.com", 11);
    row->status = 200;
    row->reason = "OK";
    row->response_version = "HTTP/1.1";
    recording->row = row;
    *state = recording;
    return 0;
}

static int tear_down(void **state)
{
    struct recording *recording = *state;
    store_reader_close(recording->reader);
    store_writer_close(recording->writer);
    log_destroy(recording->log);
    row_destroy(recording->row);
    char *command = mem_printf("rm -r '%s'", recording->folder);
    assert_int_equal(system(command), 0);
    free(command);
    free(recording->path);
    free(recording);
    return 0;
}

static void add_response_field(struct recording *recording, const char *name, const char *value)
{
    struct exchange_row *row = recording->row;
    fields_add(&row->response_headers, &row->arena, name, strlen(name), value, strlen(value));
    if (strcmp(name, "Content-Encoding") == 0)
        row->response_encoding = value;
}

static void put_body(struct recording *recording, const char *data, size_t length)
{
    struct err err = {0};
    for (size_t at = 0, seq = 0; at < length; seq++) {
        size_t now = length - at < SEGMENT_BYTES ? length - at : SEGMENT_BYTES;
        struct chunk *chunk = chunk_create(now, (int64_t)seq * 1000);
        at += chunk_append(chunk, data + at, now);
        chunk_seal(chunk);
        assert_int_equal(store_writer_put_body(recording->writer, recording->row->id, BODY_RESPONSE,
                                               (int64_t)seq, chunk, &err),
                         STORE_OK);
        chunk_unref(chunk);
    }
}

// Writes the exchange with this body, opens the reader and reads the row back.
static struct exchange_row *record(struct recording *recording, const char *body, size_t length)
{
    struct err err = {0};
    if (recording->row->response_size <= 0)
        recording->row->response_size = (int64_t)length;
    assert_int_equal(store_writer_begin(recording->writer, &err), STORE_OK);
    assert_int_equal(store_writer_put_row(recording->writer, recording->row, false, &err),
                     STORE_OK);
    put_body(recording, body, length);
    assert_int_equal(store_writer_commit(recording->writer, &err), STORE_OK);
    recording->reader = store_reader_open(recording->path, &err);
    assert_string_equal(err.text, "");
    struct exchange_row *row;
    assert_int_equal(store_get_row(recording->reader, recording->row->id, &row, &err), STORE_FOUND);
    return row;
}

static char *as_text(struct recording *recording, const struct exchange_row *row)
{
    char *text = NULL;
    size_t length;
    struct text_writer writer = {.out = open_memstream(&text, &length)};
    struct err err = {0};
    assert_int_equal(exchange_walk(recording->reader, row, &text_writer_stops, &writer, &err), 0);
    fclose(writer.out);
    return text;
}

static json_t *as_json(struct recording *recording, const struct exchange_row *row)
{
    char *text = NULL;
    size_t length;
    struct json_writer writer = {.json.out = open_memstream(&text, &length)};
    struct err err = {0};
    assert_int_equal(exchange_walk(recording->reader, row, &json_writer_stops, &writer, &err), 0);
    fclose(writer.json.out);
    json_out_fini(&writer.json);
    assert_ptr_equal(strchr(text, '\n'), text + length - 1);
    json_error_t problem;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!object)
        fail_msg("%s in %s", problem.text, text);
    free(text);
    return object;
}

static void assert_text_has(struct recording *recording, const struct exchange_row *row,
                            const char *expected)
{
    char *text = as_text(recording, row);
    if (!strstr(text, expected))
        fail_msg("\"%s\" is not in:\n%s", expected, text);
    free(text);
}

static struct buffer gzipped(const char *data, size_t length)
{
    struct buffer out = {0};
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&stream, length);
    stream.next_in = (Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)length;
    stream.next_out = (Bytef *)buffer_reserve(&out, room);
    stream.avail_out = (uInt)room;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.length = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static const char *text_at(json_t *object, const char *outer, const char *inner)
{
    return json_string_value(json_object_get(json_object_get(object, outer), inner));
}

static int64_t integer_at(json_t *object, const char *outer, const char *inner)
{
    return json_integer_value(json_object_get(json_object_get(object, outer), inner));
}

// --- text --------------------------------------------------------------------------------------

static void test_text_shows_both_heads_and_the_body(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "text/plain");
    add_response_field(recording, "x-Twice", "1");
    add_response_field(recording, "X-Twice", "2");
    struct exchange_row *row = record(recording, "hello\n", 6);
    char *text = as_text(recording, row);
    assert_string_equal(text, "Exchange 1  2026-01-31T12:01:00.123Z  45ms  done\n"
                              "127.0.0.1:50000\n"
                              "\n"
                              "GET http://example.com/x HTTP/1.1\n"
                              "Host: example.com\n"
                              "\n"
                              "HTTP/1.1 200 OK\n"
                              "Content-Type: text/plain\n"
                              "x-Twice: 1\n"
                              "X-Twice: 2\n"
                              "\n"
                              "hello\n"
                              "\n");
    free(text);
    row_destroy(row);
}

// curl --data-binary says that every file is a form.
static void test_bytes_with_a_nul_are_no_form(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "application/x-www-form-urlencoded");
    struct exchange_row *row = record(recording,
                                      "\x7f"
                                      "ELF\x02\x00\xff",
                                      7);
    assert_text_has(recording, row,
                    "[binary application/x-www-form-urlencoded, 7 bytes: 7f 45 4c 46");
    row_destroy(row);
}

static void test_text_in_a_set_with_nuls_is_text(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "text/plain; charset=UTF-16LE");
    struct exchange_row *row = record(recording, "h\0\xe9\0", 4);
    assert_text_has(recording, row, "\nh\xc3\xa9\n");
    row_destroy(row);
}

static void test_text_decodes_and_lays_out_json(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "application/problem+json");
    add_response_field(recording, "Content-Encoding", "gzip");
    struct buffer body = gzipped("{\"a\":1}", 7);
    struct exchange_row *row = record(recording, body.data, body.length);
    assert_text_has(recording, row, "on the wire, 7 bytes decoded]\n{\n  \"a\": 1\n}\n");
    buffer_fini(&body);
    row_destroy(row);
}

static void test_text_sums_up_what_is_binary(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "image/png");
    struct exchange_row *row = record(recording, "\x89PNG\0", 5);
    assert_text_has(recording, row, "\n[binary image/png, 5 bytes: 89 50 4e 47 00]\n");
    row_destroy(row);
}

static void test_text_reads_the_charset(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "text/html; charset=ISO-8859-1");
    struct exchange_row *row = record(recording, "caf\xe9", 4);
    assert_text_has(recording, row, "\ncafé\n");
    row_destroy(row);
}

static void test_text_of_broken_coding_says_where_and_shows_the_rest(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "text/plain");
    add_response_field(recording, "Content-Encoding", "gzip");
    struct buffer body = gzipped("hello world", 11);
    struct exchange_row *row = record(recording, body.data, body.length - 8);
    assert_text_has(recording, row, "[decode gzip: breaks off after");
    assert_text_has(recording, row, "\nhello world\n");
    buffer_fini(&body);
    row_destroy(row);
}

static void test_a_note_alone_has_an_empty_line_behind_it(void **state)
{
    struct recording *recording = *state;
    recording->row->method = "POST";
    recording->row->request_size = 200;
    recording->row->body_truncated = true;
    struct exchange_row *row = record(recording, "", 0);
    assert_text_has(recording, row, "[cut: only 0 of 200 bytes were recorded]\n\nHTTP/1.1 200");
    row_destroy(row);
}

static void test_text_of_an_unknown_coding_is_the_bytes_themselves(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Type", "text/plain");
    add_response_field(recording, "Content-Encoding", "rot13");
    struct exchange_row *row = record(recording, "uryyb\xff", 6);
    assert_text_has(recording, row,
                    "[decode: unknown content coding \"rot13\"]\n"
                    "[binary text/plain, 6 bytes: 75 72 79 79 62 ff]\n");
    row_destroy(row);
}

static void test_text_says_what_was_not_recorded(void **state)
{
    struct recording *recording = *state;
    recording->row->body_truncated = true;
    recording->row->response_size = 1000;
    struct exchange_row *row = record(recording, "start", 5);
    assert_text_has(recording, row, "[cut: only 5 of 1000 bytes were recorded]\nstart\n");
    row_destroy(row);
}

static void test_text_of_a_failure_names_it(void **state)
{
    struct recording *recording = *state;
    recording->row->state = ROW_STATE_UPSTREAM_ERROR;
    recording->row->status = 0;
    recording->row->error = "dns";
    recording->row->error_text = "no such host\x1b[2J";
    struct exchange_row *row = record(recording, "", 0);
    assert_text_has(recording, row, "\ndns: no such host\\x1b[2J\n");
    assert_text_has(recording, row, "\n[no answer]\n");
    row_destroy(row);
}

// --- JSON --------------------------------------------------------------------------------------

static void test_json_has_text_as_text(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Encoding", "gzip");
    struct buffer body = gzipped("a\"\xc3\xa9\n", 5);
    struct exchange_row *row = record(recording, body.data, body.length);
    json_t *object = as_json(recording, row);
    assert_string_equal(text_at(object, "response_body", "text"), "a\"é\n");
    assert_int_equal(integer_at(object, "response_body", "size"), 5);
    assert_int_equal(integer_at(object, "response_body", "wire_size"), body.length);
    assert_string_equal(json_string_value(json_object_get(object, "url")), "http://example.com/x");
    assert_string_equal(json_string_value(json_object_get(object, "started_at")),
                        "2026-01-31T12:01:00.123Z");
    assert_true(json_is_null(json_object_get(object, "dns_us")));
    json_decref(object);
    buffer_fini(&body);
    row_destroy(row);
}

static void test_json_has_bytes_as_base64(void **state)
{
    struct recording *recording = *state;
    struct exchange_row *row = record(recording, "\0\xff", 2);
    json_t *object = as_json(recording, row);
    assert_string_equal(text_at(object, "response_body", "base64"), "AP8=");
    assert_null(text_at(object, "response_body", "text"));
    json_decref(object);
    row_destroy(row);
}

static void test_json_without_an_answer_has_the_same_keys(void **state)
{
    struct recording *recording = *state;
    struct exchange_row *row = record(recording, "", 0);
    json_t *with = as_json(recording, row);
    row->status = 0;
    json_t *without = as_json(recording, row);
    const char *key;
    json_t *value;
    json_object_foreach(with, key, value) if (!json_object_get(without, key))
        fail_msg("%s is missing", key);
    assert_int_equal(json_object_size(with), json_object_size(without));
    json_decref(with);
    json_decref(without);
    row_destroy(row);
}

// Longer than what is kept of a first reading, and cut into segments inside its characters.
static void test_json_of_a_long_text_is_whole(void **state)
{
    struct recording *recording = *state;
    struct buffer body = {0};
    while (body.length < BODY_VIEW_WHOLE_MAX + SEGMENT_BYTES)
        buffer_append_text(&body, "日本x");
    struct exchange_row *row = record(recording, body.data, body.length);
    json_t *object = as_json(recording, row);
    assert_true(strcmp(text_at(object, "response_body", "text"), body.data) == 0);
    json_decref(object);
    buffer_fini(&body);
    row_destroy(row);
}

// --- bodies and times --------------------------------------------------------------------------

static int collect(void *ctx, const void *data, size_t length)
{
    buffer_append(ctx, data, length);
    return 0;
}

static void test_a_raw_body_is_as_on_the_wire(void **state)
{
    struct recording *recording = *state;
    add_response_field(recording, "Content-Encoding", "gzip");
    struct buffer body = gzipped("hello", 5), raw = {0};
    struct exchange_row *row = record(recording, body.data, body.length);
    struct body_view view;
    struct err err = {0};
    assert_int_equal(body_view_init(&view, recording->reader, row, BODY_RESPONSE, BODY_RAW, &err),
                     0);
    assert_int_equal(body_view_walk(&view, collect, &raw, &err), 0);
    assert_int_equal(raw.length, body.length);
    assert_memory_equal(raw.data, body.data, body.length);
    body_view_fini(&view);
    buffer_fini(&raw);
    buffer_fini(&body);
    row_destroy(row);
}

static int append_segment(void *ctx, size_t count, const char *const *names,
                          const struct value *values)
{
    assert_int_equal(count, 6);
    assert_string_equal(names[3], "at_ms");
    buffer_printf(ctx, "%s %" PRId64 " %.1f %.1f %" PRId64 "\n", values[1].data, values[2].integer,
                  values[3].real, values[4].real, values[5].integer);
    return 0;
}

static void test_timing_has_a_row_a_segment(void **state)
{
    struct recording *recording = *state;
    char *body = mem_calloc(1, 2 * SEGMENT_BYTES);
    struct exchange_row *row = record(recording, body, 2 * SEGMENT_BYTES);
    struct buffer rows = {0};
    struct err err = {0};
    assert_int_equal(
        timing_walk_segments(recording->reader, row, NULL, append_segment, &rows, &err), 0);
    assert_string_equal(rows.data, "response 0 0.0 0.0 204800\nresponse 1 1.0 1.0 204800\n");
    buffer_fini(&rows);
    free(body);
    row_destroy(row);
}

#define VIEW_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIEW_TEST(test_text_shows_both_heads_and_the_body),
        VIEW_TEST(test_text_decodes_and_lays_out_json),
        VIEW_TEST(test_bytes_with_a_nul_are_no_form),
        VIEW_TEST(test_text_in_a_set_with_nuls_is_text),
        VIEW_TEST(test_text_sums_up_what_is_binary),
        VIEW_TEST(test_text_reads_the_charset),
        VIEW_TEST(test_text_of_broken_coding_says_where_and_shows_the_rest),
        VIEW_TEST(test_a_note_alone_has_an_empty_line_behind_it),
        VIEW_TEST(test_text_of_an_unknown_coding_is_the_bytes_themselves),
        VIEW_TEST(test_text_says_what_was_not_recorded),
        VIEW_TEST(test_text_of_a_failure_names_it),
        VIEW_TEST(test_json_has_text_as_text),
        VIEW_TEST(test_json_has_bytes_as_base64),
        VIEW_TEST(test_json_without_an_answer_has_the_same_keys),
        VIEW_TEST(test_json_of_a_long_text_is_whole),
        VIEW_TEST(test_a_raw_body_is_as_on_the_wire),
        VIEW_TEST(test_timing_has_a_row_a_segment),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
