// SPDX-License-Identifier: MIT
// SQL from people: one statement that reads. Three things keep it from writing: the connection is
// read-only, an authorizer refuses whatever is not reading while the statement is compiled and
// run, and the compiled statement must call itself read-only.
#include "reader.h"
#include "row_copy.h"
#include "sql.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// How much of a result is read before it is shown.
#define HELD_MAX_BYTES ((size_t)8 * 1024 * 1024)

#define REFUSAL "sql: this statement does more than read; the recording is open read-only"

// --- what may run -------------------------------------------------------------------------------

// Pragmas that only tell something, also with an argument.
static const char *const telling_pragmas[] = {
    "collation_list",  "compile_options", "database_list", "foreign_key_check", "foreign_key_list",
    "freelist_count",  "function_list",   "index_info",    "index_list",        "index_xinfo",
    "integrity_check", "module_list",     "page_count",    "pragma_list",       "quick_check",
    "table_info",      "table_list",      "table_xinfo",
};

static bool is_telling_pragma(const char *name, const char *argument)
{
    static const char *const settings[] = {
        "application_id", "auto_vacuum", "encoding",     "journal_mode",
        "page_size",      "query_only",  "user_version",
    };
    for (size_t i = 0; i < sizeof(telling_pragmas) / sizeof(telling_pragmas[0]); i++)
        if (strcasecmp(name, telling_pragmas[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (strcasecmp(name, settings[i]) == 0)
            return argument == NULL;
    return false;
}

static bool is_reading(int action, const char *first, const char *second)
{
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return true;
    case SQLITE_UPDATE:
        // SQLite asks so when it makes json_each() and its like known to a connection. The
        // statement itself cannot: the connection is defensive.
        return strcmp(first, "sqlite_master") == 0;
    case SQLITE_FUNCTION:
        return strcasecmp(second, "load_extension") != 0;
    case SQLITE_PRAGMA:
        return is_telling_pragma(first, second);
    default:
        return false;
    }
}

static int on_authorize(void *ctx, int action, const char *first, const char *second,
                        const char *database, const char *trigger)
{
    bool *has_refused = ctx;
    (void)database;
    (void)trigger;
    if (is_reading(action, first, second))
        return SQLITE_OK;
    *has_refused = true;
    return SQLITE_DENY;
}

// Is there anything but white space and comments?
static bool has_statement(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    bool is_broken = sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK;
    bool has_any = is_broken || statement != NULL;
    sqlite3_finalize(statement);
    return has_any;
}

static int compile(struct store_reader *reader, const char *sql, sqlite3_stmt **statement,
                   struct err *err)
{
    const char *rest = NULL;
    if (sqlite3_prepare_v2(reader->db, sql, -1, statement, &rest) != SQLITE_OK)
        return err_set(err, "sql: %s", sqlite3_errmsg(reader->db));
    if (*statement == NULL)
        return err_set(err, "sql: there is no statement");
    if (!sqlite3_stmt_readonly(*statement))
        return err_set(err, REFUSAL);
    if (has_statement(reader->db, rest))
        return err_set(err, "sql: there is more than one statement");
    return 0;
}

// --- rows ---------------------------------------------------------------------------------------

struct query {
    sqlite3_stmt *statement;
    size_t count; // columns
    const char *const *names;
    struct row_copy *rows; // read, not yet shown
    size_t row_count;
    size_t row_capacity;
    size_t held_bytes;
};

static void hold_row(struct query *query)
{
    if (query->row_count == query->row_capacity) {
        query->row_capacity = query->row_capacity == 0 ? 64 : query->row_capacity * 2;
        query->rows = mem_realloc(query->rows, query->row_capacity * sizeof(*query->rows));
    }
    struct row_copy *row = &query->rows[query->row_count++];
    *row = (struct row_copy){0};
    row_copy_take(row, query->statement);
    query->held_bytes += row_copy_bytes(row);
}

static int show_held(struct query *query, value_row_fn on_row, void *ctx)
{
    int result = 0;
    for (size_t i = 0; i < query->row_count; i++) {
        if (result == 0)
            result = on_row(ctx, query->count, query->names, query->rows[i].values);
        row_copy_fini(&query->rows[i]);
    }
    query->row_count = 0;
    query->held_bytes = 0;
    return result;
}

// Reads all rows before it shows the first, if they fit: whoever takes them may be slow (a pager),
// and until the last one is read the statement keeps the WAL from beginning anew.
static int step_rows(struct store_reader *reader, struct query *query, value_row_fn on_row,
                     void *ctx, struct err *err)
{
    int result = 0;
    int code = SQLITE_ROW;
    while (result == 0 && (code = sqlite3_step(query->statement)) == SQLITE_ROW) {
        hold_row(query);
        if (query->held_bytes > HELD_MAX_BYTES)
            result = show_held(query, on_row, ctx);
    }
    bool has_failed = code != SQLITE_ROW && code != SQLITE_DONE;
    if (has_failed)
        err_set(err, "sql: %s", sqlite3_errmsg(reader->db));
    sqlite3_reset(query->statement);
    if (result == 0)
        result = show_held(query, on_row, ctx);
    return has_failed ? -1 : result;
}

static int run(struct store_reader *reader, sqlite3_stmt *statement, value_columns_fn on_columns,
               value_row_fn on_row, void *ctx, struct err *err)
{
    struct arena arena = {0};
    struct query query = {
        .statement = statement,
        .count = (size_t)sqlite3_column_count(statement),
        .names = column_names_take(&arena, statement),
    };
    int result = on_columns == NULL ? 0 : on_columns(ctx, query.count, query.names);
    if (result == 0)
        result = step_rows(reader, &query, on_row, ctx, err);
    arena_fini(&arena);
    free(query.rows);
    return result;
}

int store_query(struct store_reader *reader, const char *sql, value_columns_fn on_columns,
                value_row_fn on_row, void *ctx, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    struct err problem = {0};
    bool has_refused = false;
    sqlite3_set_authorizer(reader->db, on_authorize, &has_refused);
    int result = compile(reader, sql, &statement, &problem);
    if (result == 0)
        result = run(reader, statement, on_columns, on_row, ctx, &problem);
    sqlite3_finalize(statement);
    sqlite3_set_authorizer(reader->db, NULL, NULL);
    if (problem.is_set)
        err_set(err, "%s", has_refused ? REFUSAL : problem.text);
    return result;
}
