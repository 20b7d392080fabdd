// SPDX-License-Identifier: MIT
// How hark is: for people, for supervisors, for Prometheus, for hark's own commands.
#include "answers.h"

#include "hark/clock.h"
#include "hark/version.h"
#include "metrics.h"
#include "sessions.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

void health_answer_root(const struct route_context *context, const struct request *request,
                        struct reply *reply)
{
    (void)request;
    reply_text(reply, "hark " HARK_VERSION ", a flight recorder for HTTP.\n\nProxy:     ");
    server_append_addresses(context->server, " ", &reply->body);
    buffer_printf(&reply->body,
                  "\nRecording: %s\n\n"
                  "Look at it with: hark ls, hark show @last, hark sql QUERY\n"
                  "Health: /livez /readyz /metrics   API: /api/v1/status (wants the token in %s/" //
                  CONTROL_TOKEN_NAME ")\n",
                  context->db_path, context->data_dir);
}

void health_answer_livez(const struct route_context *context, const struct request *request,
                         struct reply *reply)
{
    (void)request;
    (void)context;
    reply_text(reply, "ok\n");
}

void health_answer_readyz(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    (void)request;
    struct server_status status;
    server_get_status(context->server, &status);
    if (!status.is_ready)
        reply_problem(reply, 503, "hark is not ready", "%s", status.not_ready);
    else
        reply_text(reply, "ok\n");
}

void health_answer_metrics(const struct route_context *context, const struct request *request,
                           struct reply *reply)
{
    (void)request;
    struct server_status status;
    server_get_status(context->server, &status);
    struct server_counts counts;
    server_get_counts(context->server, &counts);
    metrics_write(&status, &counts, &reply->body);
    reply->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void set_integer(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static json_t *text_or_null(const char *text)
{
    return *text ? json_string(text) : json_null();
}

static void add_counters(json_t *object, const struct server_status *status)
{
    set_integer(object, "workers", status->workers);
    set_integer(object, "connections", status->connections);
    set_integer(object, "refused_forbidden", status->refused_forbidden);
    set_integer(object, "refused_per_client", status->refused_per_client);
    set_integer(object, "refused_overload", status->refused_overload);
    set_integer(object, "failed_logins", status->failed_logins);
    json_object_set_new(object, "wants_login", json_boolean(status->wants_login));
    set_integer(object, "exchanges_in_flight", status->exchanges_in_flight);
    set_integer(object, "exchanges_total", status->exchanges_total);
    set_integer(object, "exchanges_ignored", status->ignored);
    set_integer(object, "queue_bytes", status->queue_bytes);
    set_integer(object, "queue_limit_bytes", status->queue_limit_bytes);
    set_integer(object, "queue_stalls", status->queue_stalls);
    set_integer(object, "commits", status->commits);
    set_integer(object, "commit_last_us", status->commit_last_us);
    set_integer(object, "db_bytes", status->db_bytes);
    set_integer(object, "wal_bytes", status->wal_bytes);
    set_integer(object, "lost_exchanges", status->lost_exchanges);
    set_integer(object, "lost_bytes", status->lost_bytes);
    set_integer(object, "keep_age_ms", status->keep_age_ms);
    set_integer(object, "keep_bytes", status->keep_bytes);
    set_integer(object, "retired_exchanges", status->retired_exchanges);
    set_integer(object, "retired_bytes", status->retired_bytes);
    json_object_set_new(object, "is_over_keep_bytes", json_boolean(status->is_over_keep_bytes));
    json_object_set_new(object, "is_crowded", json_boolean(status->is_crowded));
    set_integer(object, "cut_bodies", status->cut_bodies);
    json_object_set_new(object, "mode", json_string(status->mode));
    set_integer(object, "played_back", status->played_back);
    set_integer(object, "playback_misses", status->playback_misses);
    json_object_set_new(object, "is_recording", json_boolean(status->is_recording));
    json_object_set_new(object, "problem", text_or_null(status->problem));
    json_object_set_new(object, "is_ready", json_boolean(status->is_ready));
    json_object_set_new(object, "not_ready",
                        status->is_ready ? json_null() : json_string(status->not_ready));
    json_object_set_new(object, "is_ending", json_boolean(status->is_draining));
}

static json_t *addresses_of(struct server *server)
{
    json_t *addresses = json_array();
    struct buffer text = {0};
    server_append_addresses(server, " ", &text);
    char *rest = text.data;
    for (char *address; (address = strsep(&rest, " "));)
        json_array_append_new(addresses, json_string(address));
    buffer_fini(&text);
    return addresses;
}

static json_t *reload_of(struct server *server)
{
    struct server_reload reload;
    server_get_reload(server, &reload);
    if (reload.count == 0)
        return json_null();
    json_t *object = json_object();
    set_integer(object, "count", reload.count);
    set_integer(object, "at_us", reload.at_us);
    json_object_set_new(object, "changed", json_string(reload.changed));
    json_object_set_new(object, "waiting", json_string(reload.waiting));
    json_object_set_new(object, "problem", text_or_null(reload.problem));
    return object;
}

static json_t *reverse_of(struct server *server)
{
    json_t *list = json_array();
    struct server_reverse reverse;
    for (size_t i = 0; server_reverse_address(server, i, &reverse); i++)
        json_array_append_new(
            list, json_pack("{s: o, s: o}", "address", json_sprintf("http://%s", reverse.address),
                            "origin", json_sprintf("%s://%s", reverse.scheme, reverse.authority)));
    return list;
}

void health_answer_status(const struct route_context *context, const struct request *request,
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

    json_object_set_new(object, "proxy", addresses_of(context->server));
    json_object_set_new(object, "reverse", reverse_of(context->server));
    char page[CONTROL_ADDRESS_MAX];
    bool has_page = control_get_address(context->control, page);
    json_object_set_new(object, "page", has_page ? json_sprintf("http://%s", page) : json_null());
    json_object_set_new(object, "db", json_string(context->db_path));
    json_object_set_new(object, "data_dir", json_string(context->data_dir));
    set_integer(object, "sessions", (int64_t)sessions_count(context->sessions, context->server));
    add_counters(object, &status);
    json_object_set_new(object, "reload", reload_of(context->server));
    reply_json(reply, "application/json", object);
}
