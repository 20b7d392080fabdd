// SPDX-License-Identifier: MIT
// Counting exchanges by host and status, in one pass over those that match. What it takes is a few
// kilobytes for each host and status; the durations of a group are kept as a histogram.
#include "hark/clock.h"
#include "histogram.h"
#include "id_range.h"
#include "sql.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 256

struct group {
    char *host; // NULL: none
    int status; // 0: none
    int64_t count;
    int64_t errors;
    int64_t request_bytes;
    int64_t response_bytes;
    struct histogram durations_us;
    int64_t host_count; // of all groups of the host
};

// Groups by host and status: an open hash table, at most half full.
struct stats {
    struct store_reader *reader;
    sqlite3_stmt *statement;
    struct group **slots;
    size_t slot_count;
    size_t group_count;
};

// --- groups -------------------------------------------------------------------------------------

static size_t hash_of(const char *host, int status)
{
    size_t hash = 14695981039346656037U ^ (size_t)status; // FNV-1a
    for (; host != NULL && *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 1099511628211U;
    return hash ^ hash >> 32;
}

static bool is_same(const struct group *group, const char *host, int status)
{
    if (group->status != status || (group->host == NULL) != (host == NULL))
        return false;
    return host == NULL || strcmp(group->host, host) == 0;
}

static struct group **find_slot(const struct stats *stats, const char *host, int status)
{
    size_t at = hash_of(host, status) & (stats->slot_count - 1);
    while (stats->slots[at] != NULL && !is_same(stats->slots[at], host, status))
        at = (at + 1) & (stats->slot_count - 1);
    return &stats->slots[at];
}

static void grow(struct stats *stats)
{
    struct group **old = stats->slots;
    size_t old_count = stats->slot_count;
    stats->slot_count = old_count == 0 ? FIRST_SLOTS : old_count * 2;
    stats->slots = mem_calloc(stats->slot_count, sizeof(struct group *));
    for (size_t i = 0; i < old_count; i++)
        if (old[i] != NULL)
            *find_slot(stats, old[i]->host, old[i]->status) = old[i];
    free(old);
}

static struct group *group_of(struct stats *stats, const char *host, int status)
{
    if (stats->group_count * 2 >= stats->slot_count)
        grow(stats);
    struct group **slot = find_slot(stats, host, status);
    if (*slot == NULL) {
        *slot = mem_calloc(1, sizeof(**slot));
        (*slot)->host = host == NULL ? NULL : mem_strdup(host);
        (*slot)->status = status;
        stats->group_count++;
    }
    return *slot;
}

static void stats_fini(struct stats *stats)
{
    for (size_t i = 0; i < stats->slot_count; i++) {
        if (stats->slots[i] == NULL)
            continue;
        histogram_fini(&stats->slots[i]->durations_us);
        free(stats->slots[i]->host);
        free(stats->slots[i]);
    }
    free(stats->slots);
    sqlite3_finalize(stats->statement);
}

// --- counting -----------------------------------------------------------------------------------

static int prepare(struct stats *stats, const struct filter *filter, struct err *err)
{
    struct buffer sql = {0};
    buffer_append_text(&sql, "SELECT host, status, state NOT IN ('done', 'pending')"
                             "   OR coalesce(status >= 400, 0),"
                             " request_size, response_size, duration_us"
                             " FROM exchange WHERE id BETWEEN ? AND ?");
    if (filter != NULL) {
        buffer_append_text(&sql, " AND ");
        filter_append_sql(filter, &sql);
    }
    int result =
        sql_prepare(stats->reader->db, sql.data, &stats->statement, stats->reader->path, err);
    buffer_fini(&sql);
    return result;
}

static void count_row(struct stats *stats)
{
    sqlite3_stmt *row = stats->statement;
    struct group *group =
        group_of(stats, (const char *)sqlite3_column_text(row, 0), sqlite3_column_int(row, 1));
    group->count++;
    group->errors += sqlite3_column_int(row, 2);
    group->request_bytes += sqlite3_column_int64(row, 3);
    group->response_bytes += sqlite3_column_int64(row, 4);
    int64_t duration_us = sqlite3_column_int64(row, 5);
    if (sqlite3_column_type(row, 5) != SQLITE_NULL && duration_us >= 0)
        histogram_add(&group->durations_us, duration_us);
}

static int count_between(struct stats *stats, const struct filter *filter, int64_t low,
                         int64_t high, struct err *err)
{
    sqlite3_bind_int64(stats->statement, 1, low);
    sqlite3_bind_int64(stats->statement, 2, high);
    if (filter != NULL)
        filter_bind(filter, stats->statement, 3);
    int code;
    while ((code = sqlite3_step(stats->statement)) == SQLITE_ROW) {
        count_row(stats);
        stats->reader->watch.progress.found++;
    }
    int result = code == SQLITE_DONE ? 0 : reader_fail(stats->reader, err);
    sqlite3_reset(stats->statement);
    return result;
}

static int count_all(struct stats *stats, const struct filter *filter, struct err *err)
{
    struct id_range range;
    int result = prepare(stats, filter, err);
    if (result == 0)
        result = id_range_init(&range, stats->reader, filter, false, err);
    while (result == 0 && !id_range_is_empty(&range)) {
        int64_t low;
        int64_t high;
        id_range_window(&range, &low, &high);
        int64_t began_us = clock_monotonic_us();
        result = count_between(stats, filter, low, high, err);
        id_range_take(&range, high, clock_monotonic_us() - began_us);
    }
    return result;
}

// --- showing ------------------------------------------------------------------------------------

static int compare_hosts(const struct group *a, const struct group *b)
{
    if (a->host == NULL || b->host == NULL)
        return (a->host != NULL) - (b->host != NULL);
    return strcmp(a->host, b->host);
}

static int by_host(const void *a, const void *b)
{
    const struct group *first = *(struct group *const *)a;
    const struct group *second = *(struct group *const *)b;
    int order = compare_hosts(first, second);
    return order != 0 ? order : first->status - second->status;
}

static int by_traffic(const void *a, const void *b)
{
    const struct group *first = *(struct group *const *)a;
    const struct group *second = *(struct group *const *)b;
    if (first->host_count != second->host_count)
        return first->host_count > second->host_count ? -1 : 1;
    return by_host(a, b);
}

// The hosts with the most exchanges first.
static struct group **sort_groups(const struct stats *stats)
{
    struct group **groups = mem_calloc(stats->group_count + 1, sizeof(struct group *));
    size_t count = 0;
    for (size_t i = 0; i < stats->slot_count; i++)
        if (stats->slots[i] != NULL)
            groups[count++] = stats->slots[i];
    qsort(groups, count, sizeof(struct group *), by_host);
    for (size_t first = 0, end; first < count; first = end) {
        int64_t total = 0;
        for (end = first; end < count && compare_hosts(groups[first], groups[end]) == 0; end++)
            total += groups[end]->count;
        for (size_t i = first; i < end; i++)
            groups[i]->host_count = total;
    }
    qsort(groups, count, sizeof(struct group *), by_traffic);
    return groups;
}

static struct value integer_value(int64_t number)
{
    return (struct value){.type = VALUE_INTEGER, .integer = number};
}

static struct value percentile_value(const struct group *group, int percent)
{
    if (group->durations_us.count == 0)
        return (struct value){.type = VALUE_NULL};
    int64_t tenths_of_ms = (histogram_percentile(&group->durations_us, percent) + 50) / 100;
    return (struct value){.type = VALUE_REAL, .real = (double)tenths_of_ms / 10};
}

static const char *const names[] = {"host",           "status", "count",  "errors", "request_bytes",
                                    "response_bytes", "p50_ms", "p90_ms", "p99_ms"};

#define COLUMN_COUNT (sizeof(names) / sizeof(names[0]))

static int show_group(const struct group *group, value_row_fn on_row, void *ctx)
{
    struct value values[COLUMN_COUNT] = {
        {.type = VALUE_NULL},
        {.type = VALUE_NULL},
        integer_value(group->count),
        integer_value(group->errors),
        integer_value(group->request_bytes),
        integer_value(group->response_bytes),
        percentile_value(group, 50),
        percentile_value(group, 90),
        percentile_value(group, 99),
    };
    if (group->host != NULL)
        values[0] =
            (struct value){.type = VALUE_TEXT, .data = group->host, .length = strlen(group->host)};
    if (group->status != 0)
        values[1] = integer_value(group->status);
    return on_row(ctx, COLUMN_COUNT, names, values);
}

int store_stats(struct store_reader *reader, const struct filter *filter,
                value_columns_fn on_columns, value_row_fn on_row, void *ctx, struct err *err)
{
    struct stats stats = {.reader = reader};
    int result = count_all(&stats, filter, err);
    if (result == 0 && on_columns != NULL)
        result = on_columns(ctx, COLUMN_COUNT, names);
    if (result == 0) {
        struct group **groups = sort_groups(&stats);
        for (size_t i = 0; result == 0 && i < stats.group_count; i++)
            result = show_group(groups[i], on_row, ctx);
        free(groups);
    }
    stats_fini(&stats);
    return result;
}
