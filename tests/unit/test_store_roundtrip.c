// SPDX-License-Identifier: MIT
// What the writer puts, the reader gets: every column, every byte of the bodies.
#include "store_fixture.h"

static struct exchange_row *full_row(void)
{
    struct exchange_row *row = row_create();
    row->id = 41;
    row->session_id = 1;
    row->source = ROW_SOURCE_REPLAY;
    row->replay_of = 12;
    row->started_us = 1795165200123456;
    row->duration_us = 98765;
    row->timing = (struct row_timing){1, 2, 3, 4, 5, 6};
    row->kind = ROW_KIND_WEBSOCKET;
    row->state = ROW_STATE_TRUNCATED;
    row->error = "upstream-reset";
    row->error_text = "the origin closed the connection";
    row->client_addr = "[::1]:51234";
    row->method = "POST";
    row->scheme = "https";
    row->host = "example.com";
    row->port = 8443;
    row->path = "/a/../b%2f%7E";
    row->query = "x=%31&&";
    row->request_version = "HTTP/1.1";
    row->request_size = 11;
    row->request_type = "application/json";
    row->status = 418;
    row->reason = "I'm a teapot";
    row->response_version = "HTTP/1.0";
    row->response_size = 1 << 20;
    row->response_type = "text/html";
    row->response_encoding = "gzip";
    row->server_addr = "93.184.216.34:8443";
    row->sni = "api.example.com";
    row->tls_version = "TLSv1.3";
    row->tls_cipher = "AES-256-GCM";
    row->server_cert = "{\"subject\":\"CN=example.com\"}";
    row->interim = "[{\"status\":103,\"headers\":[]}]";
    row->body_truncated = true;
    fixture_add_field(row, &row->request_headers, "Host", "example.com");
    fixture_add_field(row, &row->request_headers, "X-Odd", "\"quoted\\\" \xc3\xa9");
    fixture_add_field(row, &row->request_trailers, "Checksum", "1");
    fixture_add_field(row, &row->response_headers, "Set-Cookie", "a=1");
    fixture_add_field(row, &row->response_headers, "set-cookie", "b=2");
    fixture_add_field(row, &row->response_trailers, "Status", "ok");
    return row;
}

static void assert_text_equal(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void assert_fields_equal(const struct fields *a, const struct fields *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->items[i].name, b->items[i].name);
        assert_string_equal(a->items[i].value, b->items[i].value);
    }
}

static void assert_rows_equal(const struct exchange_row *a, const struct exchange_row *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->session_id, b->session_id);
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->replay_of, b->replay_of);
    assert_int_equal(a->started_us, b->started_us);
    assert_int_equal(a->duration_us, b->duration_us);
    assert_memory_equal(&a->timing, &b->timing, sizeof(a->timing));
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->state, b->state);
    assert_text_equal(a->error, b->error);
    assert_text_equal(a->error_text, b->error_text);
    assert_text_equal(a->client_addr, b->client_addr);
    assert_text_equal(a->method, b->method);
    assert_text_equal(a->scheme, b->scheme);
    assert_text_equal(a->host, b->host);
    assert_int_equal(a->port, b->port);
    assert_text_equal(a->path, b->path);
    assert_text_equal(a->query, b->query);
    assert_text_equal(a->request_version, b->request_version);
    assert_fields_equal(&a->request_headers, &b->request_headers);
    assert_fields_equal(&a->request_trailers, &b->request_trailers);
    assert_int_equal(a->request_size, b->request_size);
    assert_text_equal(a->request_type, b->request_type);
    assert_int_equal(a->status, b->status);
    assert_text_equal(a->reason, b->reason);
    assert_text_equal(a->response_version, b->response_version);
    assert_fields_equal(&a->response_headers, &b->response_headers);
    assert_fields_equal(&a->response_trailers, &b->response_trailers);
    assert_text_equal(a->interim, b->interim);
    assert_int_equal(a->response_size, b->response_size);
    assert_text_equal(a->response_type, b->response_type);
    assert_text_equal(a->response_encoding, b->response_encoding);
    assert_text_equal(a->server_addr, b->server_addr);
    assert_text_equal(a->sni, b->sni);
    assert_text_equal(a->tls_version, b->tls_version);
    assert_text_equal(a->tls_cipher, b->tls_cipher);
    assert_text_equal(a->server_cert, b->server_cert);
    assert_int_equal(a->body_truncated, b->body_truncated);
    assert_int_equal(a->headers_latin1, b->headers_latin1);
}

static struct exchange_row *get_row(struct fixture *fixture, int64_t id)
{
    struct store_reader *reader = fixture_reader(fixture);
    struct exchange_row *row = NULL;
    struct err err = {0};
    enum store_found found = store_get_row(reader, id, &row, &err);
    if (found != STORE_FOUND)
        fail_msg("found %d: %s", found, err.text);
    store_reader_close(reader);
    return row;
}

static void assert_row_comes_back(struct fixture *fixture, const struct exchange_row *row)
{
    struct exchange_row *found = get_row(fixture, row->id);
    assert_rows_equal(row, found);
    row_destroy(found);
}

