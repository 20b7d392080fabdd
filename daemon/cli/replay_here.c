// SPDX-License-Identifier: MIT
// A server without clients, for as long as the run takes.
#include "data_dir.h"
#include "hark/log.h"
#include "hark/server.h"
#include "replay_run.h"
#include "serve.h"

#include <time.h>
#include <unistd.h>

static sigset_t held_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

sigset_t replay_hold_signals(void)
{
    sigset_t set = held_signals();
    sigset_t before;
    sigprocmask(SIG_BLOCK, &set, &before);
    return before;
}

void replay_release_signals(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}

bool replay_was_signalled(void)
{
    sigset_t set = held_signals();
    return sigtimedwait(&set, NULL, &(struct timespec){0}) > 0;
}

static int on_result(void *ctx, const struct replay_result *result)
{
    struct replay_view view;
    replay_view_make(&view, result);
    int rc = replay_report_add(ctx, view.values);
    replay_view_fini(&view);
    return rc;
}

static bool must_stop(void *ctx)
{
    (void)ctx;
    return replay_was_signalled();
}

static struct server *start_server(struct invocation *invocation, struct log *log, struct err *err)
{
    struct config *config = invocation->config;
    if (serve_check(config, err) < 0 || data_dir_make(invocation->data_dir, log, err) < 0)
        return NULL;
    serve_raise_descriptor_limit(log);
    invocation->config = NULL;
    return server_start(
        &(struct server_options){
            .data_dir = invocation->data_dir,
            .config = config,
            .db_path = invocation->db_path,
            .command = invocation->command_line,
            .has_no_clients = true,
            .log = log,
        },
        err);
}

static struct replay_end run(struct invocation *invocation, struct server *server,
                             const struct replay_wish *wish, struct replay_report *report)
{
    const struct replay_callbacks callbacks = {
        .on_result = on_result, .must_stop = must_stop, .ctx = report};
    struct replay_end end = {.status = STATUS_DONE};
    struct err err = {0};
    enum replay_refusal refusal;
    struct replay *replay = replay_create(server, &wish->options, &refusal, &err);
    if (!replay || replay_run(replay, &callbacks, &err) < 0)
        end.status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (replay) {
        end.was_interrupted = replay_was_stopped(replay);
        end.session_id = replay_session_id(replay);
    }
    replay_destroy(replay);
    return end;
}

struct replay_end replay_run_here(struct invocation *invocation, const struct replay_wish *wish,
                                  struct replay_report *report)
{
    struct err err = {0};
    struct replay_end end = {0};
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, invocation->command->name);
    sigset_t before = replay_hold_signals();
    struct server *server = start_server(invocation, log, &err);
    if (server)
        end = run(invocation, server, wish, report);
    else
        end.status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (server)
        server_stop(server);
    replay_release_signals(&before);
    log_destroy(log);
    return end;
}
