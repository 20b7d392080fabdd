// SPDX-License-Identifier: MIT
// Words that look into bodies: codings, character sets, segments, WebSocket messages.
#include "filter_fixture.h"

#include <zlib.h>

static void put(struct fixture *fixture, int64_t id, const char *request_body,
                const char *response_body)
{
    struct exchange_row *row = fixture_row(id);
    row->request_size = request_body == NULL ? 0 : (int64_t)strlen(request_body);
    row->response_size = response_body == NULL ? 0 : (int64_t)strlen(response_body);
    fixture_put(fixture, row);
    row_destroy(row);
    if (request_body != NULL)
        fixture_put_body(fixture, id, BODY_REQUEST, 0, request_body, strlen(request_body));
    if (response_body != NULL)
        fixture_put_body(fixture, id, BODY_RESPONSE, 0, response_body, strlen(response_body));
}

static void put_response(struct fixture *fixture, int64_t id, const char *type, const char *coding,
                         const void *data, size_t length)
{
    struct exchange_row *row = fixture_row(id);
    row->response_size = (int64_t)length;
    row->response_encoding = coding;
    if (type != NULL)
        fixture_add_field(row, &row->response_headers, "Content-Type", type);
    if (coding != NULL)
        fixture_add_field(row, &row->response_headers, "Content-Encoding", coding);
    fixture_put(fixture, row);
    row_destroy(row);
    fixture_put_body(fixture, id, BODY_RESPONSE, 0, data, length);
}

static void set_response_size(struct fixture *fixture, int64_t id, enum row_state state,
                              int64_t size)
{
    struct exchange_row *row = fixture_row(id);
    struct err err = {0};
    row->response_size = size;
    row->state = state;
    assert_int_equal(store_writer_begin(fixture->writer, &err), STORE_OK);
    assert_int_equal(store_writer_put_row(fixture->writer, row, true, &err), STORE_OK);
    assert_int_equal(store_writer_commit(fixture->writer, &err), STORE_OK);
    row_destroy(row);
}

// gzip with 16 + 15 bits of window, raw deflate with -15.
static size_t compress_text(const char *text, int window_bits, int flush, unsigned char *out,
                            size_t room)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_in = (unsigned char *)(uintptr_t)text;
    stream.avail_in = (unsigned)strlen(text);
    stream.next_out = out;
    stream.avail_out = (unsigned)room;
    deflate(&stream, flush);
    deflateEnd(&stream);
    return room - stream.avail_out;
}

static void test_words_say_which_body(void **state)
{
    put(*state, 1, "one question", "first answer");
    put(*state, 2, NULL, "second answer");
    put(*state, 3, "the answer", NULL);
    put(*state, 4, NULL, NULL);
    assert_filter(*state, "body:answer", "1 2 3");
    assert_filter(*state, "resbody:answer", "1 2");
    assert_filter(*state, "reqbody:answer", "3");
    assert_filter(*state, "body:ANSWER", "1 2 3");
    assert_filter(*state, "body:\"second answer\"", "2");
    assert_filter(*state, "-body:answer", "4");
    assert_filter(*state, "body:question or body:second", "1 2");
    assert_filter(*state, "body:second body:answer id:1..2", "2");
    assert_filter(*state, "body:absent", "");
}

static void test_text_is_found_across_segments(void **state)
{
    put_response(*state, 1, NULL, NULL, "begin of a nee", 14);
    fixture_put_body(*state, 1, BODY_RESPONSE, 1, "d", 1);
    fixture_put_body(*state, 1, BODY_RESPONSE, 2, "le\0\xff end", 8);
    set_response_size(*state, 1, ROW_STATE_DONE, 23);
    assert_filter(*state, "body:needle", "1");
    assert_filter(*state, "body:end", "1");
    assert_filter(*state, "body:needles", "");
}

// What goes on, or ended without hark, has a size from some time before.
static void test_sizes_are_trusted_of_what_has_ended_well_only(void **state)
{
    static const enum row_state states[] = {ROW_STATE_PENDING, ROW_STATE_INTERRUPTED,
                                            ROW_STATE_TRUNCATED};
    for (int64_t id = 1; id <= 3; id++) {
        put_response(*state, id, "text/plain", NULL, "begin", 5);
        fixture_put_body(*state, id, BODY_RESPONSE, 1, " needle", 7);
        set_response_size(*state, id, states[id - 1], 5);
    }
    assert_filter(*state, "body:needle", "1 2 3");
    assert_filter(*state, "body:\"begin needle\"", "1 2 3");
}

