// SPDX-License-Identifier: MIT
// The life of an exchange: its legs, and what each event does to them. Events only change state
// and mark the exchange ready; what follows for the client is done by exchange_advance(), from the
// worker's loop, so that libcurl's and libmicrohttpd's callbacks never run inside each other.
#include "exchange.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "ignoring.h"
#include "local.h"
#include "playback.h"
#include "replay_request.h"
#include "request_limit.h"
#include "routing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// How long 100 Continue is waited for before the body is sent without it, as libcurl does.
#define CONTINUE_WAIT_US ((int64_t)1000000)

// --- legs --------------------------------------------------------------------------------------

static const char *const leg_state_names[] = {"idle", "head", "body", "done", "failed"};

bool leg_has_ended(enum leg_state state)
{
    return state == LEG_DONE || state == LEG_FAILED;
}

// The one place where a leg moves.
static void leg_move(struct exchange *exchange, enum leg_state *leg, enum leg_state to)
{
    const char *name = leg == &exchange->request    ? "request"
                       : leg == &exchange->response ? "response"
                                                    : "delivery";
    assert(!leg_has_ended(*leg) && to > *leg);
    log_debug(exchange->worker->log, "exchange", "#%" PRId64 " %s: %s to %s",
              exchange->row == NULL ? 0 : exchange->row->id, name, leg_state_names[*leg],
              leg_state_names[to]);
    *leg = to;
    worker_mark_ready(exchange->worker, exchange);
}

static void leg_fail(struct exchange *exchange, enum leg_state *leg)
{
    if (!leg_has_ended(*leg))
        leg_move(exchange, leg, LEG_FAILED);
}

// --- creation and end --------------------------------------------------------------------------

static void on_upload_sealed(void *ctx, struct chunk *chunk)
{
    journal_add_chunk(ctx, BODY_REQUEST, chunk);
}

static void on_download_sealed(void *ctx, struct chunk *chunk)
{
    journal_add_chunk(ctx, BODY_RESPONSE, chunk);
}

static void link_live(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    exchange->next = worker->live;
    if (worker->live != NULL)
        worker->live->previous = exchange;
    worker->live = exchange;
    atomic_fetch_add_explicit(&worker->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&worker->exchanges_total, 1, memory_order_relaxed);
}

static void unlink_live(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    if (exchange->previous != NULL)
        exchange->previous->next = exchange->next;
    else
        worker->live = exchange->next;
    if (exchange->next != NULL)
        exchange->next->previous = exchange->previous;
    atomic_fetch_sub_explicit(&worker->in_flight, 1, memory_order_relaxed);
}

struct exchange *exchange_create(struct worker *worker, const char *client_addr, int64_t session_id)
{
    struct exchange *exchange = mem_calloc(1, sizeof(*exchange));
    exchange->worker = worker;
    exchange->config = config_retain(worker->config);
    exchange->started_us = clock_monotonic_us();
    exchange->active_us = exchange->started_us;
    exchange->journal.is_off =
        worker->config->mode == CONFIG_MODE_OFF || config_is_read_only(worker->config);
    exchange->ignore = ignoring_current(worker);
    exchange->row = row_create();
    exchange->row->id = recorder_next_id(worker->recorder);
    exchange->row->session_id = session_id;
    exchange->row->started_us = clock_wall_us();
    exchange->row->client_addr = arena_strdup(&exchange->row->arena, client_addr);
    flow_init(&exchange->upload, exchange->started_us, on_upload_sealed, exchange);
    flow_init(&exchange->download, exchange->started_us, on_download_sealed, exchange);
    link_live(exchange);
    worker_tick_by(worker, exchange->started_us + JOURNAL_PENDING_AFTER_US);
    return exchange;
}

static void destroy(struct exchange *exchange)
{
    assert(exchange->source_ops == NULL && exchange->client.connection == NULL);
    if (exchange->replay != NULL)
        replay_request_let_go(exchange);
    login_wait_cancel(&exchange->login.wait);
    unlink_live(exchange);
    upgrade_destroy(exchange);
    flow_fini(&exchange->upload);
    flow_fini(&exchange->download);
    journal_fini(&exchange->journal);
    ignoring_release(exchange->ignore);
    row_destroy(exchange->row);
    config_release(exchange->config);
    free(exchange);
}

