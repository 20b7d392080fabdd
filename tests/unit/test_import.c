// SPDX-License-Identifier: MIT
// Exchanges from files: what an import makes of HAR entries and of JSON lines, and that what is
// exported comes back as it was. tests/e2e/test_import.py has files of other tools.
#include "hark/base64.h"
#include "hark/export.h"
#include "hark/import.h"
#include "hark/whole_exchange.h"
#include "store_fixture.h"

#include <sys/mman.h>

#define EXCHANGES_MAX 8

// What an import gave out.
struct taken {
    struct whole_exchange *exchanges[EXCHANGES_MAX];
    size_t count;
};

static int take(void *ctx, struct whole_exchange *exchange, struct err *err)
{
    struct taken *taken = ctx;
    (void)err;
    assert_true(taken->count < EXCHANGES_MAX);
    taken->exchanges[taken->count++] = exchange;
    return 0;
}

static void taken_fini(struct taken *taken)
{
    for (size_t i = 0; i < taken->count; i++)
        whole_exchange_destroy(taken->exchanges[i]);
    taken->count = 0;
}

static int read_text(const char *text, size_t length, struct taken *taken, struct err *err)
{
    int fd = memfd_create("import", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, length), (ssize_t)length);
    struct import_result result;
    const struct import_options options = {.fd = fd, .on_exchange = take, .ctx = taken};
    int outcome = import_read(&options, &result, err);
    assert_int_equal(result.added, taken->count);
    close(fd);
    return outcome;
}

// Entries have at most 1 MiB here, and what is invalid is left out.
static void read_short(const char *text, size_t length, struct taken *taken, int64_t invalid)
{
    int fd = memfd_create("import", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, length), (ssize_t)length);
    struct import_result result;
    struct err err = {0};
    const struct import_options options = {.fd = fd,
                                           .entry_max_bytes = 1024 * 1024,
                                           .skips_invalid = true,
                                           .on_exchange = take,
                                           .ctx = taken};
    if (import_read(&options, &result, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.added, taken->count);
    assert_int_equal(result.invalid, invalid);
    close(fd);
}

static void assert_read(const char *text, struct taken *taken)
{
    struct err err = {0};
    if (read_text(text, strlen(text), taken, &err) != 0)
        fail_msg("%s", err.text);
}

static void assert_refused(const char *text, const char *reason)
{
    struct taken taken = {0};
    struct err err = {0};
    assert_int_equal(read_text(text, strlen(text), &taken, &err), -1);
    assert_contains(err.text, reason);
    assert_int_equal(taken.count, 0);
}

#define ENTRY(rest)                                                         \
    "{\"log\":{\"entries\":[{\"startedDateTime\":\"2026-01-31T12:00:00Z\"," \
    "\"request\":{\"method\":\"GET\",\"url\":\"http://h:81/p?q\"}" rest "}]}}"

// --- HAR ----------------------------------------------------------------------------------------

static void test_an_entry_with_the_least_there_can_be(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(ENTRY(""), &taken);
    const struct exchange_row *row = taken.exchanges[0]->row;
    assert_int_equal(row->started_us, INT64_C(1769860800000000));
    assert_string_equal(row->host, "h");
    assert_int_equal(row->port, 81);
    assert_string_equal(row->path, "/p");
    assert_string_equal(row->query, "q");
    assert_int_equal(row->duration_us, -1);
    assert_int_equal(row->timing.wait_us, -1);
    assert_int_equal(row->status, 0);
    assert_int_equal(row->state, ROW_STATE_UPSTREAM_ERROR);
    taken_fini(&taken);
}

static void test_dates_of_all_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } dates[] = {
        {"2026-01-31T12:00:00.5+01:30", INT64_C(1769855400500000)},
        {"2026-01-31T12:00:00.1234567-0230", INT64_C(1769869800123456)},
        {"2026-01-31T12:00:00", INT64_C(1769860800000000)},
        {"1970-01-01T00:00:00Z", 0},
    };
    static const char *const others[] = {"",
                                         "2026-01-31",
                                         "31.1.2026",
                                         "1969-12-31T23:59:59Z",
                                         "2026-01-31T12:00:00X",
                                         "2026-01-31T12:00:00+1"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        struct taken taken = {0};
        char *text = mem_printf(ENTRY(",\"startedDateTime\":\"%s\""), dates[i].text);
        assert_read(text, &taken);
        assert_int_equal(taken.exchanges[0]->row->started_us, dates[i].us);
        taken_fini(&taken);
        free(text);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char *text = mem_printf(ENTRY(",\"startedDateTime\":\"%s\""), others[i]);
        assert_refused(text, "entry 1: startedDateTime");
        free(text);
    }
}

