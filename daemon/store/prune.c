// SPDX-License-Identifier: MIT
// Finding what is to go: exchanges in the order of their ids, some at a time.
//
// Two passes: first what is too old or too many (or, without a limit, all that match), then, if the
// recording is still too large, the oldest of what is left.
#include "hark/store_prune.h"

#include "reader.h"
#include "sql.h"

#include <inttypes.h>

#define BATCH_IDS     1024
#define VACUUM_SLICES 16

// What a row without bodies and headers takes, roughly.
#define ROW_BYTES "600"

struct prune {
    struct store_reader *reader;
    const struct store_prune_options *options;
    const struct store_runner *runner;
    struct store_prune_result *result;
    sqlite3_stmt *look;
    sqlite3_stmt *find_older; // NULL: all are looked through
    int64_t first_kept_id;    // for keep_count: what is below goes
    bool is_for_size;         // the second pass
    int64_t after_id;         // how far this pass has come
    int64_t after_us;         // the same, where they come by their age
    int64_t ids[BATCH_IDS];   // what matches, then what of it is to go
    size_t count;
    size_t doomed_count;
};

// --- limits --------------------------------------------------------------------------------------

static bool has_limit(const struct store_prune_options *options)
{
    return options->keep_from_us != STORE_PRUNE_NO_LIMIT ||
           options->keep_count != STORE_PRUNE_NO_LIMIT ||
           options->keep_bytes != STORE_PRUNE_NO_LIMIT;
}

static int on_kept_id(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct prune *prune = ctx;
    prune->first_kept_id = values[0].integer;
    return 1;
}

// The oldest of the newest `keep_count`. If there are fewer that match, nothing is below it.
static int find_first_kept(struct prune *prune, struct err *err)
{
    const struct store_prune_options *options = prune->options;
    if (options->keep_count == STORE_PRUNE_NO_LIMIT)
        return 0;
    prune->first_kept_id = INT64_MAX;
    if (options->keep_count == 0)
        return 0;
    const struct store_list_options list = {.filter = options->filter,
                                            .limit = options->keep_count};
    return store_list_traffic(prune->reader, &list, NULL, on_kept_id, prune, err) < 0 ? -1 : 0;
}

static int read_size(struct prune *prune, int64_t *bytes, struct err *err)
{
    return sql_integer(prune->reader->db,
                       "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count,"
                       " pragma_freelist_count, pragma_page_size",
                       bytes, prune->reader->path, err);
}

// --- finding -------------------------------------------------------------------------------------

static int on_match(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct prune *prune = ctx;
    prune->ids[prune->count++] = values[0].integer;
    return 0;
}

// The next ids by their age.
static int find_older(struct prune *prune, struct err *err)
{
    sqlite3_stmt *find = prune->find_older;
    sqlite3_bind_int64(find, 1, prune->options->keep_from_us);
    sqlite3_bind_int64(find, 2, prune->after_us);
    sqlite3_bind_int64(find, 3, prune->after_id);
    sqlite3_bind_int64(find, 4, BATCH_IDS);
    int code;
    prune->count = 0;
    while ((code = sqlite3_step(find)) == SQLITE_ROW) {
        prune->after_id = sqlite3_column_int64(find, 0);
        prune->after_us = sqlite3_column_int64(find, 1);
        prune->ids[prune->count++] = prune->after_id;
    }
    int result = code == SQLITE_DONE ? 0 : reader_fail(prune->reader, err);
    sqlite3_reset(find);
    return result;
}

// The next ids that match the filter.
static int find_matches(struct prune *prune, struct err *err)
{
    const struct store_list_options list = {
        .filter = prune->options->filter,
        .after_id = prune->after_id,
        .limit = BATCH_IDS,
        .is_oldest = true,
    };
    if (prune->find_older != NULL && !prune->is_for_size)
        return find_older(prune, err);
    prune->count = 0;
    if (store_list_traffic(prune->reader, &list, NULL, on_match, prune, err) != 0)
        return -1;
    if (prune->count > 0)
        prune->after_id = prune->ids[prune->count - 1];
    return 0;
}

struct facts {
    int64_t started_us;
    bool is_pending;
    bool is_marked;
    int64_t bytes; // an estimate
};

// 1 if the exchange is still there, else 0.
static int look_at(struct prune *prune, int64_t id, struct facts *facts, struct err *err)
{
    sqlite3_stmt *look = prune->look;
    sqlite3_bind_int64(look, 1, id);
    int code = sqlite3_step(look);
    int result = code == SQLITE_ROW ? 1 : 0;
    if (code == SQLITE_ROW)
        *facts = (struct facts){.started_us = sqlite3_column_int64(look, 0),
                                .is_pending = sqlite3_column_int(look, 1) != 0,
                                .is_marked = sqlite3_column_int(look, 2) != 0,
                                .bytes = sqlite3_column_int64(look, 3)};
    else if (code != SQLITE_DONE)
        result = reader_fail(prune->reader, err);
    sqlite3_reset(look);
    return result;
}

static bool is_beyond_limits(const struct prune *prune, int64_t id, const struct facts *facts)
{
    const struct store_prune_options *options = prune->options;
    return !has_limit(options) || id < prune->first_kept_id ||
           (options->keep_from_us != STORE_PRUNE_NO_LIMIT &&
            facts->started_us < options->keep_from_us);
}