void exchange_set_outcome(struct exchange *exchange, enum row_state state, const char *code,
                          const char *text)
{
    struct exchange_row *row = exchange->row;
    bool is_lent = exchange->journal.final == FINAL_WAITING;
    if (row == NULL || is_lent || row->state != ROW_STATE_PENDING)
        return;
    row->state = state;
    row->error = arena_strdup(&row->arena, code);
    if (text != NULL)
        row->error_text = arena_strdup(&row->arena, text);
}

bool exchange_waits_for_commit(const struct exchange *exchange)
{
    bool is_awaited = exchange->config->durability != CONFIG_DURABILITY_RELAXED;
    return (is_awaited || exchange->replay != NULL) && !exchange->journal.is_off;
}

static void end_upload(struct exchange *exchange)
{
    if (exchange->upload.is_ended)
        return;
    flow_end(&exchange->upload);
    journal_end_body(exchange, BODY_REQUEST);
}

// A client that waits for 100 Continue and gets the answer instead sends no body; of one that got
// an early answer, what it still sends is of no use to anybody.
static void end_unsent_request(struct exchange *exchange)
{
    bool is_unsent = exchange->client.phase == CLIENT_EXPECT || exchange->client.early != NULL;
    if (!is_unsent || !leg_has_ended(exchange->response))
        return;
    end_upload(exchange);
    leg_fail(exchange, &exchange->request);
}

// The final row is due when request and response have ended; where nobody waits for it, it also
// tells how the delivery went.
static void finish_when_due(struct exchange *exchange)
{
    end_unsent_request(exchange);
    if (exchange->journal.final != FINAL_NOT_SENT || !leg_has_ended(exchange->request) ||
        !leg_has_ended(exchange->response))
        return;
    if (!leg_has_ended(exchange->delivery) && !exchange_waits_for_commit(exchange))
        return;
    exchange_set_outcome(exchange, ROW_STATE_DONE, NULL, NULL);
    exchange->row->request_size = exchange->upload.total_bytes;
    exchange->row->response_size = exchange->download.total_bytes;
    exchange->row->duration_us = exchange->ended_us - exchange->started_us;
    ignoring_judge(exchange, FILTER_AT_END);
    if (exchange->playback_head != 0)
        playback_learn(exchange);
    counters_note_end(&exchange->worker->counters, exchange->row);
    journal_finish(exchange);
}

static bool is_over(const struct exchange *exchange)
{
    return leg_has_ended(exchange->request) && leg_has_ended(exchange->response) &&
           leg_has_ended(exchange->delivery) && exchange->client.connection == NULL &&
           exchange->source_ops == NULL && exchange->journal.final >= FINAL_COMMITTED;
}

// --- the request leg ---------------------------------------------------------------------------

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
        end_upload(exchange);
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

// --- tunnels -----------------------------------------------------------------------------------

void exchange_tunnel_begin(struct exchange *exchange, const struct route *route)
{
    struct exchange_row *row = exchange->row;
    exchange_set_route(exchange, route);
    row->kind = ROW_KIND_TUNNEL;
    row->method = "CONNECT";
    row->request_version = route->protocol;
    row->host = exchange->route->host;
    row->port = exchange->route->port;
    row->status = 200;
    ignoring_judge(exchange, FILTER_AT_REQUEST);
}

void exchange_count_relayed(struct exchange *exchange, enum body_side side, size_t length)
{
    struct flow *flow = side == BODY_REQUEST ? &exchange->upload : &exchange->download;
    flow->total_bytes += (int64_t)length;
}

void exchange_tunnel_end(struct exchange *exchange, enum row_state state, const char *code,
                         const char *text)
{
    leg_fail(exchange, &exchange->request);
    leg_fail(exchange, &exchange->response);
    leg_fail(exchange, &exchange->delivery);
    exchange->ended_us = clock_monotonic_us();
    exchange_set_outcome(exchange, state, code, text);
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
    end_upload(exchange);
    leg_move(exchange, &exchange->request, LEG_DONE);
    if (exchange->source_ops != NULL)
        exchange->source_ops->more_request(exchange->source);
}

