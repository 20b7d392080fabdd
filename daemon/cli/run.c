// SPDX-License-Identifier: MIT
// hark run: a daemon, the files and the environment that lead a program to it, the program, and
// what came of it.
#include "client_env.h"
#include "client_files.h"
#include "command.h"
#include "data_dir.h"
#include "hark/buffer.h"
#include "hark/store_reader.h"
#include "hark/terminal.h"
#include "run_daemon.h"
#include "run_program.h"
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A clock that was set back must not hide the session's exchanges from the index on their time.
#define CLOCK_SLACK_US (3600 * (int64_t)1000000)

// One run. Owner and thread: main.
struct run {
    struct invocation *invocation;
    struct log *log;
    struct run_daemon daemon;
    struct client_files files;
    struct client_env env;
    struct run_program program;
};

// --- the summary ---------------------------------------------------------------------------------

struct counts {
    int64_t exchanges;
    int64_t errors;
    int64_t lost;
};

static int on_counts(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)names;
    struct counts *counts = ctx;
    if (count == 3)
        *counts = (struct counts){values[0].integer, values[1].integer, values[2].integer};
    return 0;
}

// "Errors" are what the filter is:error finds.
static int count(const struct run *run, struct counts *counts, struct err *err)
{
    struct store_reader *reader = store_reader_open(run->daemon.db, err);
    if (!reader)
        return -1;
    struct buffer sql = {0};
    buffer_printf(
        &sql,
        "SELECT count(exchange.id),"
        " coalesce(sum(error IS NOT NULL OR exchange.state NOT IN ('done', 'pending')), 0),"
        " coalesce(max(lost_exchanges), 0)"
        " FROM session LEFT JOIN exchange ON session_id = session.id"
        " AND exchange.started_us >= session.started_us - %" PRId64 " WHERE session.id = %" PRId64,
        CLOCK_SLACK_US, run->daemon.session_id);
    int rc = store_query(reader, sql.data, NULL, on_counts, counts, err);
    buffer_fini(&sql);
    store_reader_close(reader);
    return rc < 0 ? -1 : 0;
}

static void append_hint(const struct run *run, struct buffer *line)
{
    const char *data_dir = invocation_value(run->invocation, "data-dir");
    const char *db = invocation_value(run->invocation, "db");
    buffer_append_text(line, ": hark ls");
    if (data_dir)
        buffer_printf(line, " --data-dir %s", data_dir);
    if (db)
        buffer_printf(line, " --db %s", db);
    buffer_printf(line, " session:%" PRId64, run->daemon.session_id);
}

static void append_count(struct buffer *line, int64_t count, const char *what)
{
    buffer_printf(line, "%" PRId64 " %s%s", count, what, count == 1 ? "" : "s");
}

static void append_playback(const struct run *run, struct buffer *line)
{
    const struct run_daemon *daemon = &run->daemon;
    buffer_append_text(line, "played back ");
    append_count(line, daemon->played_back, "exchange");
    if (!daemon->is_read_only || daemon->misses == 0)
        return;
    buffer_printf(line, ", %" PRId64 " miss%s", daemon->misses, daemon->misses == 1 ? "" : "es");
    if (daemon->log)
        buffer_printf(line, ": what differs is in %s", daemon->log);
}

static int append_recorded(const struct run *run, struct buffer *line, struct err *err)
{
    struct counts counts = {0};
    if (count(run, &counts, err) < 0)
        return -1;
    buffer_append_text(line, "recorded ");
    append_count(line, counts.exchanges, "exchange");
    if (counts.errors > 0) {
        buffer_append_text(line, ", ");
        append_count(line, counts.errors, "error");
    }
    if (counts.lost > 0)
        buffer_printf(line, ", LOST %" PRId64 " that the disk refused", counts.lost);
    append_hint(run, line);
    return 0;
}

static void print_summary(const struct run *run)
{
    struct err err = {0};
    struct buffer line = {0};
    bool is_read_only = run->daemon.is_read_only;
    buffer_append_text(&line, "hark: ");
    if (is_read_only || run->daemon.played_back > 0)
        append_playback(run, &line);
    if (!is_read_only && run->daemon.played_back > 0)
        buffer_append_text(&line, ", ");
    if (!is_read_only && append_recorded(run, &line, &err) < 0) {
        invocation_fail(run->invocation, STATUS_FAILED, "count what was recorded: %s", err.text);
    } else {
        safe_text_write(stderr, line.data, line.length, SAFE_LINE);
        putc('\n', stderr);
    }
    buffer_fini(&line);
}

