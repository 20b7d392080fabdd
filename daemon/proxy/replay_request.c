// SPDX-License-Identifier: MIT
// The worker's part of a request that is sent again: an exchange without a client. Its request leg
// is fed from what the run offers, its delivery leg ends with the answer.
#include "replay_request.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

// --- life --------------------------------------------------------------------------------------

struct replay_request *replay_request_create(struct replay_mailbox *mailbox,
                                             struct exchange_row *recorded)
{
    struct replay_request *request = mem_calloc(1, sizeof(*request));
    atomic_init(&request->refs, 1);
    request->mailbox = mailbox;
    request->recorded = recorded;
    request->segment.seq = -1;
    return request;
}

void replay_request_unref(struct replay_request *request)
{
    if (atomic_fetch_sub(&request->refs, 1) > 1)
        return;
    chunk_unref(request->offered);
    chunk_unref(request->given);
    buffer_fini(&request->segment.data);
    row_destroy(request->recorded);
    row_destroy(request->row);
    free(request);
}

// --- mail --------------------------------------------------------------------------------------

static void mail(struct replay_request *request, enum replay_news news)
{
    struct replay_mailbox *mailbox = request->mailbox;
    pthread_mutex_lock(&mailbox->mutex);
    bool was_empty = mailbox->first == NULL;
    bool is_listed = request->news != 0;
    request->news |= news;
    if (!is_listed) {
        request->next = NULL;
        if (was_empty)
            mailbox->first = request;
        else
            mailbox->last->next = request;
        mailbox->last = request;
    }
    // Under the mutex: with the last mail the run may end, and the mailbox with it.
    if (was_empty)
        eventfd_write(mailbox->wake_fd, 1);
    pthread_mutex_unlock(&mailbox->mutex);
}

// --- the request leg ---------------------------------------------------------------------------

static void take_offer(struct replay_request *request)
{
    request->given = request->offered;
    request->is_last_given = request->is_last_offered;
    request->offered = NULL;
    request->is_awaiting = false;
}

static void ask_for_more(struct replay_request *request)
{
    if (request->is_last_given || request->is_awaiting)
        return;
    request->is_awaiting = true;
    mail(request, NEWS_WANTS_BODY);
}

static void feed(struct exchange *exchange)
{
    struct replay_request *request = exchange->replay;
    if (exchange->request != LEG_BODY || exchange->client.phase != CLIENT_BODY ||
        request->is_awaiting || !exchange_wants_request_data(exchange))
        return;
    struct chunk *chunk = request->given;
    request->given = NULL;
    // The next one is read while this one is sent.
    ask_for_more(request);
    if (chunk != NULL)
        exchange_request_data(exchange, chunk->data, chunk->length);
    chunk_unref(chunk);
    if (request->is_last_given)
        exchange_request_end(exchange);
}

// A client that had asked for it would wait, too.
static void begin_body(struct exchange *exchange)
{
    bool must_wait = exchange->response == LEG_IDLE &&
                     strcmp(exchange->row->request_version, "HTTP/1.0") != 0 &&
                     fields_list_has(&exchange->row->request_headers, "Expect", "100-continue");
    exchange->client.phase = must_wait ? CLIENT_EXPECT : CLIENT_BODY;
    if (must_wait)
        exchange_expects_continue(exchange);
}

// --- calls on the worker -------------------------------------------------------------------------

static void fill_row(struct exchange *exchange, const struct replay_request *request)
{
    const struct replay_message *message = &request->message;
    struct exchange_row *row = exchange->row;
    row->source = ROW_SOURCE_REPLAY;
    row->replay_of = request->recorded->id;
    row->method = arena_strdup(&row->arena, message->method);
    row->request_version = message->version;
    fields_copy(&row->request_headers, &row->arena, &message->headers);
    fields_copy(&row->request_trailers, &row->arena, &message->trailers);
    exchange->request_target = arena_strdup(&row->arena, message->target);
    row->path = exchange->request_target;
}

// The reference that came with the call is the exchange's from here on.
static void on_begin(struct worker *worker, void *ctx)
{
    struct replay_request *request = ctx;
    struct exchange *exchange = exchange_create(worker, NULL, request->session_id);
    request->exchange = exchange;
    exchange->replay = request;
    take_offer(request);
    fill_row(exchange, request);
    flow_drop_reader(&exchange->download);
    exchange_set_route(exchange, &request->message.route);
    exchange_request_head(exchange);
    if (exchange->request == LEG_BODY)
        begin_body(exchange);
}

static void on_give(struct worker *worker, void *ctx)
{
    struct replay_request *request = ctx;
    if (request->exchange != NULL) {
        take_offer(request);
        worker_mark_ready(worker, request->exchange);
    }
    replay_request_unref(request);
}

static void on_abort(struct worker *worker, void *ctx)
{
    struct replay_request *request = ctx;
    (void)worker;
    if (request->exchange != NULL) {
        exchange_set_outcome(request->exchange, ROW_STATE_INTERRUPTED, NULL,
                             "the replay was stopped");
        exchange_abort(request->exchange);
    }
    replay_request_unref(request);
}

static void post(struct replay_request *request, void (*call)(struct worker *, void *))
{
    atomic_fetch_add(&request->refs, 1);
    worker_post(request->worker,
                &(struct inbox_item){.kind = INBOX_CALL, .call = call, .call_ctx = request});
}

void replay_request_begin(struct replay_request *request)
{
    post(request, on_begin);
}

void replay_request_give(struct replay_request *request)
{
    post(request, on_give);
}

void replay_request_abort(struct replay_request *request)
{
    post(request, on_abort);
}

// --- from the exchange ---------------------------------------------------------------------------

void replay_request_advance(struct exchange *exchange)
{
    struct replay_request *request = exchange->replay;
    if (exchange->client.phase == CLIENT_EXPECT && exchange->may_continue)
        exchange->client.phase = CLIENT_BODY;
    feed(exchange);
    if (!leg_has_ended(exchange->response) || exchange->source_ops != NULL)
        return;
    exchange_delivered(exchange);
    if (!request->has_ended)
        mail(request, NEWS_ENDED);
    request->has_ended = true;
}

void replay_request_let_go(struct exchange *exchange)
{
    struct replay_request *request = exchange->replay;
    if (!request->has_ended)
        mail(request, NEWS_ENDED);
    request->has_ended = true;
    request->exchange = NULL;
    request->row = exchange->row;
    request->is_recorded = exchange->journal.final == FINAL_COMMITTED && !exchange->journal.is_off;
    exchange->row = NULL;
    exchange->replay = NULL;
    mail(request, NEWS_WRITTEN);
    replay_request_unref(request);
}
