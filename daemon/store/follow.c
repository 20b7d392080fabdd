// SPDX-License-Identifier: MIT
// A poll has two halves. The first looks, in one read transaction, at what was open and at what is
// new, and notes which rows are to be told. The second reads and tells them, each in a transaction
// of its own. Between the two, a row that is to be told counts as open, so that the position is
// right at any time.
#include "hark/store_follow.h"

#include "filter.h"
#include "follow_open.h"
#include "hark/clock.h"
#include "reader.h"
#include "row_copy.h"
#include "sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// How many new ids are looked at in a poll, and how many open ranges are kept: when there are more,
// those that have been missing for longest are given up.
#define NEW_MAX  512
#define OPEN_MAX 1024

// An exchange is written at the latest 100 ms after it began or when it ends, once the writer gets
// to it.
#define MISSING_MAX_US ((int64_t)60 * 1000000)

// A follow that begins now waits for ids that were given out, but not written: never more than that
// below the highest one.
#define LOOK_BACK_IDS 4096

// Owner: who created it. Thread: the reader's.
struct store_follow {
    struct store_reader *reader;
    struct store_follow_options options; // but for `position`
    sqlite3_stmt *look;                  // id, whether it is pending, whether it matches
    sqlite3_stmt *get;                   // the reader's
    sqlite3_stmt *get_version;
    int64_t version; // of the recording, when it was looked at last
    int64_t highest; // every id up to here is open, or has been dealt with
    struct open_set open;
    bool is_behind;
};

// --- looking ------------------------------------------------------------------------------------

static int prepare_look(struct store_follow *follow, struct err *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SELECT id, state = 'pending', ");
    if (follow->options.filter != NULL)
        filter_append_sql(follow->options.filter, &sql);
    else
        buffer_append_text(&sql, "1");
    buffer_append_text(&sql, " FROM exchange WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?");
    int result =
        sql_prepare(follow->reader->db, sql.data, &follow->look, follow->reader->path, err);
    buffer_fini(&sql);
    return result;
}

static void bind_look(struct store_follow *follow, int64_t first, int64_t last, int64_t limit)
{
    int next = 1;
    if (follow->options.filter != NULL)
        next = filter_bind(follow->options.filter, follow->look, next);
    sqlite3_bind_int64(follow->look, next, first);
    sqlite3_bind_int64(follow->look, next + 1, last);
    sqlite3_bind_int64(follow->look, next + 2, limit);
}

// What is known of an id now that its row has been seen.
static void add_seen(struct store_follow *follow, struct open_set *open, bool was_shown)
{
    bool is_pending = sqlite3_column_int(follow->look, 1) != 0;
    bool is_match = sqlite3_column_int(follow->look, 2) != 0;
    bool is_to_tell = is_match && (!is_pending || (follow->options.with_pending && !was_shown));
    int64_t id = sqlite3_column_int64(follow->look, 0);
    struct open_range seen = {
        .first = id,
        .last = id,
        .kind = is_to_tell ? OPEN_TO_TELL : OPEN_PENDING,
        .is_shown = was_shown,
    };
    if (is_pending || is_to_tell)
        open_set_add(open, &seen);
}

