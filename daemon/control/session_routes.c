// SPDX-License-Identifier: MIT
// Opening and closing sessions beside the daemon's own, for `hark run`.
#include "answers.h"

#include "sessions.h"

#include <jansson.h>
#include <stdlib.h>

static void reply_session_problem(enum sessions_result result, const struct err *err,
                                  struct reply *reply)
{
    if (result == SESSIONS_FULL)
        reply_problem(reply, 503, "no more sessions are opened",
                      "Too many are open; try again later.");
    else if (result == SESSIONS_ENDING)
        reply_problem(reply, 409, "no more sessions are opened", "The daemon is about to end.");
    else if (result == SESSIONS_UNKNOWN)
        reply_problem(reply, 404, "there is no such session or process", "It may have ended.");
    else
        reply_problem(reply, 500, "the session failed", "%s", err->text);
}

// The number in the path; -1, which no session has, if it is none.
static int64_t id_of(const struct request *request)
{
    char *end;
    int64_t id = strtoll(request->argument, &end, 10);
    return *request->argument && !*end ? id : -1;
}

// {"command": "make test", "pid": 4711}; with a pid, the session ends when that process does.
void sessions_answer_open(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    json_t *wanted = json_loadb(request->body->length > 0 ? request->body->data : "",
                                request->body->length, 0, NULL);
    const char *command = json_string_value(json_object_get(wanted, "command"));
    json_int_t pid = json_integer_value(json_object_get(wanted, "pid"));
    struct server_session session;
    struct err err = {0};
    if (!command || pid < 0 || pid > INT32_MAX) {
        reply_problem(reply, 400, "the body is not what it should be",
                      "Send {\"command\": \"make test\"}, and \"pid\" if it belongs to a process.");
        json_decref(wanted);
        return;
    }
    enum sessions_result result =
        sessions_open(context->sessions, context->server, command, (pid_t)pid, &session, &err);
    json_decref(wanted);
    if (result != SESSIONS_DONE) {
        reply_session_problem(result, &err, reply);
        return;
    }
    reply->status = 201;
    reply_json(reply, "application/json",
               json_pack("{s:I, s:s}", "id", (json_int_t)session.id, "proxy", session.address));
}

void sessions_answer_one(const struct route_context *context, const struct request *request,
                         struct reply *reply)
{
    struct server_session_counts counts;
    int64_t id = id_of(request);
    if (server_count_session(context->server, id, &counts))
        reply_json(reply, "application/json",
                   json_pack("{s:I, s:I, s:I}", "id", (json_int_t)id, "played_back",
                             (json_int_t)counts.played_back, "playback_misses",
                             (json_int_t)counts.playback_misses));
    else
        reply_session_problem(SESSIONS_UNKNOWN, NULL, reply);
}

void sessions_answer_close(const struct route_context *context, const struct request *request,
                           struct reply *reply)
{
    struct err err = {0};
    enum sessions_result result =
        sessions_close(context->sessions, context->server, id_of(request), &err);
    if (result == SESSIONS_DONE)
        reply->status = 204;
    else
        reply_session_problem(result, &err, reply);
}
