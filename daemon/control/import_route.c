// SPDX-License-Identifier: MIT
// Exchanges from a file that is sent, added to the recording.
#include "answers.h"

#include "hark/import.h"
#include "hark/mem.h"
#include "hark/server_import.h"

#include <stdlib.h>

#define PROBLEMS_MAX 10

struct route_import {
    struct reply *reply;
    struct server_import *import; // NULL until there is something to add
    struct server *server;
    const char *command;
    int64_t session_id;
    json_t *problems;
};

static int on_exchange(void *ctx, struct whole_exchange *exchange, struct err *err)
{
    struct route_import *route = ctx;
    if (reply_is_unwanted(route->reply)) {
        whole_exchange_destroy(exchange);
        return err_set(err, "nobody waits for it any more");
    }
    if (route->import == NULL) {
        route->import = server_import_begin(route->server, route->command);
        route->session_id = server_import_session(route->import);
    }
    return server_import_add(route->import, exchange, err);
}

static void on_invalid(void *ctx, const char *problem)
{
    const struct route_import *route = ctx;
    if (json_array_size(route->problems) < PROBLEMS_MAX)
        json_array_append_new(route->problems, json_string(problem));
}

static void reply_result(struct route_import *route, const struct import_result *result)
{
    reply_json(route->reply, "application/json",
               json_pack("{s:I, s:I, s:I, s:o, s:O}", "added", (json_int_t)result->added, "foreign",
                         (json_int_t)result->foreign, "invalid", (json_int_t)result->invalid,
                         "session_id",
                         route->session_id != 0 ? json_integer(route->session_id) : json_null(),
                         "problems", route->problems));
}

static void run(struct route_import *route, const struct import_options *options)
{
    struct import_result result;
    struct err err = {0};
    int outcome = import_read(options, &result, &err);
    if (route->import != NULL && server_import_end(route->import, &result.added, &err) != 0)
        outcome = -1;
    if (outcome == 0)
        reply_result(route, &result);
    else if (result.added == 0)
        reply_problem(route->reply, 422, "nothing was added", "%s", err.text);
    else
        reply_problem(route->reply, 507, "not all of it was added",
                      "%s; %lld exchanges were added before, as session %lld", err.text,
                      (long long)result.added, (long long)route->session_id);
}

void import_answer(const struct route_context *context, const struct request *request,
                   struct reply *reply)
{
    const char *name = request_parameter(request, "name");
    struct route_import route = {.reply = reply, .server = context->server};
    struct import_options options = {.fd = request->body_fd,
                                     .on_exchange = on_exchange,
                                     .on_invalid = on_invalid,
                                     .ctx = &route};
    if (request_flag(request, "skip_invalid", &options.skips_invalid, reply) < 0)
        return;
    if (options.fd < 0) {
        reply_problem(reply, 422, "nothing was added", "The file is empty.");
        return;
    }
    char *command = mem_printf("hark import %s", name != NULL ? name : "-");
    route.command = command;
    route.problems = json_array();
    run(&route, &options);
    json_decref(route.problems);
    free(command);
}
