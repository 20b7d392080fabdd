// SPDX-License-Identifier: MIT
// How SQLite finds what the common words match: by an index, in the order of the ids.
#include "filter_fixture.h"
#include "store/filter.h"

#define BY_HOST    "SEARCH exchange USING COVERING INDEX exchange_host (host=? AND id>? AND id<?)"
#define BY_NOTABLE "SEARCH exchange USING COVERING INDEX exchange_notable (id>? AND id<?)"
#define BY_ID      "SEARCH exchange USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"

// As listing does it.
static char *plan_of(struct fixture *fixture, const char *text)
{
    struct err err = {0};
    struct filter *filter = filter_create(&text, 1, &err);
    if (filter == NULL)
        fail_msg("%s", err.text);
    struct buffer sql = {0};
    buffer_append_text(&sql, "EXPLAIN QUERY PLAN SELECT id FROM exchange WHERE id BETWEEN ? AND ?"
                             " AND ");
    filter_append_sql(filter, &sql);
    buffer_append_text(&sql, " ORDER BY id DESC LIMIT ?");
    char *plan = fixture_ask(fixture->path, sql.data);
    buffer_fini(&sql);
    filter_destroy(filter);
    return plan;
}

static void assert_plan(struct fixture *fixture, const char *text, const char *expected)
{
    char *plan = plan_of(fixture, text);
    const char *detail = strrchr(plan, '|');
    assert_non_null(detail);
    if (strchr(plan, '\n') != NULL || strcmp(detail + 1, expected) != 0)
        fail_msg("%s is found by\n%s", text, plan);
    free(plan);
}

static void test_indexed_words_use_their_index(void **state)
{
    assert_plan(*state, "host:api.example.com", BY_HOST);
    assert_plan(*state, "status:500", BY_NOTABLE);
    assert_plan(*state, "status:4xx", BY_NOTABLE);
    assert_plan(*state, "status:>=400", BY_NOTABLE);
    assert_plan(*state, "is:error", BY_NOTABLE);
    assert_plan(*state, "is:tunnel", BY_NOTABLE);
    assert_plan(*state, "is:websocket", BY_NOTABLE);
    assert_plan(*state, "is:replay", BY_NOTABLE);
    assert_plan(*state, "is:pending",
                "SEARCH exchange USING COVERING INDEX exchange_state (state=? AND rowid>? AND"
                " rowid<?)");
    assert_plan(*state, "id:10..20", BY_ID);
}

static void test_index_is_used_beside_other_words(void **state)
{
    assert_plan(*state, "host:api.example.com method:POST", BY_HOST);
    assert_plan(*state, "path:/v1/* host:api.example.com",
                "SEARCH exchange USING INDEX exchange_host (host=? AND id>? AND id<?)");
    assert_plan(*state, "type:json is:error",
                "SEARCH exchange USING INDEX exchange_notable (id>? AND id<?)");
}

static void test_what_has_no_index_is_looked_through(void **state)
{
    assert_plan(*state, "status:200", BY_ID);
    assert_plan(*state, "method:GET", BY_ID);
    assert_plan(*state, "-status:500", BY_ID);
    assert_plan(*state, "since:1h", BY_ID);
}

static void assert_sql(const char *text, const char *expected)
{
    struct err err = {0};
    struct filter *filter = filter_create(&text, 1, &err);
    assert_non_null(filter);
    struct buffer sql = {0};
    filter_append_sql(filter, &sql);
    assert_string_equal(sql.data, expected);
    buffer_fini(&sql);
    filter_destroy(filter);
}

static void test_cheap_words_come_first(void **state)
{
    (void)state;
    assert_sql("header:x path:/a* method:GET id:1..2",
               "(id BETWEEN ? AND ? AND method COLLATE NOCASE = ? AND path GLOB ? AND"
               " hark_header(?, ?, request_headers, response_headers, request_trailers,"
               " response_trailers))");
    assert_sql("(header:x or size:0) dur:>1s",
               "(duration_us BETWEEN ? AND ? AND (response_size BETWEEN ? AND ? OR"
               " hark_header(?, ?, request_headers, response_headers, request_trailers,"
               " response_trailers)))");
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_indexed_words_use_their_index),
        CASE(test_index_is_used_beside_other_words),
        CASE(test_what_has_no_index_is_looked_through),
        CASE(test_cheap_words_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