bool exchange_wants_request_data(const struct exchange *exchange)
{
    return !flow_is_full(&exchange->upload) && recorder_has_room(exchange->worker->recorder);
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

// --- the response leg --------------------------------------------------------------------------

void exchange_attach(struct exchange *exchange, const struct source_ops *ops, void *source)
{
    assert(exchange->source_ops == NULL);
    exchange->source_ops = ops;
    exchange->source = source;
}

void exchange_detach_source(struct exchange *exchange)
{
    exchange->source_ops = NULL;
    exchange->source = NULL;
    // Whoever still uploads does so for the recording alone.
    flow_drop_reader(&exchange->upload);
    worker_mark_ready(exchange->worker, exchange);
}

void exchange_give_up_source(struct exchange *exchange)
{
    exchange->source_ops = NULL;
    exchange->source = NULL;
    exchange->upload.hold_bytes = 0;
}

static void abort_source(struct exchange *exchange)
{
    const struct source_ops *ops = exchange->source_ops;
    void *source = exchange->source;
    if (ops == NULL)
        return;
    exchange_detach_source(exchange);
    ops->detach(source);
}

// Puts another entry in the place of the closing bracket. The room in the arena doubles, so that a
// flood of them does not cost a copy each.
static void append_interim(struct exchange *exchange, const struct buffer *entry)
{
    struct exchange_row *row = exchange->row;
    size_t kept = exchange->interim_length > 0 ? exchange->interim_length - 1 : 0;
    size_t needed = kept + entry->length + 1;
    if (needed > exchange->interim_capacity) {
        char *larger = arena_alloc(&row->arena, 2 * needed);
        if (kept > 0)
            memcpy(larger, row->interim, kept);
        exchange->interim = larger;
        exchange->interim_capacity = 2 * needed;
    }
    memcpy(exchange->interim + kept, entry->data, entry->length + 1);
    exchange->interim_length = kept + entry->length;
    row->interim = exchange->interim;
}

void exchange_interim(struct exchange *exchange, const struct response_head *head)
{
    struct buffer entry = {0};
    buffer_printf(&entry, "%s{\"status\":%d,\"headers\":", exchange->interim_length > 0 ? "," : "[",
                  head->status);
    fields_to_json(&head->fields, &entry);
    buffer_append_text(&entry, "}]");
    append_interim(exchange, &entry);
    buffer_fini(&entry);
    exchange->active_us = clock_monotonic_us();
    if (head->status != 100)
        client_send_interim(exchange, head);
}

void exchange_response_head(struct exchange *exchange, const struct response_head *head,
                            int64_t body_length)
{
    struct exchange_row *row = exchange->row;
    row->status = head->status;
    row->reason = head->reason;
    row->response_version = head->version;
    row->response_headers = head->fields;
    row->response_type = media_type(&row->response_headers, &row->arena);
    row->response_encoding = content_encoding(&row->response_headers, &row->arena);
    exchange->response_length = body_length;
    exchange->active_us = clock_monotonic_us();
    exchange->waiting_us = 0;
    exchange->answered_us = exchange->active_us;
    if (!leg_has_ended(exchange->request))
        worker_tick_by(exchange->worker, exchange->answered_us + EARLY_ANSWER_US);
    leg_move(exchange, &exchange->response, LEG_HEAD);
    leg_move(exchange, &exchange->response, LEG_BODY);
    ignoring_judge(exchange, FILTER_AT_ANSWER);
    journal_update(exchange);
}

bool exchange_has_room(struct exchange *exchange)
{
    bool has_room =
        !flow_is_full(&exchange->download) && recorder_has_room(exchange->worker->recorder);
    exchange->source_paused = !has_room;
    return has_room;
}

void exchange_response_data(struct exchange *exchange, const void *data, size_t length)
{
    assert(exchange->response == LEG_BODY);
    struct worker *worker = exchange->worker;
    size_t hint = exchange->response_length > 0 ? (size_t)exchange->response_length : 0;
    exchange->active_us = clock_monotonic_us();
    flow_append(&exchange->download, data, length, hint, exchange->active_us);
    worker_tick_by(worker, exchange->active_us + FLOW_AGE_US);
    worker_mark_ready(worker, exchange);
}

static void end_response(struct exchange *exchange, enum leg_state state)
{
    exchange->ended_us = clock_monotonic_us();
    exchange->waiting_us = 0;
    if (!exchange->download.is_ended)
        flow_end(&exchange->download);
    journal_end_body(exchange, BODY_RESPONSE);
    leg_move(exchange, &exchange->response, state);
}

void exchange_response_end(struct exchange *exchange)
{
    end_response(exchange, LEG_DONE);
}

void exchange_response_fail(struct exchange *exchange, int status, const char *code,
                            const char *text)
{
    if (leg_has_ended(exchange->response))
        return;
    abort_source(exchange);
    if (exchange->response == LEG_IDLE) {
        local_answer_error(exchange, status, code, text);
        return;
    }
    exchange_set_outcome(exchange, ROW_STATE_TRUNCATED, code, text);
    end_response(exchange, LEG_FAILED);
}

// --- the delivery ------------------------------------------------------------------------------

bool exchange_can_deliver(const struct exchange *exchange)
{
    if (exchange->response < LEG_BODY || exchange->delivery != LEG_IDLE)
        return false;
    return exchange->response == LEG_BODY || exchange_may_finish(exchange);
}

bool exchange_must_answer_early(const struct exchange *exchange)
{
    if (exchange->response < LEG_BODY || exchange->delivery != LEG_IDLE)
        return false;
    return flow_is_full(&exchange->download) ||
           clock_monotonic_us() >= exchange->answered_us + EARLY_ANSWER_US;
}

bool exchange_may_finish(const struct exchange *exchange)
{
    return !exchange_waits_for_commit(exchange) || exchange->journal.final == FINAL_COMMITTED;
}

void exchange_delivery_begun(struct exchange *exchange)
{
    leg_move(exchange, &exchange->delivery, LEG_HEAD);
    leg_move(exchange, &exchange->delivery, LEG_BODY);
}

static void resume_source(struct exchange *exchange)
{
    if (!exchange->source_paused || exchange->source_ops == NULL ||
        !flow_has_room(&exchange->download) || !recorder_has_room(exchange->worker->recorder))
        return;
    exchange->source_paused = false;
    exchange->source_ops->more_room(exchange->source);
}

void exchange_download_taken(struct exchange *exchange)
{
    exchange->active_us = clock_monotonic_us();
    resume_source(exchange);
}

void exchange_delivered(struct exchange *exchange)
{
    if (leg_has_ended(exchange->delivery))
        return;
    leg_move(exchange, &exchange->delivery, LEG_DONE);
    // libmicrohttpd closes a connection whose answer was queued before the request's end.
    end_upload(exchange);
    leg_fail(exchange, &exchange->request);
}

void exchange_client_gone(struct exchange *exchange, const char *error_text)
{
    if (leg_has_ended(exchange->delivery)) {
        leg_fail(exchange, &exchange->request);
        return;
    }
    leg_move(exchange, &exchange->delivery, LEG_FAILED);
    flow_drop_reader(&exchange->download);
    end_upload(exchange);
    leg_fail(exchange, &exchange->request);
    if (exchange->journal.final == FINAL_NOT_SENT)
        exchange_set_outcome(exchange, ROW_STATE_CLIENT_ABORT, "client-abort", error_text);
    else if (exchange->response == LEG_DONE && exchange->replay == NULL)
        exchange->is_late_abort = true;
    abort_source(exchange);
    if (!leg_has_ended(exchange->response))
        end_response(exchange, LEG_FAILED);
}

void exchange_release(struct exchange *exchange)
{
    exchange->client.connection = NULL;
    worker_mark_ready(exchange->worker, exchange);
}

// --- from the worker ---------------------------------------------------------------------------

// The row said "done" before the client got all of it (durability), and then the client left.
static void correct_late_abort(struct exchange *exchange)
{
    if (!exchange->is_late_abort || exchange->journal.final != FINAL_COMMITTED ||
        exchange->journal.is_off)
        return;
    exchange->is_late_abort = false;
    exchange->row->state = ROW_STATE_PENDING;
    exchange_set_outcome(exchange, ROW_STATE_CLIENT_ABORT, "client-abort",
                         "the client left before it had the whole answer");
    journal_update(exchange);
}

void exchange_advance(struct exchange *exchange)
{
    finish_when_due(exchange);
    if (exchange->client.connection != NULL)
        client_advance(exchange);
    if (exchange->replay != NULL)
        replay_request_advance(exchange);
    finish_when_due(exchange);
    correct_late_abort(exchange);
    if (is_over(exchange))
        destroy(exchange);
}

void exchange_recorder_has_room(struct exchange *exchange)
{
    if (exchange->is_start_held && exchange->response == LEG_IDLE)
        exchange_start(exchange);
    resume_source(exchange);
    worker_mark_ready(exchange->worker, exchange);
}

void exchange_abort(struct exchange *exchange)
{
    exchange_set_outcome(exchange, ROW_STATE_INTERRUPTED, NULL, "hark was stopped");
    exchange_client_gone(exchange, "hark was stopped");
    client_cut(exchange);
}
