// SPDX-License-Identifier: MIT
// What differs between two exchanges, as JSON.
#include "answers.h"

#include "hark/diff.h"
#include "hark/server.h"

struct writing {
    struct reply *reply;
    struct buffer json;
    bool has_some;
    bool is_unwanted;
};

static void on_difference(void *ctx, const struct difference *difference)
{
    struct writing *writing = ctx;
    if (writing->is_unwanted)
        return;
    buffer_append_text(&writing->json, writing->has_some ? ",\n" : "\n");
    difference_append_json(difference, &writing->json);
    writing->has_some = true;
    writing->is_unwanted = reply_write_buffer(writing->reply, &writing->json) < 0;
}

static int read_row(const struct request *request, const char *name, struct exchange_row **row,
                    struct reply *reply)
{
    const struct integer_range ids = {1, INT64_MAX, 0};
    struct err err = {0};
    int64_t id;
    if (request_integer(request, name, ids, &id, reply) < 0)
        return -1;
    if (id == 0) {
        reply_problem(reply, 400, "a parameter is missing",
                      "a and b are the numbers of two exchanges: ?a=12&b=15.");
        return -1;
    }
    enum store_found found = store_get_row(request->reader, id, row, &err);
    if (found == STORE_NOT_FOUND)
        reply_not_found(reply, id);
    else if (found == STORE_READ_ERROR)
        reply_read_problem(reply, &err);
    return found == STORE_FOUND ? 0 : -1;
}

static void compare(const struct request *request, const struct exchange_row *a,
                    const struct exchange_row *b, const struct diff_options *options,
                    struct reply *reply)
{
    struct writing writing = {.reply = reply};
    struct err err = {0};
    reply->type = "application/json";
    buffer_append_text(&writing.json, "{\"differences\":[");
    int result = exchange_diff(&(struct diff_exchange){request->reader, a},
                               &(struct diff_exchange){request->reader, b}, options, on_difference,
                               &writing, &err);
    buffer_printf(&writing.json, "],\n\"same\":%s}\n", result == 0 ? "true" : "false");
    if (result < 0)
        reply_read_problem(reply, &err);
    else if (!writing.is_unwanted)
        reply_write_buffer(reply, &writing.json);
    buffer_fini(&writing.json);
}

void diff_answer(const struct route_context *context, const struct request *request,
                 struct reply *reply)
{
    struct exchange_row *a = NULL;
    struct exchange_row *b = NULL;
    struct config *config = server_hold_config(context->server);
    struct diff_options options = {0};
    if (request_flag(request, "request", &options.has_request, reply) == 0 &&
        request_flag(request, "all_headers", &options.has_all_headers, reply) == 0 &&
        read_row(request, "a", &a, reply) == 0 && read_row(request, "b", &b, reply) == 0) {
        options.ignored_headers = config->diff_ignore_headers.items;
        options.ignored_count = options.has_all_headers ? 0 : config->diff_ignore_headers.count;
        compare(request, a, b, &options, reply);
    }
    row_destroy(a);
    row_destroy(b);
    config_release(config);
}
