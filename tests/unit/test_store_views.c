// SPDX-License-Identifier: MIT
// The views: what any SQLite tool sees of a recording.
#include "store_fixture.h"

static void put_plain(struct fixture *fixture, int64_t id)
{
    struct exchange_row *row = fixture_row(id);
    fixture_put(fixture, row);
    row_destroy(row);
}

static void test_traffic_shows_an_exchange_for_people(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(7);
    row->query = "a=1";
    row->port = 8080;
    row->request_size = 3;
    row->response_size = 44;
    row->response_type = "text/html";
    row->client_addr = "127.0.0.1:5";
    row->error = "dns";
    fixture_put(fixture, row);
    assert_answer(fixture->path,
                  "SELECT id, started_at, method, url, status, ms, request_size, response_size,"
                  " type, state, error, client, source FROM traffic",
                  "7|2026-11-20T09:00:00.123Z|GET|http://example.com:8080/?a=1|200|12.3|3|44|"
                  "text/html|done|dns|127.0.0.1:5|proxy");
    assert_answer(fixture->path, "SELECT group_concat(name, ' ') FROM pragma_table_info('traffic')",
                  "id started_at method url status ms request_size response_size type state error"
                  " client source");
    row_destroy(row);
}

static void test_traffic_has_nulls_for_what_is_not_known_yet(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = row_create();
    row->id = 1;
    fixture_put(fixture, row);
    assert_answer(fixture->path, "SELECT method, url, status, ms, type, state FROM traffic",
                  "NULL|NULL|NULL|NULL|NULL|pending");
    row_destroy(row);
}

static void test_started_at_is_exact_to_the_millisecond(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(
        fixture->path,
        "WITH RECURSIVE n (ms) AS (SELECT 0 UNION ALL SELECT ms + 1 FROM n WHERE ms < 999)"
        " SELECT count(*) FROM n WHERE printf('2026-11-20T09:00:00.%03dZ', ms) <>"
        "  strftime('%Y-%m-%dT%H:%M:%fZ', (1795165200000000 + ms * 1000 + 999) / 1000 / 1000.0,"
        "  'unixepoch')",
        "0");
}

static struct exchange_row *odd_url_row(int64_t id, const char *scheme, const char *host, int port,
                                        const char *path, const char *query)
{
    struct exchange_row *row = fixture_row(id);
    row->scheme = scheme;
    row->host = host;
    row->port = port;
    row->path = path;
    row->query = query;
    return row;
}

static void test_url_is_the_same_in_sql_and_in_c(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *rows[] = {
        odd_url_row(1, "http", "example.com", 80, "/", NULL),
        odd_url_row(2, "https", "example.com", 443, "/x", ""),
        odd_url_row(3, "https", "example.com", 80, "/x", "a=b&c"),
        odd_url_row(4, "http", "::1", 8080, "/x", NULL),
        odd_url_row(5, "http", "example.com", 80, "*", NULL),
        odd_url_row(6, NULL, "example.com", 443, NULL, NULL),
        odd_url_row(7, "http", "example.com", 0, "/", NULL),
        odd_url_row(8, NULL, NULL, 0, "/alone", "q"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buffer url = {0};
        char sql[80];
        row_append_url(rows[i], &url);
        fixture_put(fixture, rows[i]);
        snprintf(sql, sizeof(sql), "SELECT url FROM traffic WHERE id = %d", (int)rows[i]->id);
        assert_answer(fixture->path, sql, url.data);
        buffer_fini(&url);
        row_destroy(rows[i]);
    }
}

static void test_header_has_a_row_a_field_in_wire_order(void **state)
{
    struct fixture *fixture = *state;
    struct exchange_row *row = fixture_row(3);
    fixture_add_field(row, &row->request_headers, "Host", "example.com");
    fixture_add_field(row, &row->request_headers, "X-Empty", "");
    fixture_add_field(row, &row->response_headers, "Set-Cookie", "a=\"1\"");
    fixture_add_field(row, &row->response_headers, "SET-COOKIE", "b=2");
    fixture_put(fixture, row);
    assert_answer(fixture->path,
                  "SELECT exchange_id, side, position, name, value FROM header"
                  " ORDER BY side, position",
                  "3|request|0|host|example.com\n"
                  "3|request|1|x-empty|\n"
                  "3|response|0|set-cookie|a=\"1\"\n"
                  "3|response|1|set-cookie|b=2");
    row_destroy(row);
}

static void test_header_of_a_pending_exchange_has_no_response(void **state)
{
    struct fixture *fixture = *state;
    put_plain(fixture, 1);
    assert_answer(fixture->path, "SELECT count(*) FROM header", "0");
}

// --- body_text ----------------------------------------------------------------------------------

static void test_body_text_joins_segments_in_order(void **state)
{
    struct fixture *fixture = *state;
    put_plain(fixture, 1);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 2, "three", 5);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 0, "one", 3);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 10, "four", 4);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 1, "two", 3);
    fixture_put_body(fixture, 1, BODY_REQUEST, 0, "question", 8);
    assert_answer(fixture->path, "SELECT exchange_id, side, text FROM body_text ORDER BY side",
                  "1|request|question\n1|response|onetwothreefour");
}

