// SPDX-License-Identifier: MIT
// The words of the filter language that compare numbers, times, clients, types and header fields.
#include "filter_fixture.h"
#include "hark/clock.h"

#include <time.h>

#define SECOND_US INT64_C(1000000)

static struct exchange_row *put_begin(int64_t id)
{
    struct exchange_row *row = fixture_row(id);
    row->client_addr = "127.0.0.1:51234";
    return row;
}

static void put_end(struct fixture *fixture, struct exchange_row *row)
{
    fixture_put(fixture, row);
    row_destroy(row);
}

static int set_up(void **state)
{
    fixture_set_up(state);
    struct exchange_row *row = put_begin(1);
    row->duration_us = 499999;
    row->response_size = 0;
    row->response_type = "application/json";
    fixture_add_field(row, &row->request_headers, "Accept", "*/*");
    fixture_add_field(row, &row->response_headers, "Set-Cookie", "a=1; Path=/");
    put_end(*state, row);

    row = put_begin(2);
    row->duration_us = 500001;
    row->response_size = 1024;
    row->request_size = 7;
    row->scheme = "https";
    row->response_type = "text/html";
    row->client_addr = "127.0.0.1:5";
    fixture_add_field(row, &row->request_headers, "X-Request-Id", "Quote \" and \\ back");
    put_end(*state, row);

    row = put_begin(3);
    row->duration_us = 5000000;
    row->response_size = 1025;
    row->response_type = "application/problem+json";
    row->client_addr = "[::1]:51234";
    row->source = ROW_SOURCE_IMPORT;
    fixture_add_field(row, &row->response_headers, "set-cookie", "b=2");
    fixture_add_field(row, &row->response_trailers, "Server-Timing", "db;dur=53");
    put_end(*state, row);

    row = put_begin(4);
    row->duration_us = -1;
    row->state = ROW_STATE_PENDING;
    row->client_addr = NULL;
    row->source = ROW_SOURCE_PLAYBACK;
    fixture_add_field(row, &row->request_headers, "Accept", "text/html");
    fixture_add_field(row, &row->request_headers, "X", "accept-nothing");
    put_end(*state, row);
    return 0;
}

static void test_dur_compares_durations(void **state)
{
    assert_filter(*state, "dur:>500ms", "2 3");
    assert_filter(*state, "dur:>=5s", "3");
    assert_filter(*state, "dur:<500ms", "1");
    assert_filter(*state, "dur:500ms..1m", "2 3");
    assert_filter(*state, "dur:..500ms", "1");
    assert_filter(*state, "-dur:>0ms", "4");
}

static void test_size_and_reqsize_compare_bodies(void **state)
{
    assert_filter(*state, "size:>1k", "3");
    assert_filter(*state, "size:1k", "2");
    assert_filter(*state, "size:>=1k", "2 3");
    assert_filter(*state, "size:0", "1 4");
    assert_filter(*state, "size:<=1k", "1 2 4");
    assert_filter(*state, "size:1..1025", "2 3");
    assert_filter(*state, "reqsize:>0", "2");
    assert_filter(*state, "reqsize:7", "2");
}

static void test_scheme_and_type(void **state)
{
    assert_filter(*state, "scheme:https", "2");
    assert_filter(*state, "scheme:HTTP", "1 3 4");
    assert_filter(*state, "type:json", "1 3");
    assert_filter(*state, "type:JSON", "1 3");
    assert_filter(*state, "type:problem+json", "3");
    assert_filter(*state, "-type:json", "2 4");
}

static void test_client_is_an_address_with_or_without_port(void **state)
{
    assert_filter(*state, "client:127.0.0.1", "1 2");
    assert_filter(*state, "client:127.0.0.1:5", "2");
    assert_filter(*state, "client:127.0.*", "1 2");
    assert_filter(*state, "client:::1", "3");
    assert_filter(*state, "client:[::1]", "3");
    assert_filter(*state, "client:[::1]:51234", "3");
    assert_filter(*state, "client:*:51234", "1 3");
    assert_filter(*state, "client:127.0.0", "");
}

static void test_id_takes_numbers_ranges_and_comparisons(void **state)
{
    assert_filter(*state, "id:2", "2");
    assert_filter(*state, "id:2..3", "2 3");
    assert_filter(*state, "id:3..", "3 4");
    assert_filter(*state, "id:..2", "1 2");
    assert_filter(*state, "id:>3", "4");
    assert_filter(*state, "id:<2", "1");
    assert_filter(*state, "id:1 or id:4", "1 4");
    assert_filter(*state, "-id:2..3", "1 4");
    assert_filter(*state, "id:2 id:3", "");
    assert_filter(*state, "@last", "4");
    assert_filter(*state, "id:@-2", "3");
    assert_filter(*state, "@-1 or @-4", "1 4");
    assert_filter(*state, "@-5", "");
    assert_filter(*state, "id:>2 -@last", "3");
    assert_filter(*state, "session:1..2", "1 2 3 4");
}