static void test_every_column_comes_back(void **state)
{
    struct exchange_row *row = full_row();
    fixture_put(*state, row);
    assert_row_comes_back(*state, row);
    row_destroy(row);
}

static void test_what_is_unknown_comes_back_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = row_create();
    row->id = 5;
    row->session_id = 1;
    row->request_size = -1;
    row->response_size = -1;
    fixture_put(fixture, row);
    assert_row_comes_back(fixture, row);
    assert_answer(fixture->path,
                  "SELECT replay_of, duration_us, dns_us, receive_us, error, host, port, query,"
                  " status, response_size, request_headers, response_headers FROM exchange",
                  "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|[]|NULL");
    row_destroy(row);
}

static void test_update_replaces_every_column(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    struct exchange_row *row = row_create();
    row->id = 41;
    fixture_put(fixture, row);
    row_destroy(row);

    row = full_row();
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, row, true, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    assert_row_comes_back(fixture, row);
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "1");
    row_destroy(row);
}

// The first version of a row may have gone down with a transaction that was rolled back.
static void test_update_of_a_lost_row_inserts_it(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    struct exchange_row *row = full_row();
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, row, true, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    assert_row_comes_back(fixture, row);
    row_destroy(row);
}

static void test_row_without_session_belongs_to_the_writers(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    row_destroy(row);
    row = get_row(fixture, 1);
    assert_int_equal(row->session_id, store_writer_session_id(fixture->writer));
    row_destroy(row);
}

static void test_text_that_is_not_utf8_is_mapped_and_marked(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    row->path = "/caf\xe9";
    fixture_put(fixture, row);
    row->id = 2;
    row->path = "/caf\xc3\xa9";
    fixture_put(fixture, row);
    row->id = 3;
    fixture_add_field(row, &row->request_headers, "X", "\xff");
    fixture_put(fixture, row);
    assert_answer(fixture->path,
                  "SELECT path, headers_latin1, request_headers FROM exchange ORDER BY id",
                  "/caf\xc3\xa9|1|[]\n"
                  "/caf\xc3\xa9|0|[]\n"
                  "/caf\xc3\xa9|1|[[\"X\",\"\xc3\xbf\"]]");
    row_destroy(row);
}

static void test_rolled_back_rows_are_gone(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    struct exchange_row *row = fixture_row(1);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_row(fixture->writer, row, false, &err), &err);
    store_writer_rollback(fixture->writer);
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "0");
    row_destroy(row);
}

static void test_absent_row_is_not_found(void **state)
{
    struct store_reader *reader = fixture_reader(*state);
    struct exchange_row *row = NULL;
    struct err err = {0};
    int64_t id;
    assert_int_equal(store_get_row(reader, 1, &row, &err), STORE_NOT_FOUND);
    assert_int_equal(store_last_id(reader, 0, &id, &err), STORE_NOT_FOUND);
    assert_false(err.is_set);
    store_reader_close(reader);
}

static void test_last_id_counts_back(void **state)
{
    struct fixture *fixture = *state;
    const int64_t ids[] = {3, 8, 9};
    for (size_t i = 0; i < 3; i++) {
        struct exchange_row *row = fixture_row(ids[i]);
        fixture_put(fixture, row);
        row_destroy(row);
    }
    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    int64_t id = 0;
    assert_int_equal(store_last_id(reader, 0, &id, &err), STORE_FOUND);
    assert_int_equal(id, 9);
    assert_int_equal(store_last_id(reader, 2, &id, &err), STORE_FOUND);
    assert_int_equal(id, 3);
    assert_int_equal(store_last_id(reader, 3, &id, &err), STORE_NOT_FOUND);
    store_reader_close(reader);
}

// --- bodies -------------------------------------------------------------------------------------

static void test_text_segments_are_text_and_others_blobs(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    fixture_put_body(fixture, 1, BODY_REQUEST, 0, "gr\xc3\xbc\xc3\x9f", 6);
    fixture_put_body(fixture, 1, BODY_REQUEST, 1, "a\0b", 3);
    fixture_put_body(fixture, 1, BODY_REQUEST, 2, "\xff\xfe", 2);
    fixture_put_body(fixture, 1, BODY_REQUEST, 3, "", 0);
    assert_answer(fixture->path,
                  "SELECT seq, side, typeof(data), hex(data), at_us FROM body ORDER BY seq",
                  "0|request|text|6772C3BCC39F|0\n"
                  "1|request|blob|610062|100\n"
                  "2|request|blob|FFFE|200\n"
                  "3|request|text||300");
    row_destroy(row);
}

struct walk {
    const char *path; // if set: nothing may be reading while a segment is shown
    struct buffer data;
    int64_t next_seq;
    int stop_after;
};

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    struct walk *walk = ctx;
    assert_int_equal(seq, walk->next_seq);
    assert_int_equal(at_us, seq * 100);
    if (walk->path != NULL)
        assert_false(fixture_is_being_read(walk->path));
    walk->next_seq++;
    buffer_append(&walk->data, data, length);
    return walk->next_seq == walk->stop_after ? 7 : 0;
}

