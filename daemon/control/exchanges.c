// SPDX-License-Identifier: MIT
// Exchanges as JSON: the list, page by page, and one of them.
#include "answers.h"

#include "hark/rows.h"

#include <inttypes.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

// --- the list ------------------------------------------------------------------------------------

struct listing {
    struct reply *reply;
    struct buffer json; // of the row
    int64_t count;
    int64_t last_id;
};

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct listing *listing = ctx;
    buffer_append_text(&listing->json, listing->count++ == 0 ? "\n" : ",\n");
    rows_append_json(&listing->json, count, names, values);
    listing->last_id = values[0].integer;
    return reply_write_buffer(listing->reply, &listing->json) < 0 ? 1 : 0;
}

static int read_page(const struct request *request, struct store_list_options *options,
                     struct reply *reply)
{
    const struct integer_range limits = {1, LIMIT_MAX, LIMIT_DEFAULT};
    const struct integer_range ids = {1, INT64_MAX, 0};
    options->is_newest_first = true;
    options->is_wide = true;
    if (request_integer(request, "limit", limits, &options->limit, reply) < 0 ||
        request_integer(request, "before", ids, &options->before_id, reply) < 0 ||
        request_integer(request, "after", ids, &options->after_id, reply) < 0)
        return -1;
    return 0;
}

// `next` is where the page after this one begins: what to give as `before`.
static void list(const struct request *request, const struct store_list_options *options,
                 struct reply *reply)
{
    struct listing listing = {.reply = reply};
    struct err err = {0};
    reply->type = "application/json";
    buffer_append_text(&listing.json, "{\"exchanges\":[");
    int rc = store_list_traffic(request->reader, options, NULL, on_row, &listing, &err);
    bool is_full = listing.count == options->limit;
    buffer_append_text(&listing.json, "],\n\"next\":");
    if (is_full)
        buffer_printf(&listing.json, "%" PRId64 "}\n", listing.last_id);
    else
        buffer_append_text(&listing.json, "null}\n");
    if (rc < 0)
        reply_read_problem(reply, &err);
    else if (rc == 0)
        reply_write_buffer(reply, &listing.json);
    buffer_fini(&listing.json);
}

void exchanges_answer_list(const struct route_context *context, const struct request *request,
                           struct reply *reply)
{
    (void)context;
    struct store_list_options options = {0};
    struct filter *filter;
    if (read_page(request, &options, reply) < 0 || request_filter(request, &filter, reply) < 0)
        return;
    options.filter = filter;
    list(request, &options, reply);
    filter_destroy(filter);
}
