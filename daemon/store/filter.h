// SPDX-License-Identifier: MIT
// A filter: a tree of tests on an exchange, joined by and, or, not.
//
// filter_parse.c makes the tree from words, filter_keys.c knows what a word like "status:5xx"
// means (with filter_values.c for its numbers and times), filter_sql.c turns the tree into a
// condition on the table `exchange`, which may call the functions of filter_functions.c.
// filter_judge.c judges a row in memory by it.
#ifndef HARK_STORE_FILTER_PRIVATE_H
#define HARK_STORE_FILTER_PRIVATE_H

#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <sqlite3.h>

enum filter_field {
    FIELD_ID,
    FIELD_STARTED,
    FIELD_DURATION,
    FIELD_SESSION,
    FIELD_HOST,
    FIELD_PORT,
    FIELD_STATUS,
    FIELD_REQUEST_SIZE,
    FIELD_RESPONSE_SIZE,
    FIELD_METHOD,
    FIELD_SCHEME,
    FIELD_CLIENT,
    FIELD_PATH,
    FIELD_TYPE,
    FIELD_URL,
    FIELD_HEADERS,
    FIELD_REQUEST_BODY,
    FIELD_RESPONSE_BODY,
    // Conditions by themselves.
    FIELD_IS_ERROR,
    FIELD_IS_IMPORT,
    FIELD_IS_MARKED,
    FIELD_IS_PENDING,
    FIELD_IS_PLAYBACK,
    FIELD_IS_REPLAY,
    FIELD_IS_TUNNEL,
    FIELD_IS_WEBSOCKET,
};

enum filter_test {
    TEST_EQUAL,    // the whole text
    TEST_GLOB,     // the whole text, in which `*` stands for any text
    TEST_CONTAINS, // somewhere in the text, without regard to the case of ASCII letters
    TEST_BETWEEN,  // low <= number <= high
    TEST_HAS,      // the function of the field says so: of text, and of name for headers
    TEST_IS,       // the field is the condition
    TEST_NEWEST,   // the id of the newest exchange, or of the one `low` before it
};

enum filter_node_kind {
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_TEST
};

struct filter_node {
    enum filter_node_kind kind;
    struct filter_node *left; // the only one of NODE_NOT
    struct filter_node *right;

    enum filter_field field; // NODE_TEST only
    enum filter_test test;
    const char *text; // what to compare with; a pattern of SQLite's for GLOB and CONTAINS
    const char *name; // of the header field, in lower case
    int64_t low;
    int64_t high;
};

// Owner: who created it. Everything lives in the arena.
struct filter {
    struct arena arena;
    int64_t now_us;           // what "since:10m" counts from
    bool is_for_rows;         // only words that filter_judge() can judge
    struct filter_node *root; // NULL matches everything
};

// What every match fulfils. Inclusive.
struct filter_bounds {
    int64_t min_id;
    int64_t max_id;
    int64_t since_us;
    int64_t until_us;
};

// --- words -> tree -------------------------------------------------------------------------------

struct filter_node *filter_join(struct filter *filter, enum filter_node_kind kind,
                                struct filter_node *left, struct filter_node *right);
// A bare word: text somewhere in the URL.
struct filter_node *filter_bare_word(struct filter *filter, const char *text);
// "key:value"; NULL with the mistake in err, without its column.
struct filter_node *filter_keyed_word(struct filter *filter, const char *key, const char *value,
                                      struct err *err);

// What a bare word, as it stands in the input, would be with a key, for those who write
// "status=500" or "!host:a.test" elsewhere: a text in the arena, or NULL if it is nothing of that
// kind.
const char *filter_keyed_form(struct filter *filter, const char *word);

// Why filter_judge() cannot judge this node; NULL: it can.
const char *filter_why_not_judged(const struct filter_node *node);

// --- values -------------------------------------------------------------------------------------

// "N", ">N", ">=N", "<N", "<=N", "N..M", "N.." or "..M", each N as `parse` reads it (0, or -1 for
// a mistake). The result is inclusive, from 0 to INT64_MAX where it is open. -1 for anything else.
typedef int (*filter_number_fn)(const char *text, int64_t *number);
int filter_parse_range(const char *text, filter_number_fn parse, int64_t *low, int64_t *high);
int filter_parse_count(const char *text, int64_t *count); // digits
// A duration with its unit.
int filter_parse_duration_us(const char *text, int64_t *us);
// "10m" ago, "today", "yesterday", a time of today, a date, or a date with a time, by the local
// clock unless it says "Z" or an offset.
int filter_parse_time(const char *text, int64_t now_us, int64_t *us);

// --- tree -> SQL ---------------------------------------------------------------------------------

// Puts the tests that cost little before the others, for SQLite runs them in their order.
void filter_order(struct filter *filter);
// Does a word take long for each exchange?
bool filter_is_expensive(const struct filter *filter);
void filter_bounds_of(const struct filter *filter, struct filter_bounds *bounds);
// Appends the condition, whose parameters are all written "?".
void filter_append_sql(const struct filter *filter, struct buffer *sql);
// Binds its parameters, the first of them to number `first`; returns the number after the last.
// The filter must live as long as the statement.
int filter_bind(const struct filter *filter, sqlite3_stmt *statement, int first);

#endif