static void test_walk_gives_all_bytes_of_one_side_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    row_destroy(row);
    static unsigned char large[CHUNK_MAX_BYTES];
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (unsigned char)(i * 7);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 1, large, sizeof(large));
    fixture_put_body(fixture, 1, BODY_RESPONSE, 0, "head", 4);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 2, "\0tail", 5);
    fixture_put_body(fixture, 1, BODY_REQUEST, 0, "other", 5);
    fixture_put_body(fixture, 2, BODY_RESPONSE, 0, "other", 5);

    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    struct walk walk = {0};
    assert_int_equal(store_walk_body(reader, 1, BODY_RESPONSE, on_segment, &walk, &err), 0);
    assert_int_equal(walk.next_seq, 3);
    assert_int_equal(walk.data.length, 4 + sizeof(large) + 5);
    assert_memory_equal(walk.data.data, "head", 4);
    assert_memory_equal(walk.data.data + 4, large, sizeof(large));
    assert_memory_equal(walk.data.data + 4 + sizeof(large), "\0tail", 5);
    buffer_fini(&walk.data);
    store_reader_close(reader);
}

static void test_walk_stops_when_told(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t seq = 0; seq < 3; seq++)
        fixture_put_body(fixture, 1, BODY_RESPONSE, seq, "x", 1);
    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    struct walk walk = {.stop_after = 2};
    assert_int_equal(store_walk_body(reader, 1, BODY_RESPONSE, on_segment, &walk, &err), 7);
    assert_int_equal(walk.next_seq, 2);
    buffer_fini(&walk.data);
    store_reader_close(reader);
}

static void test_slow_taker_of_a_body_does_not_hold_the_wal(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t seq = 0; seq < 3; seq++)
        fixture_put_body(fixture, 1, BODY_RESPONSE, seq, "x", 1);
    struct store_reader *reader = fixture_reader(fixture);
    struct err err = {0};
    struct walk walk = {.path = fixture->path};
    assert_int_equal(store_walk_body(reader, 1, BODY_RESPONSE, on_segment, &walk, &err), 0);
    assert_int_equal(walk.next_seq, 3);
    buffer_fini(&walk.data);
    store_reader_close(reader);
}

// --- messages -----------------------------------------------------------------------------------

static void put_message(struct fixture *fixture, int64_t id, const struct store_message *message,
                        const char *data, size_t length)
{
    struct err err = {0};
    struct store_message put = *message;
    put.chunk = fixture_chunk(data, length, 1000 * message->seq);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    fixture_must(store_writer_put_message(fixture->writer, id, &put, &err), &err);
    fixture_must(store_writer_commit(fixture->writer, &err), &err);
    chunk_unref(put.chunk);
}

static int on_message(void *ctx, const struct message_view *message)
{
    buffer_printf(ctx, "%d@%d %s %d%s ", (int)message->seq, (int)message->at_us,
                  message->side == BODY_REQUEST ? "send" : "receive", message->opcode,
                  message->is_compressed ? " z" : "");
    if (message->length > 0)
        buffer_append(ctx, message->data, message->length);
    buffer_append_char(ctx, '|');
    return 0;
}

static void test_messages_come_back_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    for (int64_t id = 1; id <= 2; id++) {
        struct exchange_row *row = fixture_row(id);
        fixture_put(fixture, row);
        row_destroy(row);
    }
    put_message(fixture, 1, &(struct store_message){.side = BODY_RESPONSE, .seq = 1, .opcode = 2},
                "\xff", 1);
    put_message(fixture, 1, &(struct store_message){.side = BODY_REQUEST, .seq = 0, .opcode = 1},
                "hello", 5);
    put_message(fixture, 1,
                &(struct store_message){
                    .side = BODY_RESPONSE, .seq = 2, .opcode = 1, .is_compressed = true},
                "", 0);
    put_message(fixture, 2, &(struct store_message){.side = BODY_REQUEST, .seq = 0, .opcode = 9},
                "other", 5);
    struct store_reader *reader = fixture_reader(fixture);
    struct buffer seen = {0};
    assert_int_equal(store_walk_messages(reader, 1, on_message, &seen, &err), 0);
    assert_string_equal(seen.data, "0@0 send 1 hello|1@1000 receive 2 \xff|2@2000 receive 1 z |");
    buffer_fini(&seen);
    store_reader_close(reader);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_every_column_comes_back),
        CASE(test_what_is_unknown_comes_back_unknown),
        CASE(test_update_replaces_every_column),
        CASE(test_update_of_a_lost_row_inserts_it),
        CASE(test_row_without_session_belongs_to_the_writers),
        CASE(test_text_that_is_not_utf8_is_mapped_and_marked),
        CASE(test_rolled_back_rows_are_gone),
        CASE(test_absent_row_is_not_found),
        CASE(test_last_id_counts_back),
        CASE(test_text_segments_are_text_and_others_blobs),
        CASE(test_walk_gives_all_bytes_of_one_side_in_order),
        CASE(test_walk_stops_when_told),
        CASE(test_slow_taker_of_a_body_does_not_hold_the_wal),
        CASE(test_messages_come_back_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
