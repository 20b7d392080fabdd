// SPDX-License-Identifier: MIT
// SQL from people: reading works, and nothing else does.
#include "store_fixture.h"

struct answer {
    struct fixture *fixture;
    struct buffer text;
    int stop_after;
    int rows;
    bool wants_no_reading;
};

static int on_columns(void *ctx, size_t count, const char *const *names)
{
    struct answer *answer = ctx;
    for (size_t i = 0; i < count; i++)
        buffer_printf(&answer->text, "%s%s", i == 0 ? "" : " ", names[i]);
    buffer_append_char(&answer->text, ':');
    return 0;
}

static void append_value(struct buffer *text, const struct value *value)
{
    switch (value->type) {
    case VALUE_NULL:
        buffer_append_text(text, "NULL");
        break;
    case VALUE_INTEGER:
        buffer_printf(text, "i%lld", (long long)value->integer);
        break;
    case VALUE_REAL:
        buffer_printf(text, "r%g", value->real);
        break;
    case VALUE_TEXT:
        assert_int_equal(value->data[value->length], '\0');
        buffer_printf(text, "t%zu(%s)", value->length, value->data);
        break;
    case VALUE_BLOB:
        buffer_printf(text, "b%zu(%.*s)", value->length, (int)value->length, value->data);
        break;
    }
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct answer *answer = ctx;
    (void)names;
    if (answer->wants_no_reading)
        assert_false(fixture_is_being_read(answer->fixture->path));
    for (size_t i = 0; i < count; i++) {
        buffer_append_char(&answer->text, ' ');
        append_value(&answer->text, &values[i]);
    }
    return ++answer->rows == answer->stop_after ? 9 : 0;
}

static int query(struct fixture *fixture, const char *sql, struct answer *answer, struct err *err)
{
    answer->fixture = fixture;
    struct store_reader *reader = fixture_reader(fixture);
    int result = store_query(reader, sql, on_columns, on_row, answer, err);
    store_reader_close(reader);
    return result;
}

static void assert_gives(struct fixture *fixture, const char *sql, const char *expected)
{
    struct err err = {0};
    struct answer answer = {0};
    if (query(fixture, sql, &answer, &err) != 0)
        fail_msg("%s: %s", sql, err.text);
    assert_string_equal(answer.text.data, expected);
    buffer_fini(&answer.text);
}

static void assert_refused(struct fixture *fixture, const char *sql, const char *part_of_message)
{
    struct err err = {0};
    struct answer answer = {0};
    if (query(fixture, sql, &answer, &err) != -1)
        fail_msg("%s is run", sql);
    assert_contains(err.text, part_of_message);
    assert_int_equal(answer.rows, 0);
    buffer_fini(&answer.text);
}

static int set_up(void **state)
{
    fixture_set_up(state);
    struct exchange_row *row = fixture_row(1);
    fixture_put(*state, row);
    row->id = 2;
    fixture_put(*state, row);
    row_destroy(row);
    return 0;
}

static void test_every_type_of_value_is_told_apart(void **state)
{
    assert_gives(*state, "SELECT 1 AS a, 2.5 AS b, 'x' AS c, x'4142' AS d, NULL AS e, '' AS f",
                 "a b c d e f: i1 r2.5 t1(x) b2(AB) NULL t0()");
}

static void test_tables_and_views_can_be_read(void **state)
{
    assert_gives(*state, "SELECT id, url FROM traffic ORDER BY id DESC",
                 "id url: i2 t19(http://example.com/) i1 t19(http://example.com/)");
    assert_gives(*state,
                 "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE"
                 " x < 3) SELECT sum(x) AS s FROM n",
                 "s: i6");
    assert_gives(*state, "SELECT count(*) AS n FROM exchange; -- that is all\n /* yes */ ",
                 "n: i2");
}

// json_each() is made known to the connection by the query itself.
static void test_first_query_may_read_headers(void **state)
{
    assert_gives(*state, "SELECT count(*) AS n FROM header", "n: i0");
    assert_gives(*state, "SELECT value FROM json_each('[7]')", "value: i7");
}

static void test_columns_are_told_also_without_rows(void **state)
{
    assert_gives(*state, "SELECT id, host FROM exchange WHERE 0", "id host:");
}

static void test_schema_can_be_asked_for(void **state)
{
    assert_gives(*state, "PRAGMA user_version", "user_version: i3");
    assert_gives(*state, "SELECT name FROM pragma_table_info('note') LIMIT 1", "name: t2(id)");
    assert_gives(*state, "SELECT count(*) AS n FROM sqlite_schema WHERE type = 'view'", "n: i4");
    assert_gives(*state, "PRAGMA quick_check", "quick_check: t2(ok)");
}

