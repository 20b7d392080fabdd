// SPDX-License-Identifier: MIT
// What goes out for a recorded request: the same head, but for what must be fresh or was asked for;
// and what cannot go out at all.
#include "proxy/replay_message.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void add_field(struct exchange_row *row, const char *name, const char *value)
{
    fields_add(&row->request_headers, &row->arena, name, strlen(name), value, strlen(value));
}

// GET http://h:8080/a?b=1 with a Host, as a proxy has recorded it.
static struct exchange_row *recorded_get(void)
{
    struct exchange_row *row = row_create();
    row->id = 7;
    row->state = ROW_STATE_DONE;
    row->method = "GET";
    row->scheme = "http";
    row->host = "h";
    row->port = 8080;
    row->path = "/a";
    row->query = "b=1";
    row->request_version = "HTTP/1.1";
    add_field(row, "Host", "H:8080");
    return row;
}

struct fixture {
    struct exchange_row *row;
    struct replay_options options;
    struct target origin;
    bool has_origin;
    int64_t body_bytes;
    struct replay_message message;
    struct err err;
};

static int make(struct fixture *fixture)
{
    if (fixture->options.to != NULL && !fixture->has_origin)
        fail_msg("the origin is not parsed");
    return replay_message_make(&fixture->message, fixture->row, fixture->body_bytes,
                               &fixture->options, fixture->has_origin ? &fixture->origin : NULL,
                               &fixture->err);
}

static void assert_field(const struct fixture *fixture, size_t index, const char *name,
                         const char *value)
{
    assert_true(index < fixture->message.headers.count);
    assert_string_equal(fixture->message.headers.items[index].name, name);
    assert_string_equal(fixture->message.headers.items[index].value, value);
}

static void assert_refused(struct fixture *fixture, const char *reason)
{
    assert_int_equal(make(fixture), -1);
    if (strstr(fixture->err.text, reason) == NULL)
        fail_msg("the reason is \"%s\"", fixture->err.text);
    row_destroy(fixture->row);
}

static void test_a_head_goes_out_as_it_was_recorded(void **state)
{
    (void)state;
    struct fixture fixture = {.row = recorded_get()};
    add_field(fixture.row, "x-B", "2");
    add_field(fixture.row, "X-b", "");
    assert_int_equal(make(&fixture), 0);
    assert_string_equal(fixture.message.target, "/a?b=1");
    assert_string_equal(fixture.message.route.authority, "h:8080");
    assert_int_equal(fixture.message.headers.count, 3);
    assert_field(&fixture, 0, "Host", "H:8080");
    assert_field(&fixture, 1, "x-B", "2");
    assert_field(&fixture, 2, "X-b", "");
    row_destroy(fixture.row);
}

static void test_the_usual_port_is_not_named(void **state)
{
    (void)state;
    struct fixture fixture = {.row = recorded_get()};
    fixture.row->scheme = "https";
    fixture.row->host = "::1";
    fixture.row->port = 443;
    assert_int_equal(make(&fixture), 0);
    assert_string_equal(fixture.message.route.scheme, "https");
    assert_string_equal(fixture.message.route.authority, "[::1]");
    row_destroy(fixture.row);
}

static void test_mapped_bytes_come_back(void **state)
{
    (void)state;
    struct fixture fixture = {.row = recorded_get()};
    fixture.row->headers_latin1 = true;
    fixture.row->path = "/\xc3\xa9";
    add_field(fixture.row, "X", "caf\xc3\xa9");
    assert_int_equal(make(&fixture), 0);
    assert_string_equal(fixture.message.target, "/\xe9?b=1");
    assert_field(&fixture, 1, "X", "caf\xe9");
    row_destroy(fixture.row);
}

static void test_a_new_origin_gets_a_host_of_its_own(void **state)
{
    (void)state;
    struct fixture fixture = {.row = recorded_get(), .has_origin = true};
    struct arena arena = {0};
    fixture.options.to = "http://other:81";
    assert_int_equal(replay_parse_origin(&fixture.origin, &arena, fixture.options.to, &fixture.err),
                     0);
    assert_int_equal(make(&fixture), 0);
    assert_field(&fixture, 0, "Host", "other:81");
    assert_string_equal(fixture.message.route.host, "other");
    assert_int_equal(fixture.message.route.port, 81);
    row_destroy(fixture.row);
    arena_fini(&arena);
}

