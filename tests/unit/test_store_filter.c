// SPDX-License-Identifier: MIT
// The filter language: what matches, and what a mistake is answered with.
#include "store_fixture.h"

static void put(struct fixture *fixture, int64_t id, const char *method, const char *host, int port,
                const char *path, int status)
{
    struct exchange_row *row = fixture_row(id);
    row->method = method;
    row->host = host;
    row->port = port;
    row->path = path;
    row->status = status;
    fixture_put(fixture, row);
    row_destroy(row);
}

static int set_up(void **state)
{
    fixture_set_up(state);
    put(*state, 1, "GET", "api.example.com", 80, "/v1/items", 200);
    put(*state, 2, "POST", "api.example.com", 80, "/v1/items/7_a", 404);
    put(*state, 3, "GET", "www.example.com", 8080, "/", 500);
    put(*state, 4, "GET", "::1", 80, "/50%25[x]", 503);
    put(*state, 5, "M-FOO", "other.test", 80, "/Wiki_(page)", 0);
    return 0;
}

static struct exchange_row *row_with(int64_t id, enum row_state state, const char *error)
{
    struct exchange_row *row = fixture_row(id);
    row->state = state;
    row->error = error;
    return row;
}

static void put_all_kinds(struct fixture *fixture)
{
    struct exchange_row *rows[] = {
        row_with(1, ROW_STATE_DONE, NULL),           row_with(2, ROW_STATE_DONE, "forbidden"),
        row_with(3, ROW_STATE_UPSTREAM_ERROR, NULL), row_with(4, ROW_STATE_PENDING, NULL),
        row_with(5, ROW_STATE_DONE, NULL),           row_with(6, ROW_STATE_DONE, NULL),
        row_with(7, ROW_STATE_DONE, NULL),
    };
    rows[4]->kind = ROW_KIND_TUNNEL;
    rows[5]->kind = ROW_KIND_WEBSOCKET;
    rows[6]->source = ROW_SOURCE_REPLAY;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_put(fixture, rows[i]);
        row_destroy(rows[i]);
    }
}

static int set_up_kinds(void **state)
{
    fixture_set_up(state);
    put_all_kinds(*state);
    return 0;
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    assert_true(count > 0);
    assert_string_equal(names[0], "id");
    buffer_printf(ctx, "%d", (int)values[0].integer);
    return 0;
}

static char *matches_of(struct fixture *fixture, const char *const *words, size_t count)
{
    struct err err = {0};
    struct buffer ids = {0};
    struct filter *filter = filter_create(words, count, &err);
    if (filter == NULL)
        fail_msg("%s", err.text);
    struct store_reader *reader = fixture_reader(fixture);
    const struct store_list_options options = {.filter = filter};
    if (store_list_traffic(reader, &options, NULL, on_row, &ids, &err) != 0)
        fail_msg("%s\n%s", err.text, words[0]);
    store_reader_close(reader);
    filter_destroy(filter);
    return buffer_take(&ids);
}

static void assert_matches(struct fixture *fixture, const char *text, const char *expected)
{
    char *ids = matches_of(fixture, &text, 1);
    if (strcmp(ids, expected) != 0)
        fail_msg("%s matches %s and not %s", text, ids, expected);
    free(ids);
}

static void assert_mistake(const char *text, const char *message)
{
    struct err err = {0};
    struct filter *filter = filter_create(&text, 1, &err);
    if (filter != NULL)
        fail_msg("%s is taken", text);
    if (strcmp(err.text, message) != 0)
        fail_msg("%s\n  is answered %s\n  and not     %s", text, err.text, message);
}

static void test_no_words_match_everything(void **state)
{
    char *ids = matches_of(*state, NULL, 0);
    assert_string_equal(ids, "12345");
    free(ids);
    assert_matches(*state, "", "12345");
    assert_matches(*state, "   ", "12345");
}

