// SPDX-License-Identifier: MIT
// Exchanges as they end, as server-sent events.
#include "answers.h"

#include "events.h"
#include "hark/store_follow.h"

static void refuse_position(const char *position, struct reply *reply)
{
    reply_problem(reply, 400, "this is no position",
                  "Last-Event-ID: %s: the id of an event of this stream is expected, or none.",
                  position);
}

static void join(const struct route_context *context, const struct events_wish *wish,
                 struct reply *reply)
{
    // The head goes out once it is settled where the events begin, so that a client that reads the
    // recording when it has the head misses nothing.
    reply->type = "text/event-stream";
    reply_hand_over(reply);
    if (events_join(context->events, wish, reply->stream))
        return;
    reply_take_back(reply);
    filter_destroy(wish->filter);
    reply_problem(reply, 503, "too many listen already",
                  "Streams of events are limited to %d; close one.", EVENTS_LISTENERS_MAX);
}

void events_answer_stream(const struct route_context *context, const struct request *request,
                          struct reply *reply)
{
    const char *text = request_parameter(request, "filter");
    struct events_wish wish = {
        .filter_text = text ? text : "",
        .position = request_header(request, "Last-Event-ID"),
    };
    if (wish.position && !store_follow_is_position(wish.position)) {
        refuse_position(wish.position, reply);
        return;
    }
    if (request_flag(request, "pending", &wish.with_pending, reply) < 0 ||
        request_filter(request, &wish.filter, reply) < 0)
        return;
    // Whoever asks for the head alone will not listen.
    if (!reply->is_head) {
        join(context, &wish, reply);
        return;
    }
    reply->type = "text/event-stream";
    filter_destroy(wish.filter);
}