static void test_an_imported_request_gets_its_framing_anew(void **state)
{
    (void)state;
    struct fixture fixture = {.row = row_create(), .body_bytes = 5};
    fixture.row->source = ROW_SOURCE_IMPORT;
    fixture.row->state = ROW_STATE_DONE;
    fixture.row->method = "POST";
    fixture.row->scheme = "https";
    fixture.row->host = "h";
    fixture.row->port = 443;
    fixture.row->path = "/";
    fixture.row->request_version = "HTTP/2";
    add_field(fixture.row, ":authority", "h");
    add_field(fixture.row, "accept", "*/*");
    assert_int_equal(make(&fixture), 0);
    assert_string_equal(fixture.message.version, "HTTP/1.1");
    assert_int_equal(fixture.message.headers.count, 3);
    assert_field(&fixture, 0, "Host", "h");
    assert_field(&fixture, 1, "accept", "*/*");
    assert_field(&fixture, 2, "Content-Length", "5");
    row_destroy(fixture.row);
}

static void test_what_is_no_whole_request_is_refused(void **state)
{
    (void)state;
    struct fixture tunnel = {.row = recorded_get()};
    tunnel.row->kind = ROW_KIND_TUNNEL;
    assert_refused(&tunnel, "tunnel");
    struct fixture websocket = {.row = recorded_get()};
    websocket.row->kind = ROW_KIND_WEBSOCKET;
    assert_refused(&websocket, "WebSocket");
    struct fixture upgraded = {.row = recorded_get()};
    upgraded.row->status = 101;
    assert_refused(&upgraded, "changed the protocol");
    struct fixture pending = {.row = recorded_get()};
    pending.row->state = ROW_STATE_PENDING;
    assert_refused(&pending, "not ended");
    struct fixture malformed = {.row = recorded_get()};
    malformed.row->error = "bad-request";
    assert_refused(&malformed, "no valid request");
    struct fixture ntlm = {.row = recorded_get()};
    add_field(ntlm.row, "Authorization", "NTLM abc");
    assert_refused(&ntlm, "one connection");
}

static void test_a_body_that_is_not_all_there_is_refused(void **state)
{
    (void)state;
    struct fixture cut = {.row = recorded_get(), .body_bytes = 10};
    cut.row->request_size = 20;
    assert_refused(&cut, "10 of 20 bytes");
    struct fixture broken = {.row = recorded_get(), .body_bytes = 4};
    broken.row->request_size = 4;
    add_field(broken.row, "Content-Length", "8");
    assert_refused(&broken, "4 of 8 bytes");
    struct fixture chunked = {.row = recorded_get(), .body_bytes = 4};
    chunked.row->request_size = 4;
    chunked.row->state = ROW_STATE_CLIENT_ABORT;
    add_field(chunked.row, "Transfer-Encoding", "chunked");
    assert_refused(&chunked, "broke off");
}

static void test_options_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const struct replay_options bad[] = {
        {.concurrency = -1},
        {.concurrency = REPLAY_CONCURRENCY_MAX + 1},
        {.rate_per_s = -1},
        {.repeat = -1},
        {.rate_per_s = 1, .speed = 1},
        {.to = "h:80"},
        {.to = "http://h/path"},
        {.to = "http://h?q"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = {0};
        if (replay_check_options(&bad[i], &err) == 0 || !err.is_set)
            fail_msg("options %zu are taken", i);
    }
    struct err err = {0};
    const struct replay_options good = {.to = "https://[::1]:8443/", .concurrency = 1};
    assert_int_equal(replay_check_options(&good, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_goes_out_as_it_was_recorded),
        cmocka_unit_test(test_the_usual_port_is_not_named),
        cmocka_unit_test(test_mapped_bytes_come_back),
        cmocka_unit_test(test_a_new_origin_gets_a_host_of_its_own),
        cmocka_unit_test(test_an_imported_request_gets_its_framing_anew),
        cmocka_unit_test(test_what_is_no_whole_request_is_refused),
        cmocka_unit_test(test_a_body_that_is_not_all_there_is_refused),
        cmocka_unit_test(test_options_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
