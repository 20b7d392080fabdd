// SPDX-License-Identifier: MIT
// hark status: asks the daemon of the data folder how it is.
#include "command.h"
#include "daemon_client.h"
#include "hark/clock.h"
#include "hark/human.h"
#include "hark/terminal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static int64_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_line(const char *name, const struct buffer *value)
{
    printf("%-12s ", name);
    safe_text_write(stdout, value->data, value->length, SAFE_LINE);
    putchar('\n');
}

static void print_daemon(const json_t *status)
{
    struct buffer line = {0};
    buffer_printf(&line, "hark %s, process %" PRId64 ", up ", text_of(status, "version"),
                  integer_of(status, "pid"));
    human_append_duration(&line, integer_of(status, "uptime_us"));
    print_line("daemon", &line);

    buffer_clear(&line);
    size_t i;
    const json_t *address;
    json_array_foreach(json_object_get(status, "proxy"), i, address)
        buffer_printf(&line, "%s%s", i > 0 ? " " : "", json_string_value(address));
    print_line("proxy", &line);

    const json_t *reverse;
    json_array_foreach(json_object_get(status, "reverse"), i, reverse)
    {
        buffer_clear(&line);
        buffer_printf(&line, "%s for %s", text_of(reverse, "address"), text_of(reverse, "origin"));
        print_line("reverse", &line);
    }

    buffer_clear(&line);
    buffer_append_text(&line, *text_of(status, "page") ? text_of(status, "page") : "off");
    print_line("page", &line);
    buffer_fini(&line);
}

static void print_recording(const json_t *status, const struct terminal *terminal)
{
    struct buffer line = {0};
    buffer_printf(&line, "%s, ", text_of(status, "db"));
    human_append_size(&line, integer_of(status, "db_bytes"));
    buffer_append_text(&line, " and ");
    human_append_bytes(&line, integer_of(status, "wal_bytes"));
    buffer_append_text(&line, " of log");
    print_line("recording", &line);

    bool is_recording = json_is_true(json_object_get(status, "is_recording"));
    buffer_clear(&line);
    bool is_ending = json_is_true(json_object_get(status, "is_ending"));
    if (is_ending)
        buffer_append_text(&line,
                           "ending when what is in flight has, 10 s after the signal at most");
    else
        buffer_append_text(&line, is_recording ? "recording" : "NOT recording");
    bool is_ready = json_is_true(json_object_get(status, "is_ready"));
    const char *reason = text_of(status, is_recording && !is_ready ? "not_ready" : "problem");
    if (!is_ending && *reason)
        buffer_printf(&line, ": %s", reason);
    fputs(terminal_color(terminal, is_recording && is_ready ? COLOR_GREEN : COLOR_RED), stdout);
    print_line("state", &line);
    fputs(terminal_reset(terminal), stdout);

    if (integer_of(status, "lost_exchanges") > 0 || integer_of(status, "lost_bytes") > 0) {
        buffer_clear(&line);
        buffer_printf(&line, "%" PRId64 " exchanges and %" PRId64 " body bytes not recorded",
                      integer_of(status, "lost_exchanges"), integer_of(status, "lost_bytes"));
        print_line("lost", &line);
    }
    buffer_fini(&line);
}

static void print_limits(const json_t *status)
{
    struct buffer line = {0};
    int64_t keep_age_ms = integer_of(status, "keep_age_ms");
    int64_t keep_bytes = integer_of(status, "keep_bytes");
    if (keep_age_ms == 0 && keep_bytes == 0)
        return;
    if (keep_age_ms > 0)
        human_append_duration(&line, keep_age_ms * 1000);
    if (keep_age_ms > 0 && keep_bytes > 0)
        buffer_append_text(&line, " and ");
    if (keep_bytes > 0)
        human_append_size(&line, keep_bytes);
    buffer_printf(&line, "; %" PRId64 " exchanges deleted so far",
                  integer_of(status, "retired_exchanges"));
    if (json_is_true(json_object_get(status, "is_crowded")))
        buffer_append_text(&line, "; NO ROOM for what is new: unmark some, or raise keep_bytes");
    else if (json_is_true(json_object_get(status, "is_over_keep_bytes")))
        buffer_append_text(&line, "; cannot be kept now, see the log");
    if (integer_of(status, "cut_bodies") > 0)
        buffer_printf(&line, "; bodies cut: %" PRId64, integer_of(status, "cut_bodies"));
    print_line("keep", &line);
    buffer_fini(&line);
}