// Two bodies are two texts.
static void test_text_does_not_run_from_one_body_into_the_next(void **state)
{
    put(*state, 1, "nee", "dle");
    put(*state, 2, "nee", NULL);
    put(*state, 3, NULL, "dle");
    assert_filter(*state, "body:needle", "");
}

static void test_codings_are_undone(void **state)
{
    unsigned char packed[256];
    size_t length = compress_text("a needle", 16 + MAX_WBITS, Z_FINISH, packed, sizeof(packed));
    put_response(*state, 1, "text/plain", "gzip", packed, length);
    put_response(*state, 2, "text/plain", "unknown", "a needle", 8);
    put_response(*state, 3, "text/plain", "gzip", packed, length - 4); // cut off
    put_response(*state, 4, "text/plain", "gzip", "no gzip", 7);
    struct exchange_row *row = fixture_row(5);
    row->request_size = (int64_t)length;
    fixture_add_field(row, &row->request_headers, "content-encoding", "x-gzip");
    fixture_put(*state, row);
    row_destroy(row);
    fixture_put_body(*state, 5, BODY_REQUEST, 0, packed, length);
    assert_filter(*state, "body:needle", "1 2 3 5");
}

static void test_character_sets_are_read(void **state)
{
    static const char latin1[] = "caf\xe9 cr\xe8me";
    static const char utf16[] = "c\0a\0f\0\xe9\0";
    static const char utf16_mark[] = "\xff\xfe"
                                     "c\0a\0f\0\xe9\0";
    put_response(*state, 1, "text/plain; charset=iso-8859-1", NULL, latin1, strlen(latin1));
    put_response(*state, 2, "text/plain", NULL, latin1, strlen(latin1));
    put_response(*state, 3, "text/plain; charset=\"UTF-16LE\"", NULL, utf16, 8);
    put_response(*state, 4, "text/plain", NULL, utf16_mark, 10);
    put_response(*state, 5, "text/plain; charset=utf-8", NULL, "caf\xc3\xa9", 5);
    put_response(*state, 6, "text/plain; charset=no-such-set", NULL, "caf\xc3\xa9", 5);
    put_response(*state, 7, "text/plain", NULL, "caf\xc3\xa9", 5);
    assert_filter(*state, "body:caf\xc3\xa9", "1 2 3 4 5 6 7");
    assert_filter(*state, "body:caf", "1 2 3 4 5 6 7");
    assert_filter(*state, "body:\xc3\xa8me", "1 2");
    assert_filter(*state, "body:\xc3\x83", ""); // what a UTF-8 text is as Latin-1
}

static void test_body_that_goes_on_is_searched_as_far_as_it_is(void **state)
{
    struct exchange_row *row = fixture_row(1);
    row->state = ROW_STATE_PENDING;
    row->status = 0;
    fixture_put(*state, row);
    row_destroy(row);
    fixture_put_body(*state, 1, BODY_RESPONSE, 0, "needle", 6);
    assert_filter(*state, "body:needle", "1");
}

// --- WebSocket ----------------------------------------------------------------------------------