static void test_host_is_compared_whole_unless_it_has_an_asterisk(void **state)
{
    assert_matches(*state, "host:api.example.com", "12");
    assert_matches(*state, "host:API.Example.com", "12");
    assert_matches(*state, "host:example.com", "");
    assert_matches(*state, "host:*.example.com", "123");
    assert_matches(*state, "host:???.example.com", "");
    assert_matches(*state, "host:*?.example.com", "");
}

static void test_host_may_have_a_port(void **state)
{
    assert_matches(*state, "host:www.example.com:8080", "3");
    assert_matches(*state, "host:www.example.com:80", "");
    assert_matches(*state, "host:*:8080", "3");
    assert_matches(*state, "host:[::1]:80", "4");
    assert_matches(*state, "host:[::1]", "4");
    assert_matches(*state, "host:::1", "4");
}

static void test_method_is_found_in_any_case(void **state)
{
    assert_matches(*state, "method:POST", "2");
    assert_matches(*state, "method:m-foo", "5");
}

static void test_path_is_compared_whole_unless_it_has_an_asterisk(void **state)
{
    assert_matches(*state, "path:/v1/items", "1");
    assert_matches(*state, "path:/v1/*", "12");
    assert_matches(*state, "path:/V1/*", "");
    assert_matches(*state, "path:*[x]", "4");
    assert_matches(*state, "path:*[*", "4");
}

static void test_status_takes_numbers_classes_and_comparisons(void **state)
{
    assert_matches(*state, "status:500", "3");
    assert_matches(*state, "status:5xx", "34");
    assert_matches(*state, "status:5XX", "34");
    assert_matches(*state, "status:>=404", "234");
    assert_matches(*state, "status:>404", "34");
    assert_matches(*state, "status:<404", "1");
    assert_matches(*state, "status:<=404", "12");
}

static void test_url_is_searched_for_the_very_text(void **state)
{
    assert_matches(*state, "url:ITEMS", "12");
    assert_matches(*state, "url:items/7_a", "2");
    assert_matches(*state, "url:items/7%a", "");
    assert_matches(*state, "url:s_7", "");
    assert_matches(*state, "url:50%25", "4");
    assert_matches(*state, "url:http://www.example.com:8080/", "3");
}

static void test_bare_word_is_searched_in_the_url(void **state)
{
    assert_matches(*state, "items", "12");
    assert_matches(*state, "http://api", "12");
    assert_matches(*state, "Wiki_(page)", "5");
    assert_matches(*state, "[::1]", "4");
    assert_matches(*state, ":8080", "3");
    assert_matches(*state, "\"or\"", "");
}

static void test_words_mean_and(void **state)
{
    assert_matches(*state, "host:api.example.com status:404", "2");
    assert_matches(*state, "host:api.example.com and status:404", "2");
    const char *const words[] = {"host:api.example.com", "status:200"};
    char *ids = matches_of(*state, words, 2);
    assert_string_equal(ids, "1");
    free(ids);
}

static void test_any_white_space_separates_words(void **state)
{
    assert_matches(*state, "host:api.example.com\tstatus:404", "2");
    assert_matches(*state, "host:api.example.com\r\nstatus:404\n", "2");
    assert_matches(*state, "-host:api.example.com\n-status:500", "45");
    assert_matches(*state, "\"a\tb\"", "");
}

static void test_or_binds_looser_than_and(void **state)
{
    assert_matches(*state, "status:200 or status:500", "13");
    assert_matches(*state, "status:200 host:other.test or status:500", "3");
    assert_matches(*state, "status:200 (host:api.example.com OR status:500)", "1");
    assert_matches(*state, "(path:/Wiki_(page) or items)", "125");
}