static void test_a_body_keeps_its_segments(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(ENTRY(",\"_hark\":{},\"response\":{\"status\":200,\"bodySize\":5,"
                      "\"content\":{\"text\":\"hello\",\"_chunks\":[[10,2],[30,3]]}}"),
                &taken);
    const struct whole_exchange *exchange = taken.exchanges[0];
    assert_int_equal(exchange->segment_count, 2);
    assert_int_equal(exchange->segments[1].seq, 1);
    assert_int_equal(exchange->segments[1].chunk->at_us, 30);
    assert_memory_equal(exchange->segments[1].chunk->data, "llo", 3);
    assert_int_equal(exchange->row->response_size, 5);
    taken_fini(&taken);
    assert_refused(ENTRY(",\"response\":{\"content\":{\"text\":\"hello\",\"_chunks\":[[0,6]]}}"),
                   "the chunks of a body do not fit it");
    assert_refused(ENTRY(",\"response\":{\"content\":{\"text\":\"hello\",\"_chunks\":[[0,4]]}}"),
                   "the chunks of a body do not fit it");
    assert_refused(ENTRY(",\"response\":{\"content\":{\"text\":\"hello\",\"_chunks\":[[0,-1]]}}"),
                   "the chunks of a body do not fit it");
}

// Longer than what is read of the file at once, and with a NUL.
static void test_a_long_body_with_any_characters(void **state)
{
    (void)state;
    struct taken taken = {0};
    struct buffer text = {0};
    buffer_append_text(&text,
                       "{\"log\":{\"entries\":[{\"startedDateTime\":\"2026-01-31T12:00:00Z\","
                       "\"request\":{\"method\":\"GET\",\"url\":\"http://h/\"},"
                       "\"response\":{\"status\":200,\"content\":{\"text\":\"\\u0000");
    for (size_t i = 0; i < 200000; i++)
        buffer_append_text(&text, "日é");
    buffer_append_text(&text, "\"}}}\n, {\"startedDateTime\":\"2026-01-31T12:00:00Z\",\"request\":"
                              "{\"method\":\"PUT\",\"url\":\"http://h/2\"}} ]}}\n");
    assert_read(text.data, &taken);
    assert_int_equal(taken.count, 2);
    assert_int_equal(taken.exchanges[0]->row->response_size, 1 + 200000 * 5);
    assert_true(taken.exchanges[0]->segment_count > 1);
    assert_string_equal(taken.exchanges[1]->row->method, "PUT");
    taken_fini(&taken);
    buffer_fini(&text);
}

static void test_what_is_no_har_file(void **state)
{
    (void)state;
    assert_refused("", "the file is empty");
    assert_refused("   \n", "the file is empty");
    assert_refused("[]", "neither a HAR file nor JSON lines");
    assert_refused("\x89PNG\r\n", "neither a HAR file nor JSON lines");
    assert_refused("{\"a\":1}", "no HAR file");
    assert_refused("{\"log\":[]}", "no '{'");
    assert_refused("{\"log\":{}}", "no HAR file");
    assert_refused("{\"log\":{\"entries\":[", "breaks off");
    assert_refused("{\"log\":{\"entries\":[{},]}}", "entry 1: there is no request");
    assert_refused("{log:1}", "at byte");
    assert_refused(ENTRY("") "{}", "more after the end");
}

#define HEADERS(list) ENTRY(",\"response\":{\"status\":200,\"headers\":[" list "]}")

// As tools write them that were told of all fields of a name at once.
static void test_values_of_several_lines_are_several_fields(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(HEADERS("{\"name\":\"set-cookie\",\"value\":\"a=1\\nb=2\\r\\nc=3\"},"
                        "{\"name\":\"X\",\"value\":\"\"}"),
                &taken);
    const struct fields *fields = &taken.exchanges[0]->row->response_headers;
    assert_int_equal(fields->count, 4);
    assert_string_equal(fields->items[1].name, "set-cookie");
    assert_string_equal(fields->items[1].value, "b=2");
    assert_string_equal(fields->items[2].value, "c=3");
    assert_string_equal(fields->items[3].value, "");
    taken_fini(&taken);
}

