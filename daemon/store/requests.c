// SPDX-License-Identifier: MIT
// Requests whose answers can be given again, for playback: all that finds them, read in one pass.
//
// A window of rows is one statement, so that no read transaction lasts long. The callback runs
// while it is stepped, which is why it must be quick: copying a million rows first would cost more.
#include "filter.h"
#include "reader.h"
#include "sql.h"

#define WINDOW_ROWS 4096

// What follows a 101 is no body of the request.
//
// What hark answered itself is none of an origin's answers, unless it stood for one. Where
// `record_bodies` cut a body, the answer is not known whole.
#define ANSWERS                                                                       \
    "SELECT id, method, scheme, host, port, path, query,\n"                           \
    "  request_size > 0 AND status <> 101, request_headers\n"                         \
    "FROM exchange\n"                                                                 \
    "WHERE id > ? AND (source = 'proxy' OR source = 'import') AND kind <> 'tunnel'\n" \
    "  AND status IS NOT NULL AND body_truncated = 0\n"                               \
    "  AND (state = 'done' AND error IS NULL\n"                                       \
    "    OR state IN ('upstream-error', 'truncated', 'client-abort', 'interrupted'))"

static const char *text_at(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

static struct store_request request_of(sqlite3_stmt *statement)
{
    return (struct store_request){
        .id = sqlite3_column_int64(statement, 0),
        .method = text_at(statement, 1),
        .scheme = text_at(statement, 2),
        .host = text_at(statement, 3),
        .port = sqlite3_column_int(statement, 4),
        .path = text_at(statement, 5),
        .query = text_at(statement, 6),
        .has_body = sqlite3_column_int(statement, 7) != 0,
        .headers_json = text_at(statement, 8),
    };
}

// The next window after `*after_id`, which moves on. `*count` gets how many rows there were.
static int walk_window(struct store_reader *reader, sqlite3_stmt *statement,
                       const struct filter *filter, int64_t *after_id, int64_t *count,
                       store_request_fn on_request, void *ctx, struct err *err)
{
    int next = 2;
    sqlite3_bind_int64(statement, 1, *after_id);
    if (filter != NULL)
        next = filter_bind(filter, statement, next);
    sqlite3_bind_int64(statement, next, WINDOW_ROWS);
    *count = 0;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct store_request request = request_of(statement);
        *after_id = request.id;
        (*count)++;
        on_request(ctx, &request);
    }
    int result = code == SQLITE_DONE ? 0 : reader_fail(reader, err);
    sqlite3_reset(statement);
    return result;
}

int store_walk_requests(struct store_reader *reader, const struct filter *filter,
                        store_request_fn on_request, void *ctx, struct err *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, ANSWERS);
    if (filter != NULL) {
        buffer_append_text(&sql, " AND ");
        filter_append_sql(filter, &sql);
    }
    buffer_append_text(&sql, " ORDER BY id LIMIT ?");
    sqlite3_stmt *statement = NULL;
    int result = sql_prepare(reader->db, sql.data, &statement, reader->path, err);
    buffer_fini(&sql);
    int64_t after_id = 0;
    int64_t count = WINDOW_ROWS;
    while (result == 0 && count == WINDOW_ROWS)
        result = walk_window(reader, statement, filter, &after_id, &count, on_request, ctx, err);
    sqlite3_finalize(statement);
    return result;
}
