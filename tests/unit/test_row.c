// SPDX-License-Identifier: MIT
// Exchange rows: defaults, copies, names and URLs.
#include "hark/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_url(const struct exchange_row *row, const char *expected)
{
    struct buffer url = {0};
    row_append_url(row, &url);
    assert_string_equal(url.length > 0 ? url.data : "", expected);
    buffer_fini(&url);
}

static struct exchange_row row_of(const char *scheme, const char *host, int port, const char *path,
                                  const char *query)
{
    return (struct exchange_row){
        .scheme = scheme, .host = host, .port = port, .path = path, .query = query};
}

static void test_new_row_is_pending_and_knows_no_durations(void **state)
{
    (void)state;
    struct exchange_row *row = row_create();
    assert_int_equal(row->state, ROW_STATE_PENDING);
    assert_int_equal(row->duration_us, -1);
    assert_int_equal(row->timing.dns_us, -1);
    assert_int_equal(row->timing.receive_us, -1);
    assert_int_equal(row->request_size, 0);
    assert_int_equal(row->response_size, 0);
    row_destroy(row);
}

static void test_clone_survives_the_original(void **state)
{
    (void)state;
    struct exchange_row *row = row_create();
    row->id = 7;
    row->host = arena_strdup(&row->arena, "example.com");
    row->server_cert = arena_strdup(&row->arena, "{}");
    fields_add(&row->response_trailers, &row->arena, "X", 1, "y", 1);
    struct exchange_row *copy = row_clone(row);
    row_destroy(row);

    assert_int_equal(copy->id, 7);
    assert_string_equal(copy->host, "example.com");
    assert_string_equal(copy->server_cert, "{}");
    assert_null(copy->path);
    assert_int_equal(copy->response_trailers.count, 1);
    assert_string_equal(copy->response_trailers.items[0].value, "y");
    row_destroy(copy);
}

static void test_names_are_found_again(void **state)
{
    (void)state;
    for (int i = ROW_STATE_PENDING; i <= ROW_STATE_INTERRUPTED; i++)
        assert_int_equal(row_state_from_name(row_state_name((enum row_state)i)), i);
    for (int i = ROW_SOURCE_PROXY; i <= ROW_SOURCE_PLAYBACK; i++)
        assert_int_equal(row_source_from_name(row_source_name((enum row_source)i)), i);
    for (int i = ROW_KIND_HTTP; i <= ROW_KIND_WEBSOCKET; i++)
        assert_int_equal(row_kind_from_name(row_kind_name((enum row_kind)i)), i);
    assert_string_equal(row_state_name(ROW_STATE_CLIENT_ABORT), "client-abort");
    assert_int_equal(row_state_from_name("finished"), -1);
}

static void test_url_names_the_port_only_where_it_is_unusual(void **state)
{
    (void)state;
    struct exchange_row row = row_of("http", "example.com", 80, "/", NULL);
    assert_url(&row, "http://example.com/");
    row.port = 443;
    assert_url(&row, "http://example.com:443/");
    row.scheme = "https";
    assert_url(&row, "https://example.com/");
}

static void test_url_keeps_an_empty_query(void **state)
{
    (void)state;
    struct exchange_row row = row_of("http", "example.com", 80, "/a%2f", "");
    assert_url(&row, "http://example.com/a%2f?");
}

static void test_url_puts_ipv6_into_brackets(void **state)
{
    (void)state;
    struct exchange_row row = row_of("http", "::1", 8080, "/x", "a=1");
    assert_url(&row, "http://[::1]:8080/x?a=1");
}

static void test_url_of_options_asterisk_has_no_path(void **state)
{
    (void)state;
    struct exchange_row row = row_of("http", "example.com", 80, "*", NULL);
    assert_url(&row, "http://example.com");
}

static void test_url_of_a_tunnel_is_its_authority(void **state)
{
    (void)state;
    struct exchange_row row = row_of(NULL, "example.com", 443, NULL, NULL);
    assert_url(&row, "example.com:443");
}

static void test_url_of_nothing_is_empty(void **state)
{
    (void)state;
    struct exchange_row row = row_of(NULL, NULL, 0, NULL, NULL);
    assert_url(&row, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_row_is_pending_and_knows_no_durations),
        cmocka_unit_test(test_clone_survives_the_original),
        cmocka_unit_test(test_names_are_found_again),
        cmocka_unit_test(test_url_names_the_port_only_where_it_is_unusual),
        cmocka_unit_test(test_url_keeps_an_empty_query),
        cmocka_unit_test(test_url_puts_ipv6_into_brackets),
        cmocka_unit_test(test_url_of_options_asterisk_has_no_path),
        cmocka_unit_test(test_url_of_a_tunnel_is_its_authority),
        cmocka_unit_test(test_url_of_nothing_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