// Looks at the ids from `range->first` to `range->last`; the gaps between their rows stay missing.
// Returns how many rows there were, or -1.
static int look_at(struct store_follow *follow, const struct open_range *range, int64_t limit,
                   struct open_set *open, int64_t *seen_last, struct err *err)
{
    struct open_range gap = *range;
    gap.kind = OPEN_MISSING;
    int count = 0;
    int code;
    bind_look(follow, range->first, range->last, limit);
    while ((code = sqlite3_step(follow->look)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(follow->look, 0);
        gap.last = id - 1;
        open_set_add(open, &gap);
        add_seen(follow, open, range->is_shown);
        gap.first = id + 1;
        count++;
    }
    sqlite3_reset(follow->look);
    *seen_last = gap.first - 1;
    return code == SQLITE_DONE ? count : reader_fail(follow->reader, err);
}

// A row that was there and is not any more has been deleted.
static bool is_given_up(const struct open_range *range, int64_t now_us)
{
    return range->kind != OPEN_MISSING || now_us - range->since_us > MISSING_MAX_US;
}

static int look_at_open(struct store_follow *follow, struct open_set *open, int64_t now_us,
                        struct err *err)
{
    for (size_t i = 0; i < follow->open.count; i++) {
        const struct open_range *range = &follow->open.items[i];
        int64_t seen_last;
        if (look_at(follow, range, -1, open, &seen_last, err) < 0)
            return -1;
        struct open_range rest = *range;
        rest.first = seen_last + 1;
        if (!is_given_up(range, now_us))
            open_set_add(open, &rest);
    }
    return 0;
}

static int look_at_new(struct store_follow *follow, struct open_set *open, int64_t now_us,
                       struct err *err)
{
    const struct open_range rest = {
        .first = follow->highest + 1, .last = INT64_MAX, .since_us = now_us};
    int64_t seen_last;
    int count = look_at(follow, &rest, NEW_MAX, open, &seen_last, err);
    if (count < 0)
        return -1;
    follow->is_behind = count == NEW_MAX;
    follow->highest = seen_last;
    return 0;
}

static void give_up_oldest(struct open_set *open)
{
    for (size_t i = 0; i < open->count && open->count > OPEN_MAX + NEW_MAX;)
        if (open->items[i].kind == OPEN_MISSING)
            open_set_remove(open, i);
        else
            i++;
}

static int look(struct store_follow *follow, struct err *err)
{
    struct store_reader *reader = follow->reader;
    struct open_set open = {0};
    int64_t now_us = clock_monotonic_us();
    int64_t highest = follow->highest;
    int result = sql_exec(reader->db, "BEGIN", "read", reader->path, err);
    if (result == 0)
        result = look_at_open(follow, &open, now_us, err);
    if (result == 0)
        result = look_at_new(follow, &open, now_us, err);
    sqlite3_exec(reader->db, "COMMIT", NULL, NULL, NULL);
    if (result != 0) {
        follow->highest = highest;
        open_set_fini(&open);
        return -1;
    }
    give_up_oldest(&open);
    open_set_fini(&follow->open);
    follow->open = open;
    return 0;
}

// --- telling ------------------------------------------------------------------------------------

// Reads the row at `index` of the open ones; `is_there` says whether it is still to be told.
static int read_row(struct store_follow *follow, size_t index, struct row_copy *row, bool *is_there,
                    struct err *err)
{
    sqlite3_stmt *get = follow->get;
    sqlite3_bind_int64(get, 1, follow->open.items[index].first);
    int code = sqlite3_step(get);
    *is_there = code == SQLITE_ROW;
    if (*is_there)
        row_copy_take(row, get);
    sqlite3_reset(get);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : reader_fail(follow->reader, err);
}

static bool is_pending_row(size_t count, const char *const *names, const struct row_copy *row)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "state") == 0)
            return strcmp(row->values[i].data, "pending") == 0;
    return false;
}

// From here on the row counts as told. True if there is more to come of it.
static bool close_told(struct store_follow *follow, size_t index, bool is_pending)
{
    struct open_range *range = &follow->open.items[index];
    if (is_pending) {
        range->kind = OPEN_PENDING;
        range->is_shown = true;
    } else {
        open_set_remove(&follow->open, index);
    }
    return is_pending;
}

static int tell_row(struct store_follow *follow, size_t *index, struct row_copy *row,
                    const char *const *names, value_row_fn on_row, void *ctx, struct err *err)
{
    bool is_there;
    if (read_row(follow, *index, row, &is_there, err) != 0)
        return -1;
    size_t count = (size_t)sqlite3_column_count(follow->get);
    bool is_pending = is_there && is_pending_row(count, names, row);
    *index += close_told(follow, *index, is_pending);
    return is_there ? on_row(ctx, count, names, row->values) : 0;
}

static bool has_to_tell(const struct store_follow *follow)
{
    for (size_t i = 0; i < follow->open.count; i++)
        if (follow->open.items[i].kind == OPEN_TO_TELL)
            return true;
    return false;
}

static int tell(struct store_follow *follow, value_columns_fn on_columns, value_row_fn on_row,
                void *ctx, struct err *err)
{
    if (!has_to_tell(follow))
        return 0;
    struct arena arena = {0};
    struct row_copy row = {0};
    const char *const *names = column_names_take(&arena, follow->get);
    int result = 0;
    if (on_columns != NULL)
        result = on_columns(ctx, (size_t)sqlite3_column_count(follow->get), names);
    for (size_t i = 0; result == 0 && i < follow->open.count;)
        if (follow->open.items[i].kind == OPEN_TO_TELL)
            result = tell_row(follow, &i, &row, names, on_row, ctx, err);
        else
            i++;
    row_copy_fini(&row);
    arena_fini(&arena);
    return result;
}

static int read_version(struct store_follow *follow, int64_t *version, struct err *err)
{
    int code = sqlite3_step(follow->get_version);
    if (code == SQLITE_ROW)
        *version = sqlite3_column_int64(follow->get_version, 0);
    sqlite3_reset(follow->get_version);
    return code == SQLITE_ROW ? 0 : reader_fail(follow->reader, err);
}

