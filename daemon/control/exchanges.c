// SPDX-License-Identifier: MIT
// Exchanges as JSON: the list, page by page, and one of them.
#include "answers.h"

#include "hark/body_view.h"
#include "hark/exchange_view.h"
#include "hark/rows.h"

#include <inttypes.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000
#define CHUNKS_MAX    10000

// --- the list ------------------------------------------------------------------------------------

struct listing {
    struct reply *reply;
    struct buffer json; // of the row
    int64_t count;
    int64_t first_id;
    int64_t last_id;
};

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct listing *listing = ctx;
    if (listing->count == 0)
        listing->first_id = values[0].integer;
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
    const struct integer_range from_nothing = {0, INT64_MAX, 0};
    options->is_newest_first = true;
    options->is_wide = true;
    if (request_integer(request, "limit", limits, &options->limit, reply) < 0 ||
        request_integer(request, "before", ids, &options->before_id, reply) < 0 ||
        request_integer(request, "after", from_nothing, &options->after_id, reply) < 0 ||
        request_flag(request, "oldest", &options->is_oldest, reply) < 0)
        return -1;
    return 0;
}

// `next` is where the page after this one begins: what to give as `before`, or as `after` where the
// oldest are asked for.
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
        buffer_printf(&listing.json, "%" PRId64 "}\n",
                      options->is_oldest ? listing.first_id : listing.last_id);
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

// --- one of them ---------------------------------------------------------------------------------

struct detail {
    struct reply *reply;
    struct buffer json;
    int64_t count; // of the list that is being written
};

static int on_segment(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct detail *detail = ctx;
    buffer_printf(&detail->json, "%s[\"%s\",%" PRId64 ",%" PRId64 "]",
                  detail->count++ == 0 ? "" : ",", values[0].data, values[1].integer,
                  values[2].integer);
    return reply_write_buffer(detail->reply, &detail->json) < 0 ? 1 : 0;
}

static int on_message_count(void *ctx, size_t count, const char *const *names,
                            const struct value *values)
{
    (void)count;
    (void)names;
    struct detail *detail = ctx;
    buffer_printf(&detail->json, "%" PRId64, values[0].integer);
    return 0;
}

static int on_note(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct detail *detail = ctx;
    buffer_append_text(&detail->json, detail->count++ == 0 ? "" : ",");
    rows_append_json(&detail->json, count, names, values);
    return reply_write_buffer(detail->reply, &detail->json) < 0 ? 1 : 0;
}

static int add_body(struct detail *detail, const struct request *request,
                    const struct exchange_row *row, enum body_side side, struct err *err)
{
    struct buffer *json = &detail->json;
    const char *name = side == BODY_REQUEST ? "request_body" : "response_body";
    if (side == BODY_RESPONSE && row->status == 0) {
        buffer_printf(json, ",\n\"%s\":null", name);
        return 0;
    }
    struct body_view view;
    if (body_view_init(&view, request->reader, row, side, BODY_DECODED, err) < 0)
        return -1;
    buffer_printf(json,
                  ",\n\"%s\":{\"size\":%" PRId64 ",\"wire_size\":%" PRId64
                  ",\"is_text\":%s,\"truncated\":%s,\"problem\":",
                  name, view.shown_bytes, view.wire_bytes,
                  body_view_is_text(&view) ? "true" : "false", view.is_cut ? "true" : "false");
    if (view.problem.is_set)
        buffer_append_json_string(json, view.problem.text, strlen(view.problem.text));
    else
        buffer_append_text(json, "null");
    buffer_append_char(json, '}');
    body_view_fini(&view);
    return 0;
}

static int add_lists(struct detail *detail, const struct request *request, int64_t id,
                     struct err *err)
{
    struct buffer *json = &detail->json;
    buffer_append_text(json, ",\n\"chunks\":[");
    int rc = store_list_segments(request->reader, id, CHUNKS_MAX, on_segment, detail, err);
    buffer_append_text(json, "],\n\"message_count\":");
    if (rc == 0)
        rc = store_count_messages(request->reader, id, on_message_count, detail, err);
    buffer_append_text(json, ",\n\"notes\":[");
    detail->count = 0;
    if (rc == 0)
        rc = store_list_notes(request->reader, id, on_note, detail, err);
    buffer_append_text(json, "]}\n");
    return rc;
}

void exchanges_answer_one(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    (void)context;
    struct exchange_row *row;
    struct err err = {0};
    if (request_row(request, &row, reply) < 0)
        return;
    struct detail detail = {.reply = reply};
    reply->type = "application/json";
    buffer_append_char(&detail.json, '{');
    exchange_append_json(row, &detail.json);
    int rc = add_body(&detail, request, row, BODY_REQUEST, &err);
    if (rc == 0)
        rc = add_body(&detail, request, row, BODY_RESPONSE, &err);
    if (rc == 0)
        rc = add_lists(&detail, request, row->id, &err);
    if (rc < 0)
        reply_read_problem(reply, &err);
    else if (rc == 0)
        reply_write_buffer(reply, &detail.json);
    buffer_fini(&detail.json);
    row_destroy(row);
}