static void test_header_looks_at_both_sides_and_at_trailers(void **state)
{
    assert_filter(*state, "header:accept", "1 4");
    assert_filter(*state, "header:Set-Cookie", "1 3");
    assert_filter(*state, "header:set-cookie=PATH", "1");
    assert_filter(*state, "header:accept=html", "4");
    assert_filter(*state, "header:server-timing=db", "3");
    assert_filter(*state, "header:cookie", "");
    assert_filter(*state, "header:accept=nothing", "");
    assert_filter(*state, "\"header:x-request-id=quote \\\" and \\\\ b\"", "");
    assert_filter(*state, "header:\"x-request-id=quote \\\" and \\\\ b\"", "2");
    assert_filter(*state, "header:set-cookie=", "1 3");
    assert_filter(*state, "-header:accept", "2 3");
}

static void test_is_tells_sources_and_marks(void **state)
{
    struct fixture *fixture = *state;
    assert_filter(fixture, "is:import", "3");
    assert_filter(fixture, "is:playback", "4");
    assert_filter(fixture, "is:marked", "");
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "INSERT INTO note (exchange_id, created_us, is_mark, text)"
                     " VALUES (1, 0, 0, 'slow'), (2, 0, 1, NULL), (2, 0, 1, NULL)");
    sqlite3_close(db);
    assert_filter(fixture, "is:marked", "2");
    assert_filter(fixture, "-is:marked", "1 3 4");
}

static void test_bad_values_are_answered_with_examples(void **state)
{
    (void)state;
    assert_filter_mistake("a dur:>500", "filter: column 3: bad duration \">500\"; write for example"
                                        " >500ms, <2s or 1s..5s");
    assert_filter_mistake("dur:500ms", "filter: column 1: bad duration \"500ms\"; write for example"
                                       " >500ms, <2s or 1s..5s");
    assert_filter_mistake("size:>1x", "filter: column 1: bad size \">1x\"; write for example >1k, 0"
                                      " or 10k..1M");
    assert_filter_mistake("reqsize:2k..1k", "filter: column 1: bad size \"2k..1k\"; write for"
                                            " example >1k, 0 or 10k..1M");
    assert_filter_mistake("scheme:ftp", "filter: column 1: bad scheme \"ftp\"; there are"
                                        " scheme:http and scheme:https");
    assert_filter_mistake("id:@-0", "filter: column 1: bad id \"@-0\"; write for example 7,"
                                    " 10..20, >100 or @last");
    assert_filter_mistake("id:..", "filter: column 1: bad id \"..\"; write for example 7, 10..20,"
                                   " >100 or @last");
    assert_filter_mistake("header:=x", "filter: column 1: \"header:=x\" lacks the name; write"
                                       " header:name or header:name=text");
    assert_filter_mistake("host:[::1",
                          "filter: column 1: the bracket in \"host:[::1\" is not closed");
    assert_filter_mistake("client:[::1",
                          "filter: column 1: the bracket in \"client:[::1\" is not closed");
    assert_filter_mistake("client:::x:y]:z", "filter: column 1: bad port in \"client:::x:y]:z\"");
}

// --- times --------------------------------------------------------------------------------------

static void put_at(struct fixture *fixture, int64_t id, int64_t started_us)
{
    struct exchange_row *row = fixture_row(id);
    row->started_us = started_us;
    put_end(fixture, row);
}

static int set_up_times(void **state)
{
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    fixture_set_up(state);
    put_at(*state, 1, 1769857199 * SECOND_US + 999999); // 2026-01-31 11:59:59 in Berlin
    put_at(*state, 2, 1769857200 * SECOND_US);          // 12:00:00
    put_at(*state, 3, 1769857200 * SECOND_US + 250000);
    put_at(*state, 4, 1785495600 * SECOND_US); // 2026-07-31 13:00:00, summer time
    return 0;
}