static void doom(struct prune *prune, int64_t id, const struct facts *facts)
{
    struct store_prune_result *result = prune->result;
    if (facts->is_marked) {
        result->marked++;
        return;
    }
    prune->ids[prune->doomed_count++] = id;
    if (prune->options->is_dry_run) {
        result->exchanges++;
        result->bytes += facts->bytes;
        result->size -= facts->bytes;
    }
}

static bool is_small_enough(const struct prune *prune)
{
    return prune->is_for_size && prune->result->size <= prune->options->keep_bytes;
}

// Leaves in `ids` those that are to go. What the first pass removed, or would have, is not counted
// again by the second.
static int choose(struct prune *prune, struct err *err)
{
    prune->doomed_count = 0;
    for (size_t i = 0; i < prune->count; i++) {
        struct facts facts = {0};
        int64_t id = prune->ids[i];
        int found = look_at(prune, id, &facts, err);
        if (found < 0)
            return -1;
        bool is_beyond = is_beyond_limits(prune, id, &facts);
        if (found == 0 || facts.is_pending || is_beyond == prune->is_for_size)
            continue;
        if (prune->options->is_dry_run && is_small_enough(prune))
            return 0;
        doom(prune, id, &facts);
    }
    return 0;
}

// --- removing ------------------------------------------------------------------------------------

static int remove_doomed(struct prune *prune, bool *is_enough, struct err *err)
{
    struct store_removal removal = {
        .ids = prune->ids,
        .count = prune->doomed_count,
        .keep_bytes = prune->is_for_size ? prune->options->keep_bytes : STORE_PRUNE_NO_LIMIT,
    };
    int result = prune->runner->run(prune->runner->ctx, store_remove_step, &removal, err);
    prune->result->exchanges += removal.exchanges;
    prune->result->bytes += removal.bytes;
    prune->result->size -= removal.bytes;
    *is_enough = removal.is_enough;
    return result;
}

static int walk(struct prune *prune, struct err *err)
{
    bool is_enough = is_small_enough(prune);
    prune->after_id = 0;
    while (!is_enough) {
        if (find_matches(prune, err) != 0 || choose(prune, err) != 0)
            return -1;
        if (prune->count == 0)
            return 0;
        is_enough = is_small_enough(prune);
        if (!prune->options->is_dry_run && prune->doomed_count > 0 &&
            remove_doomed(prune, &is_enough, err) != 0)
            return -1;
    }
    return 0;
}

static int give_back(struct prune *prune, struct err *err)
{
    struct store_vacuum vacuum;
    int64_t free_bytes = INT64_MAX;
    for (;;) {
        vacuum = (struct store_vacuum){.slices_left = VACUUM_SLICES};
        if (prune->runner->run(prune->runner->ctx, store_vacuum_step, &vacuum, err) != 0)
            return -1;
        // Others free pages meanwhile: no more than there is to gain.
        if (vacuum.free_bytes == 0 || vacuum.free_bytes >= free_bytes)
            return 0;
        free_bytes = vacuum.free_bytes;
    }
}

static int prune_all(struct prune *prune, struct err *err)
{
    const struct store_prune_options *options = prune->options;
    if (find_first_kept(prune, err) != 0 || read_size(prune, &prune->result->size, err) != 0)
        return -1;
    bool is_all = !has_limit(options) && !(options->is_compact && options->filter == NULL);
    bool has_first_pass = is_all || options->keep_count != STORE_PRUNE_NO_LIMIT ||
                          options->keep_from_us != STORE_PRUNE_NO_LIMIT;
    if (has_first_pass && walk(prune, err) != 0)
        return -1;
    if (options->keep_bytes != STORE_PRUNE_NO_LIMIT) {
        prune->is_for_size = true;
        if (walk(prune, err) != 0)
            return -1;
    }
    bool gives_back = prune->result->exchanges > 0 || options->is_compact;
    return gives_back && !options->is_dry_run ? give_back(prune, err) : 0;
}

// By the index if the age alone decides.
static int prepare_find(struct prune *prune, struct err *err)
{
    const struct store_prune_options *options = prune->options;
    if (options->filter != NULL || options->keep_from_us == STORE_PRUNE_NO_LIMIT ||
        options->keep_count != STORE_PRUNE_NO_LIMIT)
        return 0;
    return sql_prepare(prune->reader->db,
                       "SELECT id, started_us FROM exchange WHERE started_us < ?1"
                       " AND (started_us, id) > (?2, ?3) ORDER BY started_us, id LIMIT ?4",
                       &prune->find_older, prune->reader->path, err);
}

int store_prune(struct store_reader *reader, const struct store_prune_options *options,
                const struct store_runner *runner, struct store_prune_result *result,
                struct err *err)
{
    *result = (struct store_prune_result){0};
    struct prune prune = {.reader = reader, .options = options, .runner = runner, .result = result};
    if (sql_prepare(
            reader->db,
            "SELECT started_us, state = 'pending',"
            " EXISTS (SELECT 1 FROM note WHERE exchange_id = exchange.id AND is_mark = 1),"
            " coalesce(request_size, 0) + coalesce(response_size, 0)"
            " + length(request_headers) + coalesce(length(response_headers), 0) + " ROW_BYTES
            " FROM exchange WHERE id = ?",
            &prune.look, reader->path, err) != 0)
        return -1;
    int rc = prepare_find(&prune, err);
    if (rc == 0)
        rc = prune_all(&prune, err);
    sqlite3_finalize(prune.look);
    sqlite3_finalize(prune.find_older);
    return rc;
}