static void test_not_matches_also_what_has_no_value(void **state)
{
    assert_matches(*state, "-status:5xx", "125");
    assert_matches(*state, "not status:5xx", "125");
    assert_matches(*state, "NOT (status:5xx or status:200)", "25");
    assert_matches(*state, "-(status:5xx or status:200)", "25");
    assert_matches(*state, "not not status:500", "3");
    assert_matches(*state, "status:>=400 -host:www.example.com", "24");
}

static void test_quotes_keep_what_has_a_meaning(void **state)
{
    assert_matches(*state, "path:\"/v1/items\"", "1");
    assert_matches(*state, "\"host:api.example.com\"", "");
    assert_matches(*state, "\"a b\"", "");
    assert_matches(*state, "\"a\\\"b\\\\\"", "");
    assert_matches(*state, "-\"items\"", "345");
}

static void test_text_cannot_become_sql(void **state)
{
    assert_matches(*state, "host:x'_or_'1'='1", "");
    assert_matches(*state, "\"') OR 1=1 --\"", "");
    assert_matches(*state, "path:\"*');DROP\"", "");
}

static void test_is_tells_kinds_and_ends(void **state)
{
    assert_matches(*state, "is:error", "23");
    assert_matches(*state, "is:pending", "4");
    assert_matches(*state, "is:tunnel", "5");
    assert_matches(*state, "is:websocket", "6");
    assert_matches(*state, "is:replay", "7");
    assert_matches(*state, "-is:error", "14567");
    assert_mistake("is:tunel",
                   "filter: column 1: unknown \"is:tunel\"; did you mean \"is:tunnel\"?");
    assert_mistake("is:broken",
                   "filter: column 1: unknown \"is:broken\"; there are error, import, marked,"
                   " pending, playback, replay, tunnel and websocket");
}

static void test_filter_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char *text = mem_calloc(1, 16002);
    memset(text, 'a', 16001);
    assert_mistake(text, "filter: column 16001: longer than 16000 bytes");
    free(text);
}

static void test_session_takes_a_number(void **state)
{
    assert_matches(*state, "session:1", "12345");
    assert_matches(*state, "session:2", "");
    assert_mistake("session:last", "filter: column 1: bad session \"last\"; write its number");
    assert_mistake("session:1234567890123456789",
                   "filter: column 1: bad session \"1234567890123456789\"; write its number");
}

static void test_mistakes_are_answered_with_column_and_suggestion(void **state)
{
    (void)state;
    assert_mistake("hots:example.com", "filter: column 1: unknown key \"hots\" in"
                                       " \"hots:example.com\"; did you mean \"host:\"?");
    assert_mistake("items stat:500", "filter: column 7: unknown key \"stat\" in \"stat:500\"; did"
                                     " you mean \"status:\"?");
    assert_mistake("localhost:8080",
                   "filter: column 1: unknown key \"localhost\"; to look for this text in the URL"
                   " write \"url:localhost:8080\"");
    assert_mistake("\xc3\xa9\xc3\xa9 host:", "filter: column 4: \"host:\" lacks a value");
    assert_mistake("host:example.com:http",
                   "filter: column 1: bad port in \"host:example.com:http\"");
    assert_mistake("a (b or", "filter: column 8: the filter ends where a word should follow");
    assert_mistake("a (b", "filter: column 3: this \"(\" is not closed");
    assert_mistake("a b)", "filter: column 4: this \")\" closes nothing");
    assert_mistake(")", "filter: column 1: this \")\" closes nothing");
    assert_mistake("or a",
                   "filter: column 1: nothing stands before this word; quote it to look for it");
    assert_mistake("url:\"a b", "filter: column 1: a quote is not closed");
    assert_mistake("a \"\"", "filter: column 3: an empty word matches nothing in particular");
    assert_mistake("not", "filter: column 4: the filter ends where a word should follow");
}

