// SPDX-License-Identifier: MIT
// Judging rows in memory: as SQLite would, once they are written; and never otherwise than at the
// end, however early.
#include "filter_fixture.h"
#include "hark/filter_judge.h"

#define ROWS    300
#define FILTERS 400

static struct filter *filter_of(const char *text)
{
    struct err err = {0};
    struct filter *filter = filter_create_for_rows(text, &err);
    if (filter == NULL)
        fail_msg("%s", err.text);
    return filter;
}

static enum filter_verdict judge(const char *text, const struct exchange_row *row,
                                 enum filter_stage stage)
{
    struct filter *filter = filter_of(text);
    enum filter_verdict verdict = filter_judge(filter, row, stage);
    filter_destroy(filter);
    return verdict;
}

static void assert_refused(const char *text, const char *message)
{
    struct err err = {0};
    struct filter *filter = filter_create_for_rows(text, &err);
    if (filter != NULL)
        fail_msg("%s is taken", text);
    assert_string_equal(err.text, message);
}

// --- words -------------------------------------------------------------------------------------

static void test_words_that_cannot_be_judged_are_refused(void **state)
{
    (void)state;
    assert_refused("host:a body:x",
                   "filter: column 8: bodies are not looked into before they are recorded");
    assert_refused("not (a or resbody:x)",
                   "filter: column 11: bodies are not looked into before they are recorded");
    assert_refused("id:7",
                   "filter: column 1: ids and sessions say nothing about exchanges to come");
    assert_refused("@last",
                   "filter: column 1: ids and sessions say nothing about exchanges to come");
    assert_refused("session:1",
                   "filter: column 1: ids and sessions say nothing about exchanges to come");
    assert_refused("since:10m", "filter: column 1: \"since:\" and \"until:\" look back; here it is "
                                "about exchanges to come");
    assert_refused("is:replay",
                   "filter: column 1: what is imported or sent again is always recorded");
    assert_refused("is:pending",
                   "filter: column 1: only what is recorded can be marked or pending");
    assert_refused("is:tunel",
                   "filter: column 1: unknown \"is:tunel\"; did you mean \"is:tunnel\"?");
    assert_refused("  ", "filter: it has no word");
}

// --- stages ------------------------------------------------------------------------------------

static void test_what_the_request_says_is_decided_with_it(void **state)
{
    (void)state;
    struct exchange_row *row = fixture_row(1);
    assert_int_equal(judge("host:*.com path:/", row, FILTER_AT_REQUEST), FILTER_YES);
    assert_int_equal(judge("host:other", row, FILTER_AT_REQUEST), FILTER_NO);
    assert_int_equal(judge("method:get url:EXAMPLE scheme:http", row, FILTER_AT_REQUEST),
                     FILTER_YES);
    assert_int_equal(judge("-host:example.com", row, FILTER_AT_REQUEST), FILTER_NO);
    row_destroy(row);
}

static void test_what_is_not_known_yet_stays_open(void **state)
{
    (void)state;
    struct exchange_row *row = fixture_row(1);
    assert_int_equal(judge("status:200", row, FILTER_AT_REQUEST), FILTER_OPEN);
    assert_int_equal(judge("status:200", row, FILTER_AT_ANSWER), FILTER_YES);
    assert_int_equal(judge("-status:200", row, FILTER_AT_REQUEST), FILTER_OPEN);
    assert_int_equal(judge("dur:<1s", row, FILTER_AT_ANSWER), FILTER_OPEN);
    assert_int_equal(judge("dur:<1s", row, FILTER_AT_END), FILTER_YES);
    // One side decides, whatever the other will be.
    assert_int_equal(judge("status:200 host:other", row, FILTER_AT_REQUEST), FILTER_NO);
    assert_int_equal(judge("status:200 or host:example.com", row, FILTER_AT_REQUEST), FILTER_YES);
    assert_int_equal(judge("status:200 or host:other", row, FILTER_AT_REQUEST), FILTER_OPEN);
    row_destroy(row);
}

static void test_a_field_that_is_there_is_decided_and_one_that_lacks_is_not(void **state)
{
    (void)state;
    struct exchange_row *row = fixture_row(1);
    fixture_add_field(row, &row->request_headers, "X-Health", "probe");
    assert_int_equal(judge("header:x-health=PRO", row, FILTER_AT_REQUEST), FILTER_YES);
    assert_int_equal(judge("header:x-other", row, FILTER_AT_REQUEST), FILTER_OPEN);
    assert_int_equal(judge("header:x-other", row, FILTER_AT_END), FILTER_NO);
    assert_int_equal(judge("-header:x-health", row, FILTER_AT_REQUEST), FILTER_NO);
    row_destroy(row);
}