static void print_traffic(const json_t *status)
{
    struct buffer line = {0};
    buffer_printf(&line, "%" PRId64 " since the start, %" PRId64 " in flight",
                  integer_of(status, "exchanges_total"), integer_of(status, "exchanges_in_flight"));
    print_line("exchanges", &line);

    if (integer_of(status, "exchanges_ignored") > 0) {
        buffer_clear(&line);
        buffer_printf(&line, "%" PRId64 " not recorded, as configured",
                      integer_of(status, "exchanges_ignored"));
        print_line("ignored", &line);
    }

    int64_t played_back = integer_of(status, "played_back");
    int64_t misses = integer_of(status, "playback_misses");
    if (played_back > 0 || misses > 0) {
        buffer_clear(&line);
        buffer_printf(&line, "%" PRId64 " answered from the recording, %" PRId64 " not in it",
                      played_back, misses);
        print_line("playback", &line);
    }

    buffer_clear(&line);
    buffer_printf(&line, "%" PRId64 " open, %" PRId64 " workers", integer_of(status, "connections"),
                  integer_of(status, "workers"));
    print_line("connections", &line);

    buffer_clear(&line);
    human_append_size(&line, integer_of(status, "queue_bytes"));
    buffer_append_text(&line, " of ");
    human_append_size(&line, integer_of(status, "queue_limit_bytes"));
    buffer_printf(&line, " waiting, traffic slowed down %" PRId64 " times",
                  integer_of(status, "queue_stalls"));
    print_line("queue", &line);

    buffer_clear(&line);
    buffer_printf(&line, "%" PRId64 ", the last took ", integer_of(status, "commits"));
    human_append_duration(&line, integer_of(status, "commit_last_us"));
    print_line("commits", &line);
    buffer_fini(&line);
}

static void print_reload(const json_t *status)
{
    const json_t *reload = json_object_get(status, "reload");
    if (!json_is_object(reload))
        return;
    struct buffer line = {0};
    human_append_duration(&line, clock_wall_us() - integer_of(reload, "at_us"));
    buffer_append_text(&line, " ago, ");
    if (*text_of(reload, "problem")) {
        buffer_printf(&line, "FAILED: %s; the old configuration stays", text_of(reload, "problem"));
    } else {
        const char *changed = text_of(reload, "changed");
        buffer_printf(&line, "changed: %s", *changed ? changed : "nothing");
    }
    print_line("reload", &line);
    if (*text_of(reload, "waiting")) {
        buffer_clear(&line);
        buffer_printf(&line, "with the next start will change: %s", text_of(reload, "waiting"));
        print_line("", &line);
    }
    buffer_fini(&line);
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    const char *given_dir = invocation_value(invocation, "data-dir");
    struct err err = {0};
    json_t *status = NULL;
    switch (daemon_get(invocation->data_dir, "/api/v1/status", &status, &err)) {
    case DAEMON_ABSENT:
        return invocation_fail(invocation, STATUS_UNREACHABLE,
                               "no daemon serves from %s; start one with: hark serve%s%s",
                               invocation->data_dir, given_dir ? " --data-dir " : "",
                               given_dir ? given_dir : "");
    case DAEMON_FAILED:
        return invocation_fail(invocation, STATUS_UNREACHABLE, "%s", err.text);
    case DAEMON_ANSWERED:
        break;
    }
    if (invocation_has(invocation, "json")) {
        json_dumpf(status, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        struct terminal terminal = terminal_of(STDOUT_FILENO);
        print_daemon(status);
        print_recording(status, &terminal);
        print_limits(status);
        print_traffic(status);
        print_reload(status);
    }
    json_decref(status);
    return STATUS_DONE;
}

static const struct command_option options[] = {
    {"json", 0, NULL, "print one JSON object with all counters"},
    {NULL, 0, NULL, NULL},
};

const struct command command_status = {
    .name = "status",
    .summary = "is the daemon running, and is it well",
    .help = "Asks the running daemon of the data folder for its addresses and counters.\n"
            "Exit status 4 says that no daemon answers.\n",
    .options = options,
    .needs = NEEDS_CONFIG,
    .run = run,
};
