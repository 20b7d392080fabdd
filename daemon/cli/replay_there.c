// SPDX-License-Identifier: MIT
// A run by the daemon: POST /api/v1/replay over its socket. Results come as lines of JSON, with the
// columns of replay_view.h.
#include "daemon_client.h"
#include "hark/mem.h"
#include "recording_owner.h"
#include "replay_run.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct there {
    const char *data_dir;
    struct replay_report *report;
    struct replay_end end;
    int signals;
    bool has_asked; // the daemon to stop
};

static struct value value_of(const json_t *item)
{
    switch (item ? json_typeof(item) : JSON_NULL) {
    case JSON_INTEGER:
        return (struct value){.type = VALUE_INTEGER, .integer = json_integer_value(item)};
    case JSON_REAL:
        return (struct value){.type = VALUE_REAL, .real = json_real_value(item)};
    case JSON_STRING:
        return (struct value){.type = VALUE_TEXT,
                              .data = json_string_value(item),
                              .length = json_string_length(item)};
    default:
        return (struct value){.type = VALUE_NULL};
    }
}

static int on_line(void *ctx, const char *line, size_t length)
{
    struct there *there = ctx;
    struct value values[REPLAY_COLUMN_COUNT];
    json_t *object = json_loadb(line, length, JSON_ALLOW_NUL, NULL);
    for (size_t i = 0; i < REPLAY_COLUMN_COUNT; i++)
        values[i] = value_of(json_object_get(object, replay_column_names[i]));
    // A whole number is written as one.
    struct value *ms = &values[REPLAY_COLUMN_MS];
    if (ms->type == VALUE_INTEGER)
        *ms = (struct value){.type = VALUE_REAL, .real = (double)ms->integer};
    int rc = replay_report_add(there->report, values);
    json_decref(object);
    return rc;
}

static void on_field(void *ctx, const char *name, const char *value)
{
    struct there *there = ctx;
    if (strcasecmp(name, "Hark-Session") == 0)
        there->end.session_id = strtoll(value, NULL, 10);
}

// The first signal asks the daemon to begin nothing new, and what is going on is waited for; whom
// to ask about is told with the head of the answer. A second one leaves, which the daemon will see.
static bool must_leave(void *ctx)
{
    struct there *there = ctx;
    struct err ignored = {0};
    there->signals += replay_was_signalled();
    if (there->signals > 1) {
        there->end.was_interrupted = true;
        return true;
    }
    if (there->signals == 0 || there->has_asked || there->end.session_id == 0)
        return false;
    there->has_asked = true;
    // A run that has ended meanwhile was not interrupted: its last results are on their way.
    bool has_ended = false;
    enum daemon_answer answer =
        daemon_stop_replay(there->data_dir, there->end.session_id, &has_ended, &ignored);
    there->end.was_interrupted = !has_ended;
    return answer != DAEMON_ANSWERED;
}

struct replay_end replay_run_there(const struct invocation *invocation,
                                   const struct replay_wish *wish, struct replay_report *report)
{
    struct there there = {.data_dir = invocation->data_dir, .report = report};
    struct daemon_lines lines = {
        .on_line = on_line, .on_field = on_field, .must_leave = must_leave, .ctx = &there};
    struct buffer body = {0};
    struct err err = {0};
    replay_wish_append_json(wish, invocation, &body);
    sigset_t before = replay_hold_signals();
    enum daemon_answer answer = daemon_ask_for_lines(invocation->data_dir, "POST", "/api/v1/replay",
                                                     body.data, &lines, &err);
    replay_release_signals(&before);
    if (answer == DAEMON_ABSENT)
        there.end.status = invocation_fail(invocation, STATUS_UNREACHABLE, "the daemon has ended");
    else if (answer == DAEMON_FAILED)
        there.end.status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    buffer_fini(&body);
    return there.end;
}

enum status replay_find_daemon(const struct invocation *invocation, bool *is_there)
{
    enum status status = recording_find_daemon(invocation, is_there);
    if (status == STATUS_DONE && *is_there && invocation_has(invocation, "set"))
        return invocation_fail(invocation, STATUS_USAGE,
                               "a daemon serves from %s, and --set cannot change it; leave it out",
                               invocation->data_dir);
    return status;
}