static void test_what_writes_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *const statements[] = {
        "INSERT INTO note (exchange_id, created_us, is_mark) VALUES (1, 1, 1)",
        "UPDATE exchange SET host = 'x'",
        "DELETE FROM exchange",
        "REPLACE INTO exchange (id) VALUES (1)",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE t (a)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "DROP TABLE exchange",
        "ALTER TABLE exchange ADD COLUMN x",
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT s",
        "EXPLAIN DELETE FROM exchange",
        "WITH a AS (SELECT 1) DELETE FROM exchange",
        "INSERT INTO sqlite_master VALUES ('table', 't', 't', 0, 'CREATE TABLE t (a)')",
        "SELECT 1; DROP TABLE exchange",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        assert_refused(fixture, statements[i], "does more than read");
    assert_refused(fixture, "UPDATE sqlite_master SET sql = ''", "may not be modified");
    assert_answer(fixture->path, "SELECT count(*), min(host) FROM exchange", "2|example.com");
}

static void test_other_files_are_out_of_reach(void **state)
{
    struct fixture *fixture = *state;
    char *copy = mem_printf("%s/copy.db", fixture->folder);
    char *attach = mem_printf("ATTACH '%s' AS copy", copy);
    char *vacuum = mem_printf("VACUUM INTO '%s'", copy);
    assert_refused(fixture, attach, "");
    assert_refused(fixture, vacuum, "");
    assert_refused(fixture, "SELECT load_extension('/tmp/x.so')", "");
    assert_refused(fixture, "DETACH main", "");
    assert_false(fixture_exists(copy));
    free(vacuum);
    free(attach);
    free(copy);
}

static void test_settings_cannot_be_changed(void **state)
{
    struct fixture *fixture = *state;
    const char *const statements[] = {
        "PRAGMA query_only = OFF",
        "PRAGMA user_version = 7",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA optimize",
        "PRAGMA incremental_vacuum",
        "PRAGMA temp_store_directory = '/tmp'",
    };
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        assert_refused(fixture, statements[i], "does more than read");
}

static void test_more_than_one_statement_is_refused(void **state)
{
    assert_refused(*state, "SELECT 1; SELECT 2", "more than one statement");
    assert_refused(*state, "SELECT 1; nonsense", "more than one statement");
}

static void test_no_statement_is_refused(void **state)
{
    assert_refused(*state, "", "there is no statement");
    assert_refused(*state, "-- nothing", "there is no statement");
}

static void test_mistake_is_answered_by_sqlites_message(void **state)
{
    assert_refused(*state, "SELECT a FROM nowhere", "sql: no such table: nowhere");
    assert_refused(*state, "SELEC 1", "sql: near \"SELEC\": syntax error");
    assert_refused(*state, "SELECT json_extract('{', '$')", "sql: malformed JSON");
}

static void test_query_stops_when_told(void **state)
{
    struct err err = {0};
    struct answer answer = {.stop_after = 1};
    assert_int_equal(query(*state, "SELECT id FROM exchange", &answer, &err), 9);
    assert_string_equal(answer.text.data, "id: i1");
    buffer_fini(&answer.text);
}

// Together more than is held before the first is shown.
static void test_large_result_comes_whole(void **state)
{
    struct err err = {0};
    struct answer answer = {0};
    assert_int_equal(query(*state,
                           "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE"
                           " x < 300) SELECT x, length(zeroblob(0)), zeroblob(100000) FROM n",
                           &answer, &err),
                     0);
    assert_int_equal(answer.rows, 300);
    assert_contains(answer.text.data, " i300 i0 b100000(");
    buffer_fini(&answer.text);
}

static void test_slow_taker_of_a_result_does_not_hold_the_wal(void **state)
{
    struct err err = {0};
    struct answer answer = {.wants_no_reading = true};
    assert_int_equal(query(*state, "SELECT id FROM exchange", &answer, &err), 0);
    assert_int_equal(answer.rows, 2);
    buffer_fini(&answer.text);
}

// What a query may not do must not rub off on the reader's own statements.
static void test_reader_works_on_after_a_query(void **state)
{
    struct err err = {0};
    struct answer answer = {0};
    struct store_reader *reader = fixture_reader(*state);
    int64_t id = 0;
    assert_int_equal(store_query(reader, "SELECT 1", NULL, on_row, &answer, &err), 0);
    assert_int_equal(store_query(reader, "DELETE FROM body", NULL, on_row, &answer, &err), -1);
    err = (struct err){0};
    assert_int_equal(store_last_id(reader, 0, &id, &err), STORE_FOUND);
    assert_int_equal(id, 2);
    buffer_fini(&answer.text);
    store_reader_close(reader);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_every_type_of_value_is_told_apart),
        CASE(test_tables_and_views_can_be_read),
        CASE(test_first_query_may_read_headers),
        CASE(test_columns_are_told_also_without_rows),
        CASE(test_schema_can_be_asked_for),
        CASE(test_what_writes_is_refused),
        CASE(test_other_files_are_out_of_reach),
        CASE(test_settings_cannot_be_changed),
        CASE(test_more_than_one_statement_is_refused),
        CASE(test_no_statement_is_refused),
        CASE(test_mistake_is_answered_by_sqlites_message),
        CASE(test_query_stops_when_told),
        CASE(test_large_result_comes_whole),
        CASE(test_slow_taker_of_a_result_does_not_hold_the_wal),
        CASE(test_reader_works_on_after_a_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