static void put_message(struct fixture *fixture, enum body_side side, int64_t seq, int opcode,
                        bool is_compressed, const void *data, size_t length)
{
    struct err err = {0};
    struct chunk *chunk = fixture_chunk(data, length, seq);
    const struct store_message message = {
        .chunk = chunk, .side = side, .seq = seq, .opcode = opcode, .is_compressed = is_compressed};
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_message(fixture->writer, 1, &message, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    chunk_unref(chunk);
}

static int set_up_websocket(void **state)
{
    fixture_set_up(state);
    struct exchange_row *row = fixture_row(1);
    row->kind = ROW_KIND_WEBSOCKET;
    fixture_put(*state, row);
    row_destroy(row);
    return 0;
}

static void test_messages_are_searched_one_by_one(void **state)
{
    put_message(*state, BODY_REQUEST, 0, 1, false, "client nee", 10);
    put_message(*state, BODY_RESPONSE, 1, 1, false, "server", 6);
    put_message(*state, BODY_REQUEST, 2, 1, false, "dle", 3);
    put_message(*state, BODY_REQUEST, 3, 9, false, "a ping", 6);
    assert_filter(*state, "body:client", "1");
    assert_filter(*state, "reqbody:client", "1");
    assert_filter(*state, "resbody:client", "");
    assert_filter(*state, "resbody:SERVER", "1");
    assert_filter(*state, "body:needle", "");
    assert_filter(*state, "body:ping", "");
}

static void test_parts_of_a_long_message_are_joined(void **state)
{
    char *part = mem_calloc(1, CHUNK_MAX_BYTES);
    memset(part, 'x', CHUNK_MAX_BYTES);
    memcpy(part + CHUNK_MAX_BYTES - 3, "nee", 3);
    put_message(*state, BODY_RESPONSE, 0, 1, false, part, CHUNK_MAX_BYTES);
    put_message(*state, BODY_RESPONSE, 1, 9, false, "ping", 4);
    put_message(*state, BODY_RESPONSE, 2, 0, false, "dle", 3);
    assert_filter(*state, "body:needle", "1");
    free(part);
}

// The second message refers to the first.
static void test_compressed_messages_are_inflated(void **state)
{
    z_stream stream = {0};
    unsigned char packed[2][128];
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    const char *const texts[] = {"a long enough needle", "again: a long enough needles"};
    for (int i = 0; i < 2; i++) {
        stream.next_in = (unsigned char *)(uintptr_t)texts[i];
        stream.avail_in = (unsigned)strlen(texts[i]);
        stream.next_out = packed[i];
        stream.avail_out = sizeof(packed[i]);
        deflate(&stream, Z_SYNC_FLUSH);
        size_t length = sizeof(packed[i]) - stream.avail_out - 4; // without the empty block
        put_message(*state, BODY_RESPONSE, i, 1, true, packed[i], length);
    }
    deflateEnd(&stream);
    assert_filter(*state, "body:needle", "1");
    assert_filter(*state, "body:needles", "1");
    assert_filter(*state, "body:needlesa", "");
}

// --- watching -----------------------------------------------------------------------------------

struct watcher {
    struct store_reader *reader;
    int calls;
};

static bool is_unwanted(void *ctx)
{
    struct watcher *watcher = ctx;
    const struct store_progress *progress = store_reader_progress(watcher->reader);
    assert_true(progress->done >= 0 && progress->done <= progress->total);
    return ++watcher->calls == 3;
}

static void test_search_can_be_interrupted(void **state)
{
    struct fixture *fixture = *state;
    char *segment = mem_calloc(1, CHUNK_MAX_BYTES);
    memset(segment, 'x', CHUNK_MAX_BYTES);
    put(fixture, 1, NULL, "x");
    for (int64_t seq = 1; seq < 80; seq++)
        fixture_put_body(fixture, 1, BODY_RESPONSE, seq, segment, CHUNK_MAX_BYTES);
    set_response_size(fixture, 1, ROW_STATE_DONE, 1 + 79 * (int64_t)CHUNK_MAX_BYTES);
    free(segment);

    struct err err = {0};
    const char *text = "body:needle";
    struct filter *filter = filter_create(&text, 1, &err);
    struct store_reader *reader = fixture_reader(fixture);
    struct buffer ids = {0};
    const struct store_list_options options = {.filter = filter};
    struct watcher watcher = {.reader = reader};
    store_reader_watch(reader, is_unwanted, &watcher);
    assert_int_equal(store_list_traffic(reader, &options, NULL, filter_fixture_on_row, &ids, &err),
                     -1);
    assert_int_equal(watcher.calls, 3);
    assert_contains(err.text, "interrupted");
    assert_false(fixture_is_being_read(fixture->path));

    store_reader_watch(reader, NULL, NULL);
    err = (struct err){0};
    assert_int_equal(store_list_traffic(reader, &options, NULL, filter_fixture_on_row, &ids, &err),
                     0);
    store_reader_close(reader);
    filter_destroy(filter);
    buffer_fini(&ids);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
#define WEBSOCKET_CASE(test) \
    cmocka_unit_test_setup_teardown(test, set_up_websocket, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_words_say_which_body),
        CASE(test_text_is_found_across_segments),
        CASE(test_sizes_are_trusted_of_what_has_ended_well_only),
        CASE(test_text_does_not_run_from_one_body_into_the_next),
        CASE(test_codings_are_undone),
        CASE(test_character_sets_are_read),
        CASE(test_body_that_goes_on_is_searched_as_far_as_it_is),
        WEBSOCKET_CASE(test_messages_are_searched_one_by_one),
        WEBSOCKET_CASE(test_parts_of_a_long_message_are_joined),
        WEBSOCKET_CASE(test_compressed_messages_are_inflated),
        CASE(test_search_can_be_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
