// SPDX-License-Identifier: MIT
// The routes and their table.
#include "routes.h"

#include "hark/clock.h"
#include "hark/version.h"
#include "sessions.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int on_json_text(const char *text, size_t length, void *ctx)
{
    buffer_append(ctx, text, length);
    return 0;
}

static void reply_json(struct reply *reply, const char *type, json_t *object)
{
    buffer_clear(&reply->body);
    json_dump_callback(object, on_json_text, &reply->body, JSON_COMPACT);
    buffer_append_char(&reply->body, '\n');
    json_decref(object);
    reply->type = type;
}

static void reply_text(struct reply *reply, const char *text)
{
    buffer_append_text(&reply->body, text);
    reply->type = "text/plain; charset=utf-8";
}

void reply_problem(struct reply *reply, unsigned status, const char *title, const char *detail, ...)
{
    struct buffer text = {0};
    va_list args;
    va_start(args, detail);
    buffer_vprintf(&text, detail, args);
    va_end(args);
    reply->status = status;
    reply_json(reply, "application/problem+json",
               json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", title, "status",
                         (int)status, "detail", text.data));
    buffer_fini(&text);
}

static void answer_root(const struct route_context *context, const struct request *request,
                        struct reply *reply)
{
    (void)request;
    reply_text(reply, "hark " HARK_VERSION ", a flight recorder for HTTP.\n\nProxy:     ");
    const char *address;
    for (size_t i = 0; (address = server_listen_address(context->server, i)); i++)
        buffer_printf(&reply->body, "%shttp://%s", i > 0 ? " " : "", address);
    buffer_printf(&reply->body,
                  "\nRecording: %s\n\n"
                  "Look at it with: hark ls, hark show @last, hark sql QUERY\n"
                  "Health: /livez /readyz /metrics   API: /api/v1/status (wants the token in %s/" //
                  CONTROL_TOKEN_NAME ")\n",
                  context->db_path, context->data_dir);
}

static void answer_livez(const struct route_context *context, const struct request *request,
                         struct reply *reply)
{
    (void)request;
    (void)context;
    reply_text(reply, "ok\n");
}

static void answer_readyz(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    (void)request;
    struct server_status status;
    server_get_status(context->server, &status);
    if (context->must_record && !status.is_recording)
        reply_problem(reply, 503, "hark is not recording", "%s", status.problem);
    else
        reply_text(reply, "ok\n");
}

static void answer_metrics(const struct route_context *context, const struct request *request,
                           struct reply *reply)
{
    (void)request;
    struct server_status status;
    server_get_status(context->server, &status);
    metrics_write(&status, &reply->body);
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void set_integer(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static void add_counters(json_t *object, const struct server_status *status)
{
    set_integer(object, "workers", status->workers);
    set_integer(object, "connections", status->connections);
    set_integer(object, "exchanges_in_flight", status->exchanges_in_flight);
    set_integer(object, "exchanges_total", status->exchanges_total);
    set_integer(object, "queue_bytes", status->queue_bytes);
    set_integer(object, "queue_limit_bytes", status->queue_limit_bytes);
    set_integer(object, "queue_stalls", status->queue_stalls);
    set_integer(object, "commits", status->commits);
    set_integer(object, "commit_last_us", status->commit_last_us);
    set_integer(object, "db_bytes", status->db_bytes);
    set_integer(object, "wal_bytes", status->wal_bytes);
    set_integer(object, "lost_exchanges", status->lost_exchanges);
    set_integer(object, "lost_bytes", status->lost_bytes);
    json_object_set_new(object, "is_recording", json_boolean(status->is_recording));
    json_object_set_new(object, "problem",
                        status->problem[0] ? json_string(status->problem) : json_null());
}

static void answer_status(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    (void)request;
    struct server_status status;
    server_get_status(context->server, &status);
    json_t *object = json_object();
    json_object_set_new(object, "version", json_string(HARK_VERSION));
    set_integer(object, "pid", getpid());
    set_integer(object, "session_id", status.session_id);
    set_integer(object, "started_us", status.started_us);
    set_integer(object, "uptime_us", clock_wall_us() - status.started_us);

    json_t *proxy = json_array();
    const char *address;
    for (size_t i = 0; (address = server_listen_address(context->server, i)); i++)
        json_array_append_new(proxy, json_sprintf("http://%s", address));
    json_object_set_new(object, "proxy", proxy);
    json_object_set_new(object, "page",
                        context->address ? json_sprintf("http://%s", context->address)
                                         : json_null());
    json_object_set_new(object, "db", json_string(context->db_path));
    json_object_set_new(object, "data_dir", json_string(context->data_dir));
    set_integer(object, "sessions", (int64_t)sessions_count(context->sessions, context->server));
    add_counters(object, &status);
    reply_json(reply, "application/json", object);
}

// --- sessions ------------------------------------------------------------------------------------

static void reply_session_problem(enum sessions_result result, const struct err *err,
                                  struct reply *reply)
{
    if (result == SESSIONS_FULL)
        reply_problem(reply, 503, "no more sessions are opened",
                      "Too many are open, or the daemon is ending; try again later.");
    else if (result == SESSIONS_UNKNOWN)
        reply_problem(reply, 404, "there is no such session or process", "It may have ended.");
    else
        reply_problem(reply, 500, "the session failed", "%s", err->text);
}

// {"command": "make test", "pid": 4711}; with a pid, the session ends when that process does.
static void answer_session_open(const struct route_context *context, const struct request *request,
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

static void answer_session_close(const struct route_context *context, const struct request *request,
                                 struct reply *reply)
{
    struct err err = {0};
    char *end;
    int64_t id = strtoll(request->argument, &end, 10);
    enum sessions_result result = SESSIONS_UNKNOWN;
    if (*request->argument && !*end)
        result = sessions_close(context->sessions, context->server, id, &err);
    if (result == SESSIONS_DONE)
        reply->status = 204;
    else
        reply_session_problem(result, &err, reply);
}

// --- the table -----------------------------------------------------------------------------------

static const struct route routes[] = {
    {"GET", "/", ROUTE_OPEN, answer_root},
    {"GET", "/livez", ROUTE_OPEN, answer_livez},
    {"GET", "/readyz", ROUTE_OPEN, answer_readyz},
    {"GET", "/metrics", ROUTE_OPEN, answer_metrics},
    {"GET", "/api/v1/status", ROUTE_TOKEN, answer_status},
    {"POST", "/api/v1/sessions", ROUTE_SOCKET, answer_session_open},
    {"DELETE", "/api/v1/sessions/*", ROUTE_SOCKET, answer_session_close},
};

// Up to where both paths are the same; NULL if the route is not for this path.
static const char *match_path(const struct route *route, const char *path)
{
    size_t fixed = strcspn(route->path, "*");
    if (strncmp(route->path, path, fixed) != 0)
        return NULL;
    bool is_whole = route->path[fixed] == '*' ? !strchr(path + fixed, '/') : !path[fixed];
    return is_whole ? path + fixed : NULL;
}

const struct route *route_find(const char *method, const char *path, const char **allow)
{
    const char *served = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *allow = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (!match_path(&routes[i], path))
            continue;
        if (strcmp(routes[i].method, served) == 0)
            return &routes[i];
        *allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
    }
    return NULL;
}

const char *route_argument(const struct route *route, const char *path)
{
    return match_path(route, path);
}