int store_follow_poll(struct store_follow *follow, value_columns_fn on_columns, value_row_fn on_row,
                      void *ctx, struct err *err)
{
    // What a callback has put off comes first.
    int result = tell(follow, on_columns, on_row, ctx, err);
    int64_t version = 0;
    if (result == 0)
        result = read_version(follow, &version, err);
    if (result != 0 || (version == follow->version && !follow->is_behind))
        return result;
    if (look(follow, err) != 0)
        return -1;
    follow->version = version;
    return tell(follow, on_columns, on_row, ctx, err);
}

bool store_follow_is_behind(const struct store_follow *follow)
{
    return follow->is_behind || has_to_tell(follow);
}

// --- positions ----------------------------------------------------------------------------------

void store_follow_position(const struct store_follow *follow, struct buffer *out)
{
    buffer_printf(out, "%" PRId64 ";", follow->highest);
    open_set_append_text(&follow->open, out);
}

static bool parse_position(const char *text, int64_t *highest, struct open_set *open)
{
    const char *semicolon = strchr(text, ';');
    if (semicolon == NULL || semicolon == text || semicolon - text > 18 ||
        strspn(text, "0123456789") != (size_t)(semicolon - text))
        return false;
    *highest = strtoll(text, NULL, 10);
    return open_set_parse(open, semicolon + 1, *highest, clock_monotonic_us());
}

bool store_follow_is_position(const char *text)
{
    struct open_set open = {0};
    int64_t highest;
    bool is_position = parse_position(text, &highest, &open);
    open_set_fini(&open);
    return is_position;
}

// Everything that has been written and has ended is over; what is not, is to be told.
static int begin_now(struct store_follow *follow, struct err *err)
{
    struct store_reader *reader = follow->reader;
    int64_t newest = 0;
    if (sql_integer(reader->db, "SELECT max(id) FROM exchange", &newest, reader->path, err) != 0)
        return -1;
    sqlite3_stmt *statement = NULL;
    if (sql_prepare(reader->db,
                    "SELECT id, 1 FROM exchange WHERE state <> 'done' AND state = 'pending'"
                    " AND id <= ?2 UNION ALL SELECT id, state = 'pending' FROM exchange"
                    " WHERE id BETWEEN ?2 + 1 AND ?1 ORDER BY id",
                    &statement, reader->path, err) != 0)
        return -1;
    int64_t from = newest > LOOK_BACK_IDS ? newest - LOOK_BACK_IDS : 0;
    struct open_range gap = {.first = from + 1, .since_us = clock_monotonic_us()};
    sqlite3_bind_int64(statement, 1, newest);
    sqlite3_bind_int64(statement, 2, from);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);
        const struct open_range pending = {.first = id, .last = id, .kind = OPEN_PENDING};
        gap.last = id - 1;
        open_set_add(&follow->open, &gap);
        if (sqlite3_column_int(statement, 1) != 0)
            open_set_add(&follow->open, &pending);
        if (id >= gap.first)
            gap.first = id + 1;
    }
    sqlite3_finalize(statement);
    follow->highest = newest;
    return code == SQLITE_DONE ? 0 : reader_fail(reader, err);
}

// --- life ---------------------------------------------------------------------------------------

static int prepare(struct store_follow *follow, struct err *err)
{
    struct store_reader *reader = follow->reader;
    if (sql_prepare(reader->db, "PRAGMA data_version", &follow->get_version, reader->path, err) !=
            0 ||
        reader_prepare_traffic(reader, follow->options.is_wide, &follow->get, err) != 0)
        return -1;
    return prepare_look(follow, err);
}

static int find_beginning(struct store_follow *follow, const char *position, struct err *err)
{
    if (position == NULL)
        return begin_now(follow, err);
    if (parse_position(position, &follow->highest, &follow->open))
        return 0;
    return err_set(err, "store: follow %s: \"%s\" is no position", follow->reader->path, position);
}

struct store_follow *store_follow_create(struct store_reader *reader,
                                         const struct store_follow_options *options,
                                         struct err *err)
{
    struct store_follow *follow = mem_calloc(1, sizeof(*follow));
    follow->reader = reader;
    follow->options = *options;
    follow->options.position = NULL;
    if (prepare(follow, err) != 0 || find_beginning(follow, options->position, err) != 0) {
        store_follow_destroy(follow);
        return NULL;
    }
    return follow;
}

void store_follow_destroy(struct store_follow *follow)
{
    if (follow == NULL)
        return;
    sqlite3_finalize(follow->look);
    sqlite3_finalize(follow->get_version);
    open_set_fini(&follow->open);
    free(follow);
}