// --- the program ---------------------------------------------------------------------------------

static enum status fail_start(const struct run *run, int why)
{
    enum status status = why == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
    invocation_fail(run->invocation, status, "%s: %s", run->program.argv[0], strerror(why));
    return status;
}

static void detach(struct run *run, bool daemon_has_died)
{
    struct err err = {0};
    if (run_daemon_detach(&run->daemon, daemon_has_died, &err) < 0)
        invocation_fail(run->invocation, STATUS_FAILED, "%s", err.text);
}

static enum status execute(struct run *run)
{
    struct err err = {0};
    struct run_result result = {0};
    int signal_number = run_program_pending_signal();
    if (signal_number == 0 && run_program(&run->program, &result, &err) < 0)
        invocation_fail(run->invocation, STATUS_FAILED, "%s", err.text);
    detach(run, result.daemon_has_died);
    if (signal_number > 0)
        return (enum status)(128 + signal_number);
    if (err.is_set)
        return STATUS_RUN_FAILED;
    if (!result.has_run)
        return fail_start(run, result.why);
    print_summary(run);
    return (enum status)result.status;
}

static int prepare(struct run *run, struct err *err)
{
    struct invocation *invocation = run->invocation;
    run_program_prepare(&run->program);
    if (data_dir_make(invocation->data_dir, run->log, err) < 0 ||
        client_files_make(invocation->data_dir, run->log, &run->files, err) < 0 ||
        run_daemon_attach(invocation, &run->daemon, err) < 0)
        return -1;
    client_env_make(&run->env, run->daemon.proxy, &run->files, environ);
    run->program.environment = client_env_merge(&run->env, environ);
    run->program.daemon_pid = run->daemon.pid;
    return 0;
}

static enum status run(struct invocation *invocation)
{
    if (invocation_has(invocation, "check-config"))
        return serve_check_only(invocation);
    if (invocation->word_count == 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "which command? For example: hark run curl "
                               "https://example.com/");
    struct run run = {
        .invocation = invocation,
        .log = log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, invocation->command->name),
        .program = {.argv = invocation->words, .sigpipe_handler = invocation->sigpipe_handler},
    };
    struct err err = {0};
    enum status status = prepare(&run, &err) == 0
                             ? execute(&run)
                             : invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    client_env_fini(&run.env);
    client_files_fini(&run.files);
    run_daemon_fini(&run.daemon);
    log_destroy(run.log);
    return status;
}

static const struct command_option options[] = {
    {"listen", 0, "ADDR:PORT", "the daemon's proxy address (default: a free port)"},
    {"ui", 0, "ADDR:PORT", "the daemon's page and API, or \"off\" (default: a free\nport)"},
    {"db", 0, "FILE", "record to this file\n(default: hark.db in the data folder)"},
    {"mode", 0, "MODE",
     "record, playback (answer from the recording, send\nnothing), playback-or-record, or off"},
    {"session", 0, "N", "in playback only this session's exchanges answer"},
    {"set", 0, "KEY=VALUE", "set any key of the configuration (repeatable)"},
    {"check-config", 0, NULL, "say whether the configuration is good, and run nothing"},
    {NULL, 0, NULL, NULL},
};

const struct command command_run = {
    .name = "run",
    .arguments = "[--] COMMAND [ARGUMENT…]",
    .summary = "run a program with its HTTP and HTTPS traffic recorded",
    .help = "Runs COMMAND with an environment in which programs use hark as their proxy and\n"
            "trust its certificate authority; nothing outside the data folder is changed. The\n"
            "daemon that serves from the data folder is used; if none runs, or one of the\n"
            "options below is given, one is started for as long as COMMAND runs.\n"
            "\n"
            "With --mode playback COMMAND gets its answers from the recording, and nothing is\n"
            "sent or written; see docs/playback.md.\n"
            "\n"
            "Which programs this works for, and what to do for others, is told in\n"
            "docs/clients.md; \"hark env\" prints the environment.\n"
            "\n"
            "Exit status is that of COMMAND, 128 and the signal's number if one ended it; 125 if\n"
            "hark failed, 126 if COMMAND cannot be run, 127 if it is not found.\n"
            "\n"
            "Examples:\n"
            "  hark run python3 app.py\n"
            "  hark run --db tests/api.db --mode playback -- pytest\n"
            "  hark run --set connect_to=api.example.com:443:localhost:8443 -- make test\n",
    .options = options,
    .needs = NEEDS_CONFIG | TAKES_COMMAND,
    .failure_status = STATUS_RUN_FAILED,
    .run = run,
};
