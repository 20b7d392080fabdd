// SPDX-License-Identifier: MIT
// Counts, bytes and durations by host and status.
#include "answers.h"

#include "hark/rows.h"

struct rows {
    struct reply *reply;
    struct buffer json;
    int64_t count;
};

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct rows *rows = ctx;
    buffer_append_text(&rows->json, rows->count++ == 0 ? "\n" : ",\n");
    rows_append_json(&rows->json, count, names, values);
    return reply_write_buffer(rows->reply, &rows->json) < 0 ? 1 : 0;
}

void stats_answer(const struct route_context *context, const struct request *request,
                  struct reply *reply)
{
    (void)context;
    struct rows rows = {.reply = reply};
    struct filter *filter;
    struct err err = {0};
    if (request_filter(request, &filter, reply) < 0)
        return;
    reply->type = "application/json";
    buffer_append_text(&rows.json, "{\"stats\":[");
    int rc = store_stats(request->reader, filter, NULL, on_row, &rows, &err);
    buffer_append_text(&rows.json, "]}\n");
    if (rc < 0)
        reply_read_problem(reply, &err);
    else if (rc == 0)
        reply_write_buffer(reply, &rows.json);
    buffer_fini(&rows.json);
    filter_destroy(filter);
}
