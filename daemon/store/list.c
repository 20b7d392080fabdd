// SPDX-License-Identifier: MIT
// Listing exchanges in two steps: find the ids that match, a window of ids at a time, then read
// and show their rows, a batch at a time.
//
// What is wanted last (`limit`) is looked for from the newest id backwards, then turned round if it
// is to be shown in order.
#include "hark/clock.h"
#include "id_range.h"
#include "row_copy.h"
#include "sql.h"

#include <stdlib.h>

// How many ids are found before their rows are shown, where both go the same way.
#define PAGE_IDS 4096

// Ids that match, in the order they were found.
struct id_list {
    int64_t *ids;
    size_t count;
    size_t capacity;
};

// Rows read together, then shown together.
#define BATCH_ROWS 64

struct listing {
    struct store_reader *reader;
    const struct filter *filter;
    value_row_fn on_row;
    void *ctx;
    size_t column_count;
    const char *const *names;
    sqlite3_stmt *find;    // ids in a window
    sqlite3_stmt *get;     // a row; the reader's
    struct id_range range; // what is left to look through
    struct id_list found;
    struct row_copy rows[BATCH_ROWS];
};

// --- finding ------------------------------------------------------------------------------------

static void append_id(struct id_list *list, int64_t id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 256 : list->capacity * 2;
        list->ids = mem_realloc(list->ids, list->capacity * sizeof(*list->ids));
    }
    list->ids[list->count++] = id;
}

static int prepare_find(struct listing *listing, struct err *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SELECT id FROM exchange WHERE id BETWEEN ? AND ?");
    if (listing->filter != NULL) {
        buffer_append_text(&sql, " AND ");
        filter_append_sql(listing->filter, &sql);
    }
    buffer_append_text(&sql, listing->range.is_backwards ? " ORDER BY id DESC" : " ORDER BY id");
    buffer_append_text(&sql, " LIMIT ?");
    int result =
        sql_prepare(listing->reader->db, sql.data, &listing->find, listing->reader->path, err);
    buffer_fini(&sql);
    return result;
}

// Finds up to `limit` more ids between `low` and `high`.
static int find_between(struct listing *listing, int64_t low, int64_t high, int64_t limit,
                        struct err *err)
{
    sqlite3_stmt *find = listing->find;
    sqlite3_bind_int64(find, 1, low);
    sqlite3_bind_int64(find, 2, high);
    int next = 3;
    if (listing->filter != NULL)
        next = filter_bind(listing->filter, find, next);
    sqlite3_bind_int64(find, next, limit);

    size_t found_before = listing->found.count;
    int code;
    while ((code = sqlite3_step(find)) == SQLITE_ROW)
        append_id(&listing->found, sqlite3_column_int64(find, 0));
    listing->reader->watch.progress.found += (int64_t)(listing->found.count - found_before);
    int result = code == SQLITE_DONE ? 0 : reader_fail(listing->reader, err);
    sqlite3_reset(find);
    return result;
}

// The next `wanted` matches, fewer only if there are no more.
static int find_next(struct listing *listing, int64_t wanted, struct err *err)
{
    struct id_range *range = &listing->range;
    struct id_list *found = &listing->found;
    found->count = 0;
    while (!id_range_is_empty(range) && (int64_t)found->count < wanted) {
        int64_t low;
        int64_t high;
        id_range_window(range, &low, &high);
        int64_t began_us = clock_monotonic_us();
        if (find_between(listing, low, high, wanted - (int64_t)found->count, err) != 0)
            return -1;
        int64_t end = range->is_backwards ? low : high;
        bool is_full = (int64_t)found->count == wanted;
        id_range_take(range, is_full ? found->ids[found->count - 1] : end,
                      clock_monotonic_us() - began_us);
    }
    return 0;
}

// --- showing ------------------------------------------------------------------------------------

// Adds the row of `id` to those read, unless it has been deleted meanwhile.
static int read_row(struct listing *listing, int64_t id, size_t *row_count, struct err *err)
{
    sqlite3_stmt *statement = listing->get;
    sqlite3_bind_int64(statement, 1, id);
    int code = sqlite3_step(statement);
    int result = 0;
    if (code == SQLITE_ROW)
        row_copy_take(&listing->rows[(*row_count)++], statement);
    else if (code != SQLITE_DONE)
        result = reader_fail(listing->reader, err);
    sqlite3_reset(statement);
    return result;
}

