// SPDX-License-Identifier: MIT
// Listing exchanges in two steps: find the ids that match, a window of ids at a time, then read
// and show their rows, a batch at a time.
//
// Each window is a statement of its own, so that no read transaction lasts long, however large the
// recording. The window widens while the statements are quick and narrows when they are slow, so
// that neither a rare host in millions of rows nor an expensive condition takes many of them. What
// is wanted last (`limit`) is looked for from the newest id backwards, then turned round if it is
// to be shown in order.
#include "filter.h"
#include "hark/clock.h"
#include "reader.h"
#include "row_copy.h"
#include "sql.h"

#include <stdlib.h>

#define WINDOW_FIRST_IDS 4096
#define WINDOW_MIN_IDS   64
#define WINDOW_MAX_IDS   ((int64_t)1 << 40)
#define WINDOW_QUICK_US  20000
#define WINDOW_SLOW_US   200000

// How many ids are found before their rows are shown, where both go the same way.
#define PAGE_IDS 4096

// So few ids of a range of time are worth looking at one by one.
#define FEW_IDS 20000
// So many can be counted in the index in some 20 ms.
#define MANY_IDS 200000

// Ids that match, in the order they were found.
struct id_list {
    int64_t *ids;
    size_t count;
    size_t capacity;
};

// Rows read together, then shown together.
#define BATCH_ROWS 64

struct id_bounds {
    int64_t min;
    int64_t max;
    int64_t count;
};

struct listing {
    struct store_reader *reader;
    const struct filter *filter;
    bool is_backwards; // finds from the newest id on
    value_row_fn on_row;
    void *ctx;
    size_t column_count;
    const char *const *names;
    sqlite3_stmt *find; // ids in a window
    sqlite3_stmt *get;  // a row; the reader's
    int64_t low;        // what is left to look through
    int64_t high;
    int64_t window;
    struct id_list found;
    struct row_copy rows[BATCH_ROWS];
};

static void narrow(struct listing *listing, int64_t low, int64_t high)
{
    if (low > listing->low)
        listing->low = low;
    if (high < listing->high)
        listing->high = high;
}

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
    buffer_append_text(&sql, listing->is_backwards ? " ORDER BY id DESC" : " ORDER BY id");
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

static void adapt_window(struct listing *listing, int64_t took_us)
{
    if (took_us < WINDOW_QUICK_US && listing->window < WINDOW_MAX_IDS)
        listing->window *= 2;
    else if (took_us > WINDOW_SLOW_US && listing->window > WINDOW_MIN_IDS)
        listing->window /= 2;
}

static int find_in_window(struct listing *listing, int64_t low, int64_t high, int64_t limit,
                          struct err *err)
{
    int64_t began_us = clock_monotonic_us();
    int result = find_between(listing, low, high, limit, err);
    adapt_window(listing, clock_monotonic_us() - began_us);
    return result;
}

// The next window of what is left to look through.
static void next_window(const struct listing *listing, int64_t *low, int64_t *high)
{
    *low = listing->low;
    *high = listing->high;
    if (*high - *low < listing->window)
        return;
    if (listing->is_backwards)
        *low = *high - listing->window + 1;
    else
        *high = *low + listing->window - 1;
}