static void test_fields_that_could_not_be_sent_are_mistakes(void **state)
{
    (void)state;
    assert_refused(HEADERS("{\"name\":\"bad name\",\"value\":\"\"}"), "\"bad name\" is no name");
    assert_refused(HEADERS("{\"name\":\"\",\"value\":\"\"}"), "\"\" is no name");
    assert_refused(HEADERS("{\"name\":\"@/etc/passwd\",\"value\":\"\"}"), "is no name");
    assert_refused(HEADERS("{\"name\":\"X\",\"value\":\"a\\u0001\"}"), "field X has a control");
    assert_refused("{\"id\":1,\"started_us\":1,\"method\":\"GET\",\"url\":\"http://h/\","
                   "\"request_headers\":[[\"X\",\"a\\nb\"]]}",
                   "a header field has a line end in it");
}

// It was refused, and recorded with what was wrong in it.
static void test_fields_that_hark_recorded_come_back(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read("{\"id\":1,\"started_us\":1,\"method\":\"GET\",\"url\":\"http://h/\","
                "\"request_headers\":[[\"Bad Name\",\"a\\u0001\"]]}",
                &taken);
    assert_string_equal(taken.exchanges[0]->row->request_headers.items[0].name, "Bad Name");
    taken_fini(&taken);
    assert_read(
        ENTRY(",\"_hark\":{},\"response\":{\"status\":200,\"headers\":[{\"name\":\"Bad Name\","
              "\"value\":\"a\\u0001\"}]}"),
        &taken);
    assert_string_equal(taken.exchanges[0]->row->response_headers.items[0].name, "Bad Name");
    taken_fini(&taken);
}

static void test_null_is_a_body_that_is_missing(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(ENTRY(",\"response\":{\"status\":200,\"content\":{\"size\":2,\"text\":null}}"),
                &taken);
    assert_int_equal(taken.exchanges[0]->segment_count, 0);
    assert_true(taken.exchanges[0]->row->body_truncated);
    taken_fini(&taken);
}

static void test_status_of_no_answer(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(ENTRY(",\"response\":{\"status\":-1}"), &taken);
    assert_int_equal(taken.exchanges[0]->row->status, 0);
    taken_fini(&taken);
    assert_refused(ENTRY(",\"response\":{\"status\":-2}"), "no status");
}

static void test_integers_of_any_size(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read(ENTRY(",\"_id\":12345678901234567890,\"time\":20,\"response\":{\"status\":200}"),
                &taken);
    assert_int_equal(taken.exchanges[0]->row->status, 200);
    assert_int_equal(taken.exchanges[0]->row->duration_us, 20000);
    taken_fini(&taken);
}

static void test_url_without_scheme_is_a_mistake(void **state)
{
    (void)state;
    assert_refused(ENTRY(",\"request\":{\"method\":\"GET\",\"url\":\"/x/y\"}"), "url: \"/x/y\"");
    assert_refused(ENTRY(",\"request\":{\"method\":\"GET\",\"url\":\"\"}"), "url: \"\"");
    struct taken taken = {0};
    assert_read(ENTRY(",\"request\":{\"method\":\"GET\",\"url\":\"data:,x\"}"), &taken);
    assert_int_equal(taken.count, 0);
}

// --- there and back -----------------------------------------------------------------------------

static char *export_all(struct fixture *fixture, enum export_format format)
{
    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    char *text = NULL;
    size_t length;
    const struct export_options options = {
        .format = format, .includes_secrets = true, .out = open_memstream(&text, &length)};
    if (export_write(reader, &options, &err) < 0)
        fail_msg("%s", err.text);
    fclose(options.out);
    store_reader_close(reader);
    return text;
}

static void put_taken(struct fixture *fixture, struct whole_exchange *exchange)
{
    struct err err = {0};
    exchange->row->id = store_writer_next_id(fixture->writer);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, exchange->row, false, &err), &err);
    for (size_t i = 0; i < exchange->message_count; i++)
        fixture_must(store_writer_put_message(fixture->writer, exchange->row->id,
                                              &exchange->messages[i], &err),
                     &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
}

// A WebSocket with messages of all kinds: text, bytes, text that is none, a long one, an empty one.
static void put_websocket(struct fixture *fixture)
{
    struct whole_exchange *exchange = whole_exchange_create();
    struct exchange_row *row = fixture_row(1);
    row_destroy(exchange->row);
    exchange->row = row;
    row->kind = ROW_KIND_WEBSOCKET;
    row->status = 101;
    fixture_add_field(row, &row->request_headers, "Upgrade", "websocket");
    char *large = mem_calloc(1, 600000);
    memset(large, 'x', 600000);
    const struct whole_message messages[] = {
        {BODY_REQUEST, 1, 100, "grüße", 7}, {BODY_RESPONSE, 2, 200, "\0\xff", 2},
        {BODY_RESPONSE, 1, 250, "\xff", 1}, {BODY_REQUEST, 1, 300, large, 600000},
        {BODY_REQUEST, 9, 400, "", 0},      {BODY_RESPONSE, 8, 500, "\x03\xe8gone", 6},
    };
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        whole_exchange_add_message(exchange, &messages[i]);
    assert_int_equal(exchange->message_count, 8);
    put_taken(fixture, exchange);
    whole_exchange_destroy(exchange);
    free(large);
}