// One transaction for all, since beginning one costs as much as reading a row.
static int read_batch(struct listing *listing, const int64_t *ids, size_t count, size_t *row_count,
                      struct err *err)
{
    struct store_reader *reader = listing->reader;
    *row_count = 0;
    int result = sql_exec(reader->db, "BEGIN", "read", reader->path, err);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = read_row(listing, ids[i], row_count, err);
    sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL);
    return result;
}

static int show_found(struct listing *listing, struct err *err)
{
    int result = 0;
    for (size_t at = 0; result == 0 && at < listing->found.count; at += BATCH_ROWS) {
        size_t left = listing->found.count - at;
        size_t row_count;
        result = read_batch(listing, listing->found.ids + at, left < BATCH_ROWS ? left : BATCH_ROWS,
                            &row_count, err);
        for (size_t i = 0; result == 0 && i < row_count; i++)
            result = listing->on_row(listing->ctx, listing->column_count, listing->names,
                                     listing->rows[i].values);
    }
    return result;
}

static void reverse(struct id_list *list)
{
    for (size_t i = 0; i < list->count / 2; i++) {
        int64_t id = list->ids[i];
        list->ids[i] = list->ids[list->count - 1 - i];
        list->ids[list->count - 1 - i] = id;
    }
}

// Found from one end, shown from the other.
static int show_reversed(struct listing *listing, int64_t limit, struct err *err)
{
    if (find_next(listing, limit, err) != 0)
        return -1;
    reverse(&listing->found);
    return show_found(listing, err);
}

static int show_as_found(struct listing *listing, int64_t limit, struct err *err)
{
    int64_t left = limit > 0 ? limit : INT64_MAX;
    int result = 0;
    while (result == 0 && left > 0 && !id_range_is_empty(&listing->range)) {
        if (find_next(listing, left < PAGE_IDS ? left : PAGE_IDS, err) != 0)
            return -1;
        left -= (int64_t)listing->found.count;
        result = show_found(listing, err);
    }
    return result;
}

static int set_range(struct listing *listing, const struct store_list_options *options,
                     bool is_from_newest, struct err *err)
{
    struct id_range *range = &listing->range;
    if (id_range_init(range, listing->reader, listing->filter, is_from_newest, err) != 0)
        return -1;
    id_range_narrow(range, options->after_id < INT64_MAX ? options->after_id + 1 : INT64_MAX,
                    options->before_id != 0 ? options->before_id - 1 : INT64_MAX);
    return 0;
}

int reader_prepare_traffic(struct store_reader *reader, bool is_wide, sqlite3_stmt **statement,
                           struct err *err)
{
    sqlite3_stmt **get = is_wide ? &reader->get_wide : &reader->get_traffic;
    const char *sql = is_wide ? "SELECT traffic.*, kind, session_id, replay_of,"
                                " EXISTS (SELECT 1 FROM note WHERE exchange_id = traffic.id"
                                "   AND is_mark = 1) AS is_marked"
                                " FROM traffic JOIN exchange ON exchange.id = traffic.id"
                                " WHERE traffic.id = ?"
                              : "SELECT * FROM traffic WHERE id = ?";
    int result = reader_prepare(reader, sql, get, err);
    *statement = *get;
    return result;
}

static void listing_fini(struct listing *listing)
{
    for (size_t i = 0; i < BATCH_ROWS; i++)
        row_copy_fini(&listing->rows[i]);
    free(listing->found.ids);
    sqlite3_finalize(listing->find);
}

int store_list_traffic(struct store_reader *reader, const struct store_list_options *options,
                       value_columns_fn on_columns, value_row_fn on_row, void *ctx, struct err *err)
{
    bool is_from_newest = options->limit > 0 ? !options->is_oldest : options->is_newest_first;
    struct listing listing = {
        .reader = reader,
        .filter = options->filter,
        .on_row = on_row,
        .ctx = ctx,
    };
    if (set_range(&listing, options, is_from_newest, err) != 0 ||
        reader_prepare_traffic(reader, options->is_wide, &listing.get, err) != 0 ||
        prepare_find(&listing, err) != 0)
        return -1;

    struct arena arena = {0};
    listing.column_count = (size_t)sqlite3_column_count(listing.get);
    listing.names = column_names_take(&arena, listing.get);
    int result = 0;
    if (on_columns != NULL)
        result = on_columns(ctx, listing.column_count, listing.names);
    if (result == 0)
        result = is_from_newest == options->is_newest_first
                     ? show_as_found(&listing, options->limit, err)
                     : show_reversed(&listing, options->limit, err);
    arena_fini(&arena);
    listing_fini(&listing);
    return result;
}