static void test_dates_and_times_are_local(void **state)
{
    assert_filter(*state, "since:2026-01-31T12:00", "2 3 4");
    assert_filter(*state, "since:2026-01-31T12:00:00.25", "3 4");
    assert_filter(*state, "since:\"2026-01-31 12:00\"", "2 3 4");
    assert_filter(*state, "until:2026-01-31T12:00", "1");
    assert_filter(*state, "since:2026-01-31 until:2026-02-01", "1 2 3");
    assert_filter(*state, "since:2026-02-01", "4");
    assert_filter(*state, "since:2026-07-31T13:00", "4");
    assert_filter(*state, "since:2026-07-31T13:01", "");
    assert_filter(*state, "-since:2026-02-01", "1 2 3");
    assert_filter(*state, "since:2026-02-01 or until:2026-01-31T12:00", "1 4");
}

static void test_times_may_name_their_zone(void **state)
{
    assert_filter(*state, "since:2026-01-31T11:00Z until:2026-02-01Z", "2 3");
    assert_filter(*state, "since:2026-01-31T12:00+01:00 until:2026-02-01", "2 3");
    assert_filter(*state, "since:2026-01-31T06:00-0500 until:2026-02-01", "2 3");
    assert_filter(*state, "until:2026-01-31T11:00z", "1");
}

static void test_since_counts_back_from_now(void **state)
{
    struct fixture *fixture = *state;
    int64_t now_us = clock_wall_us();
    put_at(fixture, 10, now_us - 3 * 86400 * SECOND_US);
    put_at(fixture, 11, now_us - 3000 * SECOND_US);
    put_at(fixture, 12, now_us - 30 * SECOND_US);
    assert_filter(fixture, "id:>9 since:40s", "12");
    assert_filter(fixture, "id:>9 since:1h", "11 12");
    assert_filter(fixture, "id:>9 since:4d", "10 11 12");
    assert_filter(fixture, "id:>9 until:1h", "10");
    assert_filter(fixture, "id:10 until:today", "10");
    assert_filter(fixture, "id:10 since:yesterday", "");
}

static void test_days_begin_at_midnight(void **state)
{
    struct fixture *fixture = *state;
    time_t now = (time_t)(clock_wall_us() / SECOND_US);
    struct tm day;
    localtime_r(&now, &day);
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    int64_t midnight_us = (int64_t)mktime(&day) * SECOND_US;
    put_at(fixture, 10, midnight_us - 1);
    put_at(fixture, 11, midnight_us);
    assert_filter(fixture, "id:>9 since:today", "11");
    assert_filter(fixture, "id:>9 since:yesterday until:today", "10");
    assert_filter(fixture, "id:>9 since:00:00", "11");
    assert_filter(fixture, "id:>9 until:00:00:00", "10");
}

static void test_bad_times_are_answered_with_examples(void **state)
{
    (void)state;
    const char *const bad[] = {"10",
                               "soon",
                               "2026-02-30",
                               "2026-13-01",
                               "2026-01-01T",
                               "2026-01-01T24:00",
                               "24:00",
                               "2026-01-01T10:00+9",
                               "1969-01-01",
                               "10x",
                               "2026-01-01T10:00:00x",
                               "-10m"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *word = mem_printf("since:%s", bad[i]);
        char *message =
            mem_printf("filter: column 1: bad time \"%s\"; write for example 10m, 3d, today, 14:30,"
                       " 2026-01-31 or 2026-01-31T12:00",
                       bad[i]);
        assert_filter_mistake(word, message);
        free(message);
        free(word);
    }
}

// Ids need not follow the time: imports have older exchanges.
static void test_time_is_found_whatever_the_ids(void **state)
{
    struct fixture *fixture = *state;
    put_at(fixture, 20, 1769857200 * SECOND_US);
    put_at(fixture, 21, 1769857100 * SECOND_US);
    assert_filter(fixture, "until:2026-01-31T12:00", "1 21");
    assert_filter(fixture, "since:2026-01-31T12:00 until:2026-02-01", "2 3 20");
}

int main(void)
{
#define CASE(test)      cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
#define TIME_CASE(test) cmocka_unit_test_setup_teardown(test, set_up_times, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_dur_compares_durations),
        CASE(test_size_and_reqsize_compare_bodies),
        CASE(test_scheme_and_type),
        CASE(test_client_is_an_address_with_or_without_port),
        CASE(test_id_takes_numbers_ranges_and_comparisons),
        CASE(test_header_looks_at_both_sides_and_at_trailers),
        CASE(test_is_tells_sources_and_marks),
        CASE(test_bad_values_are_answered_with_examples),
        TIME_CASE(test_dates_and_times_are_local),
        TIME_CASE(test_times_may_name_their_zone),
        TIME_CASE(test_since_counts_back_from_now),
        TIME_CASE(test_days_begin_at_midnight),
        TIME_CASE(test_bad_times_are_answered_with_examples),
        TIME_CASE(test_time_is_found_whatever_the_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