static void test_websocket_is_decided_when_it_begins(void **state)
{
    (void)state;
    struct exchange_row *row = fixture_row(1);
    assert_int_equal(judge("is:websocket", row, FILTER_AT_ANSWER), FILTER_OPEN);
    row->kind = ROW_KIND_WEBSOCKET;
    assert_int_equal(judge("is:websocket", row, FILTER_AT_ANSWER), FILTER_YES);
    row_destroy(row);
}

// --- the same as SQLite ------------------------------------------------------------------------

// One of the texts, by a generator that is the same everywhere.
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

#define PICK(seed, list) (list)[next_random(seed) % (sizeof(list) / sizeof((list)[0]))]

static const char *const hosts[] = {"example.com", "api.example.com", "::1", NULL, "\xe4.example"};
static const char *const paths[] = {"/", "/v1/items",    "/V1/x_y",  "/a%20b?",
                                    "*", "/caf\xc3\xa9", "/caf\xe9", "/[x]"};
static const char *const queries[] = {NULL, "", "a=1", "q=\xff&b=%"};
static const char *const methods[] = {"GET", "POST", "get", "M-FOO", NULL};
static const char *const types[] = {NULL, "text/html", "application/json", "text/50%_x"};
static const char *const errors[] = {NULL, NULL, "dns", "forbidden"};
static const char *const names[] = {"X-A", "x-a", "Content-Type", "X-\\B"};
static const char *const values[] = {"",        "one two",     "ONE",        "\"quoted\"",
                                     "caf\xe9", "caf\xc3\xa9", "back\\slash"};
static const int statuses[] = {0, 101, 200, 204, 304, 404, 500, 599};
static const int ports[] = {0, 80, 443, 8080};
static const int64_t sizes[] = {-1, 0, 1, 1023, 1024, 1025, 5000000};

static void add_fields(struct exchange_row *row, struct fields *fields, uint64_t *seed)
{
    for (uint64_t count = next_random(seed) % 3; count > 0; count--)
        fixture_add_field(row, fields, PICK(seed, names), PICK(seed, values));
}

static struct exchange_row *random_row(int64_t id, uint64_t *seed)
{
    struct exchange_row *row = fixture_row(id);
    row->host = PICK(seed, hosts);
    row->port = PICK(seed, ports);
    row->path = PICK(seed, paths);
    row->query = PICK(seed, queries);
    row->method = PICK(seed, methods);
    row->scheme = next_random(seed) % 3 == 0 ? "https" : "http";
    row->client_addr = next_random(seed) % 2 == 0 ? "127.0.0.1:51234" : "[::1]:80";
    row->status = PICK(seed, statuses);
    row->response_type = PICK(seed, types);
    row->error = PICK(seed, errors);
    row->state = (enum row_state)(next_random(seed) % 6);
    row->kind = (enum row_kind)(next_random(seed) % 3);
    row->source = next_random(seed) % 4 == 0 ? ROW_SOURCE_PLAYBACK : ROW_SOURCE_PROXY;
    row->duration_us = PICK(seed, sizes);
    row->request_size = PICK(seed, sizes);
    row->response_size = PICK(seed, sizes);
    add_fields(row, &row->request_headers, seed);
    add_fields(row, &row->response_headers, seed);
    if (next_random(seed) % 4 == 0)
        add_fields(row, &row->response_trailers, seed);
    return row;
}

static const char *const words[] = {
    "host:example.com",
    "host:*.example.com",
    "host:*",
    "host:[::1]",
    "host:example.com:8080",
    "host:\xc3\xa4.example",
    "path:/",
    "path:/v1/*",
    "path:/V1/items",
    "path:/*_*",
    "path:/[x]",
    "path:*\xc3\xa9",
    "url:example",
    "url:V1",
    "url:caf\xc3\xa9",
    "url:\"?q=\"",
    "8080",
    "b=%",
    "method:get",
    "method:M-FOO",
    "status:5xx",
    "status:>=400",
    "status:200..304",
    "scheme:https",
    "type:json",
    "type:50%_",
    "type:_",
    "dur:>1ms",
    "dur:<1s",
    "size:>1k",
    "size:0",
    "size:<1k",
    "reqsize:>=1024",
    "header:x-a",
    "header:x-a=one",
    "header:X-A=caf\xc3\xa9",
    "header:content-type=\"\\\"quoted\"",
    "header:x-a=\"back\\\\slash\"",
    "header:none",
    "is:error",
    "is:tunnel",
    "is:websocket",
    "is:playback",
    "client:127.0.0.1",
    "client:[::1]:80",
    "client:127.*",
};

