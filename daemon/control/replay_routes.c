// SPDX-License-Identifier: MIT
// POST /api/v1/replay: a run on the pool's thread, a line of JSON for each result as it comes.
// DELETE /api/v1/replay/SESSION stops it.
#include "answers.h"

#include "hark/replay_view.h"
#include "hark/rows.h"
#include "replay_body.h"

#include <inttypes.h>

struct run {
    struct reply *reply;
    struct buffer line;
    bool was_told; // that nobody wants the results any more
};

static int on_result(void *ctx, const struct replay_result *result)
{
    struct run *run = ctx;
    struct replay_view view;
    replay_view_make(&view, result);
    rows_append_json(&run->line, REPLAY_COLUMN_COUNT, replay_column_names, view.values);
    buffer_append_char(&run->line, '\n');
    replay_view_fini(&view);
    int rc = reply_write_buffer(run->reply, &run->line);
    if (rc == 0)
        rc = reply_flush(run->reply);
    // What is going on still ends in its own time: once is enough.
    bool must_stop = rc < 0 && !run->was_told;
    run->was_told |= rc < 0;
    return must_stop ? 1 : 0;
}

static bool must_stop(void *ctx)
{
    struct run *run = ctx;
    bool is_news = !run->was_told && reply_is_unwanted(run->reply);
    run->was_told |= is_news;
    return is_news;
}

static void explain(enum replay_refusal refusal, const struct err *err, struct reply *reply)
{
    switch (refusal) {
    case REPLAY_NOT_AGREED:
        reply_problem(reply, 409, "this may change something", "%s; send \"yes\": true to agree.",
                      err->text);
        break;
    case REPLAY_IMPOSSIBLE:
        reply_problem(reply, 409, "nothing can be sent again", "%s.", err->text);
        break;
    case REPLAY_BAD_OPTIONS:
        reply_problem(reply, 400, "the body is not what it should be", "%s.", err->text);
        break;
    case REPLAY_NOT_READABLE:
    case REPLAY_NOT_REFUSED:
        reply_read_problem(reply, err);
        break;
    }
}

static void run_replay(struct replay *replay, struct reply *reply)
{
    struct run run = {.reply = reply};
    const struct replay_callbacks callbacks = {
        .on_result = on_result, .must_stop = must_stop, .ctx = &run};
    struct err err = {0};
    char session[32];
    snprintf(session, sizeof session, "%" PRId64, replay_session_id(replay));
    reply->type = "application/jsonl";
    reply_add_header(reply, "Hark-Session", session);
    // The first result may take its time.
    if (reply_flush(reply) == 0 && replay_run(replay, &callbacks, &err) < 0)
        reply_read_problem(reply, &err);
    buffer_fini(&run.line);
}

void replay_answer(const struct route_context *context, const struct request *request,
                   struct reply *reply)
{
    struct replay_body body = {0};
    struct err err = {0};
    enum replay_refusal refusal;
    const char *text = request->body->length > 0 ? request->body->data : "";
    enum replay_body_result result = replay_body_read(&body, text, request->body->length, &err);
    struct replay *replay = NULL;
    if (result == REPLAY_BODY_BAD_FILTER)
        reply_filter_problem(reply, &err);
    else if (result == REPLAY_BODY_BAD)
        reply_problem(reply, 400, "the body is not what it should be", "%s.", err.text);
    else if (!(replay = replay_create(context->server, &body.options, &refusal, &err)))
        explain(refusal, &err, reply);
    if (replay)
        run_replay(replay, reply);
    replay_destroy(replay);
    replay_body_fini(&body);
}

void replay_answer_stop(const struct route_context *context, const struct request *request,
                        struct reply *reply)
{
    int64_t session_id;
    if (request_id(request, &session_id, reply) < 0)
        return;
    if (replay_stop_session(context->server, session_id))
        reply->status = 204;
    else
        reply_problem(reply, 404, "no replay has this session", "It may have ended.");
}
