// SPDX-License-Identifier: MIT
// The messages of a WebSocket, page by page. Each page reads them from the first on, since a
// compressed one cannot be read without those before it.
#include "answers.h"

#include "hark/exchange_view.h"

#include <inttypes.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

struct page {
    struct reply *reply;
    struct buffer json;
    int64_t after;
    int64_t limit;
    int64_t count;
    int64_t last_seq;
    bool has_more;
    bool is_unwanted;
};

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    (void)row;
    struct page *page = ctx;
    if (message->seq <= page->after)
        return 0;
    page->has_more = page->count == page->limit;
    if (page->has_more)
        return -1;
    buffer_append_text(&page->json, page->count++ == 0 ? "\n" : ",\n");
    message_append_json(message, &page->json);
    page->last_seq = message->seq;
    page->is_unwanted = reply_write_buffer(page->reply, &page->json) < 0;
    return page->is_unwanted ? -1 : 0;
}

static const struct exchange_writer page_stops = {.on_message = on_message};

static void write_page(const struct request *request, const struct exchange_row *row,
                       struct page *page)
{
    struct err err = {0};
    page->reply->type = "application/json";
    buffer_append_text(&page->json, "{\"messages\":[");
    if (row->kind == ROW_KIND_WEBSOCKET)
        exchange_walk_messages(request->reader, row, &page_stops, page, &err);
    buffer_append_text(&page->json, "],\n\"next\":");
    if (page->has_more)
        buffer_printf(&page->json, "%" PRId64 "}\n", page->last_seq);
    else
        buffer_append_text(&page->json, "null}\n");
    if (err.is_set)
        reply_read_problem(page->reply, &err);
    else if (!page->is_unwanted)
        reply_write_buffer(page->reply, &page->json);
    buffer_fini(&page->json);
}

void messages_answer_list(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    (void)context;
    const struct integer_range limits = {1, LIMIT_MAX, LIMIT_DEFAULT};
    const struct integer_range seqs = {0, INT64_MAX, -1};
    struct page page = {.reply = reply};
    struct exchange_row *row;
    if (request_integer(request, "limit", limits, &page.limit, reply) < 0 ||
        request_integer(request, "after", seqs, &page.after, reply) < 0 ||
        request_row(request, &row, reply) < 0)
        return;
    write_page(request, row, &page);
    row_destroy(row);
}