static void test_body_text_leaves_out_what_is_not_all_text(void **state)
{
    struct fixture *fixture = *state;
    put_plain(fixture, 1);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 0, "text", 4);
    fixture_put_body(fixture, 1, BODY_RESPONSE, 1, "\xff", 1);
    assert_answer(fixture->path, "SELECT count(*) FROM body_text", "0");
}

static void put_encoded(struct fixture *fixture, int64_t id, const char *request_encoding,
                        const char *response_encoding)
{
    struct exchange_row *row = fixture_row(id);
    row->response_encoding = response_encoding;
    if (request_encoding != NULL)
        fixture_add_field(row, &row->request_headers, "content-Encoding", request_encoding);
    fixture_put(fixture, row);
    fixture_put_body(fixture, id, BODY_REQUEST, 0, "q", 1);
    fixture_put_body(fixture, id, BODY_RESPONSE, 0, "a", 1);
    row_destroy(row);
}

static void test_body_text_leaves_out_the_encoded_side(void **state)
{
    struct fixture *fixture = *state;
    put_encoded(fixture, 1, NULL, "gzip");
    put_encoded(fixture, 2, "gzip", NULL);
    put_encoded(fixture, 3, "Identity", NULL);
    assert_answer(fixture->path,
                  "SELECT exchange_id, side FROM body_text ORDER BY exchange_id, side",
                  "1|request\n2|response\n3|request\n3|response");
}

// --- host_stats ---------------------------------------------------------------------------------

static void test_host_stats_counts_failures_and_bytes(void **state)
{
    struct fixture *fixture = *state;
    const int statuses[] = {200, 404, 0, 0};
    const enum row_state states[] = {ROW_STATE_DONE, ROW_STATE_DONE, ROW_STATE_UPSTREAM_ERROR,
                                     ROW_STATE_PENDING};
    for (int i = 0; i < 4; i++) {
        struct exchange_row *row = fixture_row(i + 1);
        row->status = statuses[i];
        row->state = states[i];
        row->request_size = 1;
        row->response_size = 10;
        row->duration_us = i == 3 ? -1 : 1000 * (i + 1);
        fixture_put(fixture, row);
        row_destroy(row);
    }
    struct exchange_row *row = fixture_row(9);
    row->host = "other.example";
    fixture_put(fixture, row);
    assert_answer(fixture->path,
                  "SELECT host, requests, errors, bytes, avg_ms FROM host_stats ORDER BY host",
                  "example.com|4|2|44|2.0\nother.example|1|0|0|12.3");
    row_destroy(row);
}

// --- speed: one exchange must not cost a walk through all ---------------------------------------

static void assert_plan_is_a_search(const char *path, const char *sql)
{
    char *explain = mem_printf("EXPLAIN QUERY PLAN %s", sql);
    char *plan = fixture_ask(path, explain);
    if (strstr(plan, "SCAN exchange") != NULL || strstr(plan, "SCAN body") != NULL ||
        strstr(plan, "SCAN part") != NULL || strstr(plan, "TEMP B-TREE") != NULL)
        fail_msg("%s\n%s", sql, plan);
    free(plan);
    free(explain);
}

static void test_one_exchange_is_found_by_its_key_in_every_view(void **state)
{
    struct fixture *fixture = *state;
    assert_plan_is_a_search(fixture->path, "SELECT * FROM traffic WHERE id = 5");
    assert_plan_is_a_search(fixture->path, "SELECT * FROM header WHERE exchange_id = 5");
    assert_plan_is_a_search(fixture->path, "SELECT value FROM header WHERE exchange_id = 5 AND"
                                           " side = 'response' AND name = 'date'");
    assert_plan_is_a_search(fixture->path, "SELECT * FROM body_text WHERE exchange_id = 5");
    assert_plan_is_a_search(fixture->path, "SELECT text FROM body_text WHERE exchange_id = 5 AND"
                                           " side = 'response'");
    assert_plan_is_a_search(fixture->path,
                            "SELECT url, text FROM traffic JOIN body_text ON exchange_id = id"
                            " WHERE id = 5");
    assert_plan_is_a_search(fixture->path, "SELECT * FROM body WHERE exchange_id = 5"
                                           " AND side = 'request' ORDER BY seq");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_traffic_shows_an_exchange_for_people),
        CASE(test_traffic_has_nulls_for_what_is_not_known_yet),
        CASE(test_started_at_is_exact_to_the_millisecond),
        CASE(test_url_is_the_same_in_sql_and_in_c),
        CASE(test_header_has_a_row_a_field_in_wire_order),
        CASE(test_header_of_a_pending_exchange_has_no_response),
        CASE(test_body_text_joins_segments_in_order),
        CASE(test_body_text_leaves_out_what_is_not_all_text),
        CASE(test_body_text_leaves_out_the_encoded_side),
        CASE(test_host_stats_counts_failures_and_bytes),
        CASE(test_one_exchange_is_found_by_its_key_in_every_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
