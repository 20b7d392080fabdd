// SPDX-License-Identifier: MIT
// Ids are narrowed to those that the filter's words on ids and times leave, then gone through.
#include "id_range.h"

#include "sql.h"

#define WINDOW_FIRST_IDS 4096
#define WINDOW_MIN_IDS   64
#define WINDOW_MAX_IDS   ((int64_t)1 << 40)
#define WINDOW_QUICK_US  20000
#define WINDOW_SLOW_US   200000

// So few ids of a range of time are worth looking at one by one.
#define FEW_IDS 20000
// So many can be counted in the index in some 20 ms.
#define MANY_IDS 200000

struct id_bounds {
    int64_t min;
    int64_t max;
    int64_t count;
};

void id_range_narrow(struct id_range *range, int64_t low, int64_t high)
{
    if (low > range->low)
        range->low = low;
    if (high < range->high)
        range->high = high;
}

bool id_range_is_empty(const struct id_range *range)
{
    return range->low > range->high;
}

// --- beginning ----------------------------------------------------------------------------------

// The least and the greatest of the ids in a range of time, or of `limit` of them (0: all).
static int find_id_bounds(struct id_range *range, int64_t since_us, int64_t until_us, int64_t limit,
                          struct id_bounds *found, struct err *err)
{
    static const char all[] =
        "SELECT min(id), max(id), count(*) FROM exchange WHERE started_us BETWEEN ? AND ?";
    static const char few[] = "SELECT min(id), max(id), count(*) FROM (SELECT id FROM exchange"
                              " WHERE started_us BETWEEN ? AND ? LIMIT ?)";
    sqlite3_stmt *statement = NULL;
    if (sql_prepare(range->reader->db, limit > 0 ? few : all, &statement, range->reader->path,
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
        result = reader_fail(range->reader, err);
    sqlite3_finalize(statement);
    return result;
}

// Takes off the ids after a time, if they are the last ones without a gap: then there is no need
// to look at those before it, which may be many.
static int cut_newer(struct id_range *range, int64_t until_us, bool *is_cut, struct err *err)
{
    struct id_bounds newer = {0};
    if (find_id_bounds(range, until_us + 1, INT64_MAX, MANY_IDS, &newer, err) != 0)
        return -1;
    *is_cut = newer.count < MANY_IDS && newer.count > 0 && newer.max >= range->high &&
              newer.count == newer.max - newer.min + 1;
    if (*is_cut)
        id_range_narrow(range, INT64_MIN, newer.min - 1);
    return 0;
}

// Ids follow the time, but for imports and clocks that are set back. So the index on the time
// tells where ids of a range of time begin and end. Where the range is open towards the end that
// is looked at first, the matches are near it if they are many.
static int narrow_to_time(struct id_range *range, const struct filter_bounds *bounds,
                          struct err *err)
{
    bool is_open =
        range->is_backwards ? bounds->until_us == INT64_MAX : bounds->since_us == INT64_MIN;
    bool is_cut = false;
    if (range->is_backwards && bounds->since_us == INT64_MIN &&
        cut_newer(range, bounds->until_us, &is_cut, err) != 0)
        return -1;
    struct id_bounds found = {0};
    int64_t limit = is_open || is_cut ? FEW_IDS : 0;
    if (find_id_bounds(range, bounds->since_us, bounds->until_us, limit, &found, err) != 0)
        return -1;
    if (limit > 0 && found.count == limit)
        return 0;
    id_range_narrow(range, found.count == 0 ? INT64_MAX : found.min, found.max);
    return 0;
}

static int narrow_to_filter(struct id_range *range, const struct filter *filter, struct err *err)
{
    struct filter_bounds bounds;
    filter_bounds_of(filter, &bounds);
    id_range_narrow(range, bounds.min_id, bounds.max_id);
    if (bounds.since_us == INT64_MIN && bounds.until_us == INT64_MAX)
        return 0;
    return narrow_to_time(range, &bounds, err);
}

int id_range_init(struct id_range *range, struct store_reader *reader, const struct filter *filter,
                  bool is_backwards, struct err *err)
{
    bool is_slow = filter != NULL && filter_is_expensive(filter);
    *range = (struct id_range){.reader = reader,
                               .is_backwards = is_backwards,
                               .window = is_slow ? WINDOW_MIN_IDS : WINDOW_FIRST_IDS};
    if (sql_integer(reader->db, "SELECT min(id) FROM exchange", &range->low, reader->path, err) !=
            0 ||
        sql_integer(reader->db, "SELECT max(id) FROM exchange", &range->high, reader->path, err) !=
            0)
        return -1;
    reader->watch.progress = (struct store_progress){0};
    return filter == NULL ? 0 : narrow_to_filter(range, filter, err);
}

// --- windows ------------------------------------------------------------------------------------

void id_range_window(const struct id_range *range, int64_t *low, int64_t *high)
{
    *low = range->low;
    *high = range->high;
    if (*high - *low < range->window)
        return;
    if (range->is_backwards)
        *low = *high - range->window + 1;
    else
        *high = *low + range->window - 1;
}

static void adapt_window(struct id_range *range, int64_t took_us)
{
    if (took_us < WINDOW_QUICK_US && range->window < WINDOW_MAX_IDS)
        range->window *= 2;
    else if (took_us > WINDOW_SLOW_US && range->window > WINDOW_MIN_IDS)
        range->window /= 2;
}

void id_range_take(struct id_range *range, int64_t last, int64_t took_us)
{
    struct store_progress *progress = &range->reader->watch.progress;
    if (progress->total == 0)
        progress->total = range->high - range->low + 1;
    if (range->is_backwards)
        range->high = last - 1;
    else
        range->low = last + 1;
    progress->done = progress->total - (range->high - range->low + 1);
    adapt_window(range, took_us);
}