// Words joined in any way.
static void append_filter(struct buffer *text, uint64_t *seed, int depth)
{
    uint64_t choice = depth == 0 ? 0 : next_random(seed) % 4;
    if (choice == 0) {
        buffer_append_text(text, PICK(seed, words));
        return;
    }
    buffer_append_text(text, choice == 3 ? "not (" : "(");
    append_filter(text, seed, depth - 1);
    if (choice != 3) {
        buffer_append_text(text, choice == 1 ? " " : " or ");
        append_filter(text, seed, depth - 1);
    }
    buffer_append_char(text, ')');
}

static void append_judged(struct buffer *ids, struct exchange_row *const *rows, const char *text)
{
    struct filter *filter = filter_of(text);
    for (size_t i = 0; i < ROWS; i++) {
        enum filter_verdict verdict = filter_judge(filter, rows[i], FILTER_AT_END);
        assert_int_not_equal(verdict, FILTER_OPEN);
        if (verdict == FILTER_YES)
            buffer_printf(ids, "%s%lld", ids->length == 0 ? "" : " ", (long long)rows[i]->id);
    }
    filter_destroy(filter);
}

static void test_same_as_sqlite(void **state)
{
    struct exchange_row *rows[ROWS];
    uint64_t seed = 20261121;
    for (int i = 0; i < ROWS; i++) {
        rows[i] = random_row(i + 1, &seed);
        fixture_put(*state, rows[i]);
    }
    for (size_t i = 0; i < FILTERS; i++) {
        struct buffer text = {0};
        struct buffer ids = {0};
        size_t count = sizeof(words) / sizeof(words[0]);
        if (i < count)
            buffer_append_text(&text, words[i]);
        else
            append_filter(&text, &seed, 3);
        buffer_append(&ids, "", 0);
        append_judged(&ids, rows, text.data);
        assert_filter(*state, text.data, ids.length == 0 ? "" : ids.data);
        buffer_fini(&text);
        buffer_fini(&ids);
    }
    for (size_t i = 0; i < ROWS; i++)
        row_destroy(rows[i]);
}

// What the row is at a stage, of which the rest is not known.
static struct exchange_row *row_at(const struct exchange_row *row, enum filter_stage stage)
{
    struct exchange_row *part = row_clone(row);
    part->state = ROW_STATE_PENDING;
    part->error = NULL;
    part->duration_us = -1;
    part->request_size = part->response_size = 0;
    part->response_trailers = (struct fields){0};
    if (stage == FILTER_AT_ANSWER)
        return part;
    part->status = 0;
    part->response_type = NULL;
    part->response_headers = (struct fields){0};
    if (part->kind == ROW_KIND_WEBSOCKET)
        part->kind = ROW_KIND_HTTP;
    return part;
}

static void test_an_early_verdict_is_the_last_one(void **state)
{
    (void)state;
    uint64_t seed = 7;
    int decided = 0;
    for (size_t i = 0; i < 20 * FILTERS; i++) {
        struct buffer text = {0};
        append_filter(&text, &seed, 3);
        struct filter *filter = filter_of(text.data);
        struct exchange_row *row = random_row(1, &seed);
        enum filter_verdict last = filter_judge(filter, row, FILTER_AT_END);
        for (enum filter_stage stage = FILTER_AT_REQUEST; stage < FILTER_AT_END; stage++) {
            struct exchange_row *part = row_at(row, stage);
            enum filter_verdict verdict = filter_judge(filter, part, stage);
            if (verdict != FILTER_OPEN && verdict != last)
                fail_msg("%s: %d at stage %d, %d at the end", text.data, verdict, stage, last);
            decided += verdict != FILTER_OPEN;
            row_destroy(part);
        }
        row_destroy(row);
        filter_destroy(filter);
        buffer_fini(&text);
    }
    assert_true(decided > 4 * FILTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_that_cannot_be_judged_are_refused),
        cmocka_unit_test(test_what_the_request_says_is_decided_with_it),
        cmocka_unit_test(test_what_is_not_known_yet_stays_open),
        cmocka_unit_test(test_a_field_that_is_there_is_decided_and_one_that_lacks_is_not),
        cmocka_unit_test(test_websocket_is_decided_when_it_begins),
        cmocka_unit_test_setup_teardown(test_same_as_sqlite, fixture_set_up, fixture_tear_down),
        cmocka_unit_test(test_an_early_verdict_is_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
