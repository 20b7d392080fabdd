// SPDX-License-Identifier: MIT
// A filter: a tree of tests on an exchange, joined by and, or, not.
//
// filter_parse.c makes the tree from words, filter_keys.c knows what a word like "status:5xx"
// means, filter_sql.c turns the tree into a condition on the table `exchange`.
#ifndef HARK_STORE_FILTER_PRIVATE_H
#define HARK_STORE_FILTER_PRIVATE_H

#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <sqlite3.h>

enum filter_field {
    FIELD_HOST,
    FIELD_PORT,
    FIELD_METHOD,
    FIELD_PATH,
    FIELD_STATUS,
    FIELD_URL,
    FIELD_SESSION,
    FIELD_KIND,
    FIELD_SOURCE,
    FIELD_STATE,
    FIELD_ERROR
};

enum filter_test {
    TEST_EQUAL,    // the whole text
    TEST_GLOB,     // the whole text, in which `*` stands for any text
    TEST_CONTAINS, // somewhere in the text, without regard to the case of ASCII letters
    TEST_BETWEEN,  // low <= number <= high
    TEST_PRESENT,  // has any value
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
    int64_t low;
    int64_t high;
};

// Owner: who created it. Everything lives in the arena.
struct filter {
    struct arena arena;
    struct filter_node *root; // NULL matches everything
};

// --- words -> tree -------------------------------------------------------------------------------

struct filter_node *filter_join(struct filter *filter, enum filter_node_kind kind,
                                struct filter_node *left, struct filter_node *right);
// A bare word: text somewhere in the URL.
struct filter_node *filter_bare_word(struct filter *filter, const char *text);
// "key:value"; NULL with the mistake in err, without its column.
struct filter_node *filter_keyed_word(struct filter *filter, const char *key, const char *value,
                                      struct err *err);

// --- tree -> SQL ---------------------------------------------------------------------------------

// Appends the condition, whose parameters are all written "?".
void filter_append_sql(const struct filter *filter, struct buffer *sql);
// Binds its parameters, the first of them to number `first`; returns the number after the last.
// The filter must live as long as the statement.
int filter_bind(const struct filter *filter, sqlite3_stmt *statement, int first);

#endif