// The next `wanted` matches, fewer only if there are no more.
static int find_next(struct listing *listing, int64_t wanted, struct err *err)
{
    struct id_list *found = &listing->found;
    struct store_progress *progress = &listing->reader->watch.progress;
    found->count = 0;
    while (listing->low <= listing->high && (int64_t)found->count < wanted) {
        int64_t low;
        int64_t high;
        next_window(listing, &low, &high);
        if (find_in_window(listing, low, high, wanted - (int64_t)found->count, err) != 0)
            return -1;
        bool is_full = (int64_t)found->count == wanted;
        if (listing->is_backwards)
            listing->high = (is_full ? found->ids[found->count - 1] : low) - 1;
        else
            listing->low = (is_full ? found->ids[found->count - 1] : high) + 1;
        progress->done = progress->total - (listing->high - listing->low + 1);
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
    while (result == 0 && left > 0 && listing->low <= listing->high) {
        if (find_next(listing, left < PAGE_IDS ? left : PAGE_IDS, err) != 0)
            return -1;
        left -= (int64_t)listing->found.count;
        result = show_found(listing, err);
    }
    return result;
}

// The least and the greatest of the ids in a range of time, or of `limit` of them (0: all).
static int find_id_bounds(struct listing *listing, int64_t since_us, int64_t until_us,
                          int64_t limit, struct id_bounds *found, struct err *err)
{
    static const char all[] =
        "SELECT min(id), max(id), count(*) FROM exchange WHERE started_us BETWEEN ? AND ?";
    static const char few[] = "SELECT min(id), max(id), count(*) FROM (SELECT id FROM exchange"
                              " WHERE started_us BETWEEN ? AND ? LIMIT ?)";
    sqlite3_stmt *statement = NULL;
    if (sql_prepare(listing->reader->db, limit > 0 ? few : all, &statement, listing->reader->path,
                    err) != 0)
        return -1;
    sqlite3_bind_int64(statement, 1, since_us);
    sqlite3_bind_int64(statement, 2, until_us);
    if (limit > 0)
        sqlite3_bind_int64(statement, 3, limit);
    int result = 0;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *found = (struct id_bounds){.min = sqlite3_column_int64(statement, 0),
                                    .max = sqlite3_column_int64(statement, 1),
                                    .count = sqlite3_column_int64(statement, 2)};
    else
        result = reader_fail(listing->reader, err);
    sqlite3_finalize(statement);
    return result;
}

// Takes off the ids after a time, if they are the last ones without a gap: then there is no need
// to look at those before it, which may be many.
static int cut_newer(struct listing *listing, int64_t until_us, bool *is_cut, struct err *err)
{
    struct id_bounds newer = {0};
    if (find_id_bounds(listing, until_us + 1, INT64_MAX, MANY_IDS, &newer, err) != 0)
        return -1;
    *is_cut = newer.count < MANY_IDS && newer.count > 0 && newer.max >= listing->high &&
              newer.count == newer.max - newer.min + 1;
    if (*is_cut)
        narrow(listing, INT64_MIN, newer.min - 1);
    return 0;
}

// Ids follow the time, but for imports and clocks that are set back. So the index on the time
// tells where ids of a range of time begin and end. Where the range is open towards the end that
// is looked at first, the matches are near it if they are many.
static int narrow_to_time(struct listing *listing, const struct filter_bounds *bounds,
                          struct err *err)
{
    bool is_open =
        listing->is_backwards ? bounds->until_us == INT64_MAX : bounds->since_us == INT64_MIN;
    bool is_cut = false;
    if (listing->is_backwards && bounds->since_us == INT64_MIN &&
        cut_newer(listing, bounds->until_us, &is_cut, err) != 0)
        return -1;
    struct id_bounds found = {0};
    int64_t limit = is_open || is_cut ? FEW_IDS : 0;
    if (find_id_bounds(listing, bounds->since_us, bounds->until_us, limit, &found, err) != 0)
        return -1;
    if (limit > 0 && found.count == limit)
        return 0;
    narrow(listing, found.count == 0 ? INT64_MAX : found.min, found.max);
    return 0;
}

static int narrow_to_filter(struct listing *listing, struct err *err)
{
    struct filter_bounds bounds;
    filter_bounds_of(listing->filter, &bounds);
    narrow(listing, bounds.min_id, bounds.max_id);
    if (bounds.since_us == INT64_MIN && bounds.until_us == INT64_MAX)
        return 0;
    return narrow_to_time(listing, &bounds, err);
}

// Narrows the range of ids to what there is now.
static int set_range(struct listing *listing, const struct store_list_options *options,
                     struct err *err)
{
    struct store_reader *reader = listing->reader;
    if (sql_integer(reader->db, "SELECT min(id) FROM exchange", &listing->low, reader->path, err) !=
            0 ||
        sql_integer(reader->db, "SELECT max(id) FROM exchange", &listing->high, reader->path,
                    err) != 0)
        return -1;
    narrow(listing, options->after_id < INT64_MAX ? options->after_id + 1 : INT64_MAX,
           options->before_id != 0 ? options->before_id - 1 : INT64_MAX);
    if (listing->filter != NULL && narrow_to_filter(listing, err) != 0)
        return -1;
    reader->watch.progress = (struct store_progress){.total = listing->high - listing->low + 1};
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
        .is_backwards = is_from_newest,
        .window = WINDOW_FIRST_IDS,
        .on_row = on_row,
        .ctx = ctx,
    };
    if (reader_prepare_traffic(reader, options->is_wide, &listing.get, err) != 0 ||
        prepare_find(&listing, err) != 0)
        return -1;

    struct arena arena = {0};
    listing.column_count = (size_t)sqlite3_column_count(listing.get);
    listing.names = column_names_take(&arena, listing.get);
    int result = 0;
    if (on_columns != NULL)
        result = on_columns(ctx, listing.column_count, listing.names);
    if (result == 0)
        result = set_range(&listing, options, err);
    if (result == 0)
        result = is_from_newest == options->is_newest_first
                     ? show_as_found(&listing, options->limit, err)
                     : show_reversed(&listing, options->limit, err);
    arena_fini(&arena);
    listing_fini(&listing);
    return result;
}