// Cuts what differs: everything before the kind of the one exchange there is.
static const char *from_kind(const char *text)
{
    const char *kind = strstr(text, "\"kind\"");
    assert_non_null(kind);
    return kind;
}

static void assert_comes_back(struct fixture *fixture, enum export_format format)
{
    put_websocket(fixture);
    char *first = export_all(fixture, format);
    struct taken taken = {0};
    assert_read(first, &taken);
    assert_int_equal(taken.count, 1);
    fixture_close(fixture);
    char *other = mem_printf("%s/other.db", fixture->folder);
    free(fixture->path);
    fixture->path = other;
    fixture_open(fixture);
    put_taken(fixture, taken.exchanges[0]);
    char *second = export_all(fixture, format);
    assert_true(strcmp(from_kind(first), from_kind(second)) == 0);
    assert_non_null(strstr(second, "gr\xc3\xbc\xc3\x9f"
                                   "e"));
    taken_fini(&taken);
    free(first);
    free(second);
}

static void test_messages_come_back_from_har(void **state)
{
    assert_comes_back(*state, EXPORT_HAR);
}

static void test_messages_come_back_from_lines(void **state)
{
    assert_comes_back(*state, EXPORT_JSONL);
}

// --- lines by hand ------------------------------------------------------------------------------

static void test_a_line_written_by_hand(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read("{\"id\":1,\"started_at\":\"2026-01-31T12:00:00Z\",\"method\":\"POST\","
                "\"url\":\"https://h/p\",\"status\":201,"
                "\"response_headers\":[[\"Content-Type\",\"text/plain\"]],"
                "\"request_body\":{\"base64\":\"AP8=\"},\"response_body\":{\"text\":\"ok\"}}\n",
                &taken);
    const struct exchange_row *row = taken.exchanges[0]->row;
    assert_string_equal(row->scheme, "https");
    assert_int_equal(row->port, 443);
    assert_string_equal(row->response_type, "text/plain");
    assert_int_equal(row->request_size, 2);
    assert_int_equal(row->response_size, 2);
    assert_int_equal(row->state, ROW_STATE_DONE);
    taken_fini(&taken);
    assert_refused("{\"id\":1,\"method\":\"GET\",\"url\":\"http://h/\"}", "started_us");
    assert_refused("{\"id\":1,\"started_us\":1,\"method\":\"GET\"}", "entry 1: there is neither");
    assert_refused("{\"id\":1,\"started_us\":1,\"url\":\"http://h/\"}", "method");
    assert_refused("{\"id\":1,\"started_us\":1,\"method\":\"GET\",\"url\":\"http://h/\"}\n{\"id\":",
                   "entry 2: the file breaks off");
}

static void test_members_of_a_line_have_no_order(void **state)
{
    (void)state;
    struct taken taken = {0};
    assert_read("{\"body_truncated\": false, \"interim\": [{\"x\": \"}\\\"\"}], \"a\": -1.5e3,"
                "\"method\":\"GET\",\"started_us\":1,\"url\":\"http://h/\"}\n",
                &taken);
    assert_int_equal(taken.count, 1);
    taken_fini(&taken);
}

static void assert_reason(const char *text, const char *expected)
{
    struct taken taken = {0};
    assert_read(text, &taken);
    const char *reason = taken.exchanges[0]->row->reason;
    assert_string_equal(reason != NULL ? reason : "none", expected);
    taken_fini(&taken);
}

// Of an exchange that hark recorded; other tools write the same where there was none.
static void test_reason_may_be_empty(void **state)
{
    (void)state;
    assert_reason("{\"id\":1,\"started_us\":1,\"method\":\"GET\",\"url\":\"http://h/\","
                  "\"status\":200,\"reason\":\"\"}",
                  "");
    assert_reason(ENTRY(",\"_hark\":{\"reason\":\"\"},\"response\":{\"status\":200}"), "");
    assert_reason(ENTRY(",\"response\":{\"status\":200,\"statusText\":\"\"}"), "none");
}

