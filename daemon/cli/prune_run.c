// SPDX-License-Identifier: MIT
// The daemon answers with a line of JSON now and then while it deletes, and the last one is the
// result, or says what has gone wrong.
#include "prune_run.h"

#include "daemon_client.h"
#include "hark/query.h"
#include "progress.h"
#include "recording_owner.h"

#include <unistd.h>

#define DELETED "exchanges deleted"

// --- by the daemon -------------------------------------------------------------------------------

struct there {
    struct progress_line progress;
    struct store_prune_result *result; // so far
    struct err problem;
};

static int64_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static int on_line(void *ctx, const char *line, size_t length)
{
    struct there *there = ctx;
    json_t *object = json_loadb(line, length, 0, NULL);
    const char *detail = json_string_value(json_object_get(object, "detail"));
    if (detail != NULL)
        err_set(&there->problem, "%s", detail);
    else
        *there->result = (struct store_prune_result){
            .exchanges = number_of(object, "exchanges"),
            .bytes = number_of(object, "bytes"),
            .marked = number_of(object, "marked"),
            .size = number_of(object, "size"),
        };
    progress_line_draw(&there->progress, there->result->exchanges, DELETED);
    json_decref(object);
    return 0;
}

// Asked about once a second: time to draw that it goes on.
static bool must_leave(void *ctx)
{
    struct there *there = ctx;
    progress_line_draw(&there->progress, there->result->exchanges, DELETED);
    return false;
}

static const char *append_parameter(struct arena *arena, const char *query, const char *name,
                                    const char *value)
{
    return value ? query_set(arena, query, name, value) : query;
}

static const char *make_path(const struct invocation *invocation, struct prune_wish *wish,
                             bool wants_progress)
{
    struct arena *arena = &wish->arena;
    const char *query = append_parameter(arena, NULL, "progress", wants_progress ? "1" : NULL);
    query = append_parameter(arena, query, "filter", wish->filter_text);
    query = append_parameter(arena, query, "older", invocation_value(invocation, "older"));
    query =
        append_parameter(arena, query, "keep_bytes", invocation_value(invocation, "keep-bytes"));
    query =
        append_parameter(arena, query, "keep_count", invocation_value(invocation, "keep-count"));
    if (wish->options.is_compact)
        query = query_set(arena, query, "compact", "1");
    return arena_printf(arena, "/api/v1/exchanges?%s", query);
}

enum status prune_run_there(const struct invocation *invocation, struct prune_wish *wish,
                            struct store_prune_result *result)
{
    struct there there = {.progress = progress_line_begin(invocation), .result = result};
    struct daemon_lines lines = {.on_line = on_line, .must_leave = must_leave, .ctx = &there};
    struct err err = {0};
    const char *path = make_path(invocation, wish, there.progress.is_wanted);
    enum daemon_answer answer =
        daemon_ask_for_lines(invocation->data_dir, "DELETE", path, NULL, &lines, &err);
    progress_line_end(&there.progress);
    if (answer == DAEMON_ABSENT)
        return invocation_fail(invocation, STATUS_UNREACHABLE, "the daemon has ended");
    if (answer == DAEMON_FAILED)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (there.problem.is_set)
        return invocation_fail(invocation, STATUS_FAILED, "%s", there.problem.text);
    return STATUS_DONE;
}

// --- here ----------------------------------------------------------------------------------------

struct here {
    struct progress_line progress;
    struct store_writer *writer;
    const struct store_prune_result *result;
};

static int run_and_show(void *ctx, store_step_fn step, void *step_ctx, struct err *err)
{
    struct here *here = ctx;
    progress_line_draw(&here->progress, here->result->exchanges, DELETED);
    return store_run_here(here->writer, step, step_ctx, err);
}

static enum status run(const struct invocation *invocation, const struct prune_wish *wish,
                       struct store_writer *writer, struct store_prune_result *result)
{
    struct here here = {
        .progress = progress_line_begin(invocation), .writer = writer, .result = result};
    const struct store_runner runner = {.run = run_and_show, .ctx = &here};
    struct err err = {0};
    int rc = store_prune(invocation->reader, &wish->options, &runner, result, &err);
    progress_line_end(&here.progress);
    if (rc == 0 && wish->options.is_compact && writer)
        rc = store_compact(writer, &err);
    return rc == 0 ? STATUS_DONE : invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
}

enum status prune_run_here(const struct invocation *invocation, const struct prune_wish *wish,
                           struct store_prune_result *result)
{
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, invocation->command->name);
    enum status status = STATUS_FAILED;
    // A dry run changes nothing, so it takes no lock.
    struct store_writer *writer = NULL;
    if (!wish->options.is_dry_run)
        writer = recording_open_writer(invocation, log);
    if (writer || wish->options.is_dry_run)
        status = run(invocation, wish, writer, result);
    store_writer_close(writer);
    log_destroy(log);
    return status;
}
