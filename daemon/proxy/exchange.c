// SPDX-License-Identifier: MIT
// The life of an exchange: its legs, and what each event does to them. Events only change state
// and mark the exchange ready; what follows for the client is done by exchange_advance(), from the
// worker's loop, so that libcurl's and libmicrohttpd's callbacks never run inside each other.
#include "exchange_private.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "ignoring.h"
#include "playback.h"
#include "replay_request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

// --- legs --------------------------------------------------------------------------------------

static const char *const leg_state_names[] = {"idle", "head", "body", "done", "failed"};

bool leg_has_ended(enum leg_state state)
{
    return state == LEG_DONE || state == LEG_FAILED;
}

void leg_move(struct exchange *exchange, enum leg_state *leg, enum leg_state to)
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

void leg_fail(struct exchange *exchange, enum leg_state *leg)
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

// A client that waits for 100 Continue and gets the answer instead sends no body; of one that got
// an early answer, what it still sends is of no use to anybody.
static void end_unsent_request(struct exchange *exchange)
{
    bool is_unsent = exchange->client.phase == CLIENT_EXPECT || exchange->client.early != NULL;
    if (!is_unsent || !leg_has_ended(exchange->response))
        return;
    exchange_end_upload(exchange);
    leg_fail(exchange, &exchange->request);
}

bool exchange_learns_before_delivery(const struct exchange *exchange)
{
    return exchange->playback_head != 0 && exchange->upgrade == NULL && !ignoring_is_open(exchange);
}

static void learn(struct exchange *exchange)
{
    if (exchange->playback_head == 0)
        return;
    playback_learn(exchange);
    exchange->playback_head = 0;
}

// The final row is due when request and response have ended; where nobody waits for it, it also
// tells how the delivery went.
static void finish_when_due(struct exchange *exchange)
{
    end_unsent_request(exchange);
    if (exchange->journal.final != FINAL_NOT_SENT || !leg_has_ended(exchange->request) ||
        !leg_has_ended(exchange->response))
        return;
    if (journal_is_behind(exchange, BODY_REQUEST) || journal_is_behind(exchange, BODY_RESPONSE))
        return;
    if (exchange_learns_before_delivery(exchange))
        learn(exchange);
    if (!leg_has_ended(exchange->delivery) && !exchange_waits_for_commit(exchange))
        return;
    exchange_set_outcome(exchange, ROW_STATE_DONE, NULL, NULL);
    exchange->row->request_size = exchange->upload.total_bytes;
    exchange->row->response_size = exchange->download.total_bytes;
    exchange->row->duration_us = exchange->ended_us - exchange->started_us;
    ignoring_judge(exchange, FILTER_AT_END);
    learn(exchange);
    counters_note_end(&exchange->worker->counters, exchange->row);
    journal_finish(exchange);
}

static bool is_over(const struct exchange *exchange)
{
    return leg_has_ended(exchange->request) && leg_has_ended(exchange->response) &&
           leg_has_ended(exchange->delivery) && exchange->client.connection == NULL &&
           exchange->source_ops == NULL && exchange->journal.final >= FINAL_COMMITTED;
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

void exchange_abort(struct exchange *exchange)
{
    exchange_set_outcome(exchange, ROW_STATE_INTERRUPTED, NULL, "hark was stopped");
    exchange_client_gone(exchange, "hark was stopped");
    client_cut(exchange);
}
