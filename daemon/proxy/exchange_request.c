// SPDX-License-Identifier: MIT
// The request leg: from the client, or from the recording, to the source.
#include "exchange_private.h"

#include "hark/clock.h"
#include "ignoring.h"
#include "local.h"
#include "request_limit.h"
#include "routing.h"

// How long 100 Continue is waited for before the body is sent without it, as libcurl does.
#define CONTINUE_WAIT_US ((int64_t)1000000)

static void describe_request(struct exchange *exchange)
{
    struct exchange_row *row = exchange->row;
    const struct target *target = &exchange->target;
    row->scheme = target->scheme;
    row->host = target->host;
    row->port = target->port;
    row->path = target->path;
    row->query = target->query;
    row->request_type = media_type(&row->request_headers, &row->arena);
}

void exchange_start(struct exchange *exchange)
{
    exchange->is_start_held = !recorder_has_room(exchange->worker->recorder);
    if (!exchange->is_start_held && login_admits(exchange))
        routing_start(exchange);
}

void exchange_set_route(struct exchange *exchange, const struct route *route)
{
    struct arena *arena = &exchange->row->arena;
    struct route *copy = arena_alloc(arena, sizeof(*copy));
    *copy = (struct route){.scheme = route->scheme,
                           .authority = arena_strdup(arena, route->authority),
                           .host = arena_strdup(arena, route->host),
                           .port = route->port,
                           .protocol = route->protocol,
                           .sni = arena_strdup(arena, route->sni),
                           .is_reverse = route->is_reverse,
                           .listen_port = route->listen_port};
    exchange->route = copy;
    exchange->row->sni = copy->sni;
}

void exchange_request_head(struct exchange *exchange)
{
    struct exchange_row *row = exchange->row;
    struct err err = {0};
    leg_move(exchange, &exchange->request, LEG_HEAD);
    struct request_head head = {.method = row->method,
                                .target = exchange->request_target,
                                .version = row->request_version,
                                .fields = &row->request_headers};
    int status = request_head_check(&head, &exchange->request_length, &err);
    if (status == 0)
        status = target_parse(&exchange->target, &row->arena, row->method, exchange->request_target,
                              &err);
    if (status == 0 && exchange->route != NULL)
        status = routing_apply_route(exchange, &err);
    if (status != 0) {
        leg_move(exchange, &exchange->request, LEG_FAILED);
        local_answer_error(exchange, status, "bad-request", err.text);
        return;
    }
    describe_request(exchange);
    ignoring_judge(exchange, FILTER_AT_REQUEST);
    bool has_body = exchange->request_length != 0;
    leg_move(exchange, &exchange->request, has_body ? LEG_BODY : LEG_DONE);
    if (!has_body)
        exchange_end_upload(exchange);
    if (request_limit_allows(exchange, exchange->request_length))
        exchange_start(exchange);
}

void exchange_request_misframed(struct exchange *exchange)
{
    leg_move(exchange, &exchange->request, LEG_FAILED);
    local_answer_error(exchange, 400, "bad-request",
                       "white space after the value of Transfer-Encoding");
}

void exchange_request_refused(struct exchange *exchange, int status, const char *code,
                              const char *reason)
{
    if (exchange->journal.final != FINAL_NOT_SENT)
        return; // it was aborted before, and its row has gone to the recorder
    leg_fail(exchange, &exchange->request);
    leg_fail(exchange, &exchange->response);
    leg_fail(exchange, &exchange->delivery);
    exchange->row->status = status;
    exchange->ended_us = clock_monotonic_us();
    exchange_set_outcome(exchange, ROW_STATE_DONE, code, reason);
}

void exchange_request_malformed(struct exchange *exchange, int status, const char *reason)
{
    if (exchange->delivery != LEG_IDLE || exchange->journal.final != FINAL_NOT_SENT)
        return;
    exchange->row->status = status;
    exchange_set_outcome(exchange, ROW_STATE_DONE, "bad-request", reason);
}

void exchange_end_upload(struct exchange *exchange)
{
    if (exchange->upload.is_ended)
        return;
    flow_end(&exchange->upload);
    journal_end_body(exchange, BODY_REQUEST);
}

void exchange_request_data(struct exchange *exchange, const void *data, size_t length)
{
    if (exchange->request != LEG_BODY ||
        !request_limit_allows(exchange, exchange->upload.total_bytes + (int64_t)length))
        return;
    struct worker *worker = exchange->worker;
    size_t hint = exchange->request_length > 0 ? (size_t)exchange->request_length : 0;
    exchange->active_us = clock_monotonic_us();
    flow_append(&exchange->upload, data, length, hint, exchange->active_us);
    worker_tick_by(worker, exchange->active_us + FLOW_AGE_US);
    worker_mark_ready(worker, exchange);
    if (exchange->source_ops != NULL)
        exchange->source_ops->more_request(exchange->source);
}

void exchange_request_end(struct exchange *exchange)
{
    if (exchange->request != LEG_BODY)
        return;
    exchange->active_us = clock_monotonic_us();
    if (exchange->waiting_us != 0)
        exchange_connected(exchange);
    exchange_end_upload(exchange);
    leg_move(exchange, &exchange->request, LEG_DONE);
    if (exchange->source_ops != NULL)
        exchange->source_ops->more_request(exchange->source);
}

bool exchange_wants_request_data(const struct exchange *exchange)
{
    return !flow_is_full(&exchange->upload) && recorder_has_room(exchange->worker->recorder) &&
           !journal_is_behind(exchange, BODY_REQUEST);
}

void exchange_connected(struct exchange *exchange)
{
    exchange->waiting_us = clock_monotonic_us();
    worker_tick_by(exchange->worker,
                   exchange->waiting_us + exchange->config->header_timeout_ms * 1000);
}

size_t exchange_take_request_data(struct exchange *exchange, void *buffer, size_t size)
{
    size_t taken = flow_read(&exchange->upload, buffer, size);
    if (taken > 0) {
        exchange->active_us = clock_monotonic_us();
        worker_mark_ready(exchange->worker, exchange);
    }
    return taken;
}

void exchange_expects_continue(struct exchange *exchange)
{
    exchange->continue_us = clock_monotonic_us() + CONTINUE_WAIT_US;
    worker_tick_by(exchange->worker, exchange->continue_us);
}

void exchange_continue(struct exchange *exchange)
{
    exchange->continue_us = 0;
    exchange->may_continue = true;
    worker_mark_ready(exchange->worker, exchange);
}