static void test_what_is_written_otherwise_elsewhere_is_answered_with_the_word(void **state)
{
    struct fixture *fixture = *state;
    static const char *const words[][2] = {
        {"status=500", "status:500"},   {"status>=400", "status:>=400"}, {"id==5", "id:5"},
        {"status!=5xx", "-status:5xx"}, {"!host:x", "-host:x"},          {"!host=x", "-host:x"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *text = mem_printf("a %s b", words[i][0]);
        char *message = mem_printf("filter: column 3: did you mean \"%s\"? To look for \"%s\" in"
                                   " the URL write \"url:%s\"",
                                   words[i][1], words[i][0], words[i][0]);
        assert_mistake(text, message);
        free(message);
        free(text);
    }
    assert_mistake("path:/a?x=1",
                   "filter: column 1: a path ends before its \"?\"; did you mean \"url:/a?x=1\"?");
    assert_mistake("method:GET,PUT", "filter: column 1: \"GET,PUT\" is no method; write for example"
                                     " (method:GET or method:POST)");
    assert_mistake("a - b",
                   "filter: column 3: nothing follows this \"-\"; quote it to look for it");
    static const char *const texts[] = {
        "status=open", "\"status=500\"", "x=1", "?id=5", "url:id=5", "id5", "!a", "\"-\""};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_matches(fixture, texts[i], "");
}

static void test_bad_status_is_answered_with_examples(void **state)
{
    (void)state;
    const char *const bad[] = {"abc", "50",   "5000",  "5x",    "0xx",
                               ">=",  "=500", "<>500", ">=abc", "-500"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *word = mem_printf("status:%s", bad[i]);
        char *message = mem_printf(
            "filter: column 1: bad status \"%s\"; write for example 404, 4xx or >=400", bad[i]);
        assert_mistake(word, message);
        free(message);
        free(word);
    }
}

static void test_filter_too_large_to_run_is_refused(void **state)
{
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < 20; i++)
        buffer_append_char(&text, '(');
    assert_mistake(text.data, "filter: column 11: nested too deep");
    buffer_clear(&text);
    for (int i = 0; i < 201; i++)
        buffer_append_text(&text, "a ");
    assert_mistake(text.data, "filter: column 401: too many words");
    buffer_fini(&text);
}

// The deepest nesting in the way that costs SQLite's parser most, and the most words.
static void test_largest_filter_runs(void **state)
{
    struct buffer text = {0};
    for (int i = 0; i < 10; i++)
        buffer_append_text(&text, "(t or t ");
    for (int i = 2 * 10; i < 200; i++)
        buffer_append_text(&text, "url:t ");
    for (int i = 0; i < 10; i++)
        buffer_append_char(&text, ')');
    assert_matches(*state, text.data, "12345");
    buffer_fini(&text);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_no_words_match_everything),
        CASE(test_host_is_compared_whole_unless_it_has_an_asterisk),
        CASE(test_host_may_have_a_port),
        CASE(test_method_is_found_in_any_case),
        CASE(test_path_is_compared_whole_unless_it_has_an_asterisk),
        CASE(test_status_takes_numbers_classes_and_comparisons),
        CASE(test_url_is_searched_for_the_very_text),
        CASE(test_bare_word_is_searched_in_the_url),
        CASE(test_words_mean_and),
        CASE(test_any_white_space_separates_words),
        CASE(test_or_binds_looser_than_and),
        CASE(test_not_matches_also_what_has_no_value),
        CASE(test_quotes_keep_what_has_a_meaning),
        CASE(test_text_cannot_become_sql),
        CASE(test_session_takes_a_number),
        CASE(test_filter_that_is_too_long_is_refused),
        cmocka_unit_test_setup_teardown(test_is_tells_kinds_and_ends, set_up_kinds,
                                        fixture_tear_down),
        CASE(test_mistakes_are_answered_with_column_and_suggestion),
        CASE(test_what_is_written_otherwise_elsewhere_is_answered_with_the_word),
        CASE(test_bad_status_is_answered_with_examples),
        CASE(test_filter_too_large_to_run_is_refused),
        CASE(test_largest_filter_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