// --- base64 -------------------------------------------------------------------------------------

// --- what is too long
// -----------------------------------------------------------------------------

#define LONG_BYTES ((size_t)2 * 1024 * 1024)

static void append_long(struct buffer *text)
{
    buffer_append_text(text, "{\"id\":2,\"a\":[{\"}]\\\"}\":\"");
    for (size_t i = 0; i < LONG_BYTES; i++)
        buffer_append_char(text, "]\\\""[i % 3]);
    buffer_append_text(text, "x\"}, 1, null ] }");
}

static void append_line(struct buffer *text, const char *method)
{
    buffer_printf(text, "{\"id\":1,\"method\":\"%s\",\"started_us\":0,\"url\":\"http://h/\"}\n",
                  method);
}

static void test_a_line_that_is_too_long_is_left_out(void **state)
{
    (void)state;
    struct taken taken = {0};
    struct buffer text = {0};
    append_line(&text, "GET");
    append_long(&text);
    append_line(&text, "PUT");
    read_short(text.data, text.length, &taken, 1);
    assert_int_equal(taken.count, 2);
    assert_string_equal(taken.exchanges[1]->row->method, "PUT");
    taken_fini(&taken);
    buffer_fini(&text);
}

static void test_an_entry_that_is_too_long_is_left_out(void **state)
{
    (void)state;
    struct taken taken = {0};
    struct buffer text = {0};
    const char *entry = ENTRY("");
    size_t head = strlen("{\"log\":{\"entries\":[");
    buffer_append(&text, entry, head);
    append_long(&text);
    buffer_append_char(&text, ',');
    buffer_append_text(&text, entry + head);
    read_short(text.data, text.length, &taken, 1);
    assert_int_equal(taken.count, 1);
    taken_fini(&taken);
    buffer_fini(&text);
}

static void test_a_file_that_ends_in_what_is_too_long_is_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct import_result result;
    struct err err = {0};
    append_long(&text);
    int fd = memfd_create("import", MFD_CLOEXEC);
    assert_int_equal(write(fd, text.data, text.length - 4), (ssize_t)text.length - 4);
    const struct import_options options = {
        .fd = fd, .entry_max_bytes = 1024 * 1024, .skips_invalid = true};
    assert_int_equal(import_read(&options, &result, &err), -1);
    assert_contains(err.text, "breaks off");
    close(fd);
    buffer_fini(&text);
}

static void test_base64_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expected; // NULL: refused
    } cases[] = {
        {"", ""},       {"aGVsbG8=", "hello"}, {"aGVs\r\nbG8", "hello"}, {"YQ==", "a"},
        {"YWI=", "ab"}, {"a", NULL},           {"YQ=a", NULL},           {"Y-==", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer out = {0};
        int result = base64_decode(&out, cases[i].text, strlen(cases[i].text));
        assert_int_equal(result, cases[i].expected == NULL ? -1 : 0);
        if (cases[i].expected != NULL)
            assert_string_equal(out.data != NULL ? out.data : "", cases[i].expected);
        buffer_fini(&out);
    }
}

#define STORE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_with_the_least_there_can_be),
        cmocka_unit_test(test_dates_of_all_kinds),
        cmocka_unit_test(test_a_body_keeps_its_segments),
        cmocka_unit_test(test_a_long_body_with_any_characters),
        cmocka_unit_test(test_what_is_no_har_file),
        cmocka_unit_test(test_values_of_several_lines_are_several_fields),
        cmocka_unit_test(test_fields_that_could_not_be_sent_are_mistakes),
        cmocka_unit_test(test_fields_that_hark_recorded_come_back),
        cmocka_unit_test(test_null_is_a_body_that_is_missing),
        cmocka_unit_test(test_status_of_no_answer),
        cmocka_unit_test(test_integers_of_any_size),
        cmocka_unit_test(test_url_without_scheme_is_a_mistake),
        STORE_TEST(test_messages_come_back_from_har),
        STORE_TEST(test_messages_come_back_from_lines),
        cmocka_unit_test(test_a_line_written_by_hand),
        cmocka_unit_test(test_members_of_a_line_have_no_order),
        cmocka_unit_test(test_reason_may_be_empty),
        cmocka_unit_test(test_a_line_that_is_too_long_is_left_out),
        cmocka_unit_test(test_an_entry_that_is_too_long_is_left_out),
        cmocka_unit_test(test_a_file_that_ends_in_what_is_too_long_is_refused),
        cmocka_unit_test(test_base64_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
