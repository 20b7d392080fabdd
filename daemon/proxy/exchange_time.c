// SPDX-License-Identifier: MIT
// What time does to an exchange: time-outs against the side that keeps the other waiting, chunks
// that have become old, the pending row of an exchange that lasts.
#include "exchange.h"

#include "hark/clock.h"

#include <inttypes.h>
#include <stddef.h>

// Does what goes on wait for the client: to take the answer, or to send the rest of its request?
static bool is_clients_turn(const struct exchange *exchange)
{
    return exchange->source_paused ||
           (exchange->request == LEG_BODY && exchange->client.phase == CLIENT_BODY &&
            exchange->upload.unread_bytes == 0);
}

static const char *timeout_text(struct exchange *exchange, const char *what, int64_t limit_ms)
{
    return arena_printf(&exchange->row->arena, "%s for %" PRId64 ".%03" PRId64 " s", what,
                        limit_ms / 1000, limit_ms % 1000);
}

static void time_out_idle(struct exchange *exchange)
{
    int64_t limit_ms = exchange->config->idle_timeout_ms;
    if (is_clients_turn(exchange) && !leg_has_ended(exchange->delivery)) {
        exchange_client_gone(
            exchange,
            timeout_text(exchange, "the client neither sent nor took anything", limit_ms));
        client_cut(exchange);
    } else {
        exchange_response_fail(exchange, 504, "upstream-timeout",
                               timeout_text(exchange, "nothing moved", limit_ms));
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// The head of the client's request; its silence is libmicrohttpd's to watch.
static int64_t check_request_head(struct exchange *exchange, int64_t now_us)
{
    int64_t limit_ms = exchange->config->header_timeout_ms;
    int64_t due_us = exchange->started_us + limit_ms * 1000;
    if (now_us < due_us)
        return due_us;
    exchange_set_outcome(exchange, ROW_STATE_DONE, "bad-request",
                         timeout_text(exchange, "the head was not complete", limit_ms));
    client_cut(exchange); // the row follows when libmicrohttpd lets go of it
    return INT64_MAX;
}

static int64_t check_timeouts(struct exchange *exchange, int64_t now_us)
{
    const struct config *config = exchange->config;
    if (exchange->upgrade != NULL)
        return upgrade_tick(exchange, now_us);
    if (exchange->row == NULL || exchange->row->kind == ROW_KIND_TUNNEL)
        return INT64_MAX; // an idle tunnel is none of hark's business
    if (leg_has_ended(exchange->response) && leg_has_ended(exchange->request))
        return INT64_MAX; // libmicrohttpd watches the rest of the delivery
    if (exchange->request == LEG_IDLE)
        return check_request_head(exchange, now_us);
    if (!recorder_has_room(exchange->worker->recorder) || exchange->login.wait.ticket != NULL)
        exchange->active_us = now_us; // the recording or the login holds it up, nobody else
    int64_t idle_us = exchange->active_us + config->idle_timeout_ms * 1000;
    int64_t head_us = INT64_MAX;
    if (exchange->waiting_us != 0 && exchange->request == LEG_DONE)
        head_us = exchange->waiting_us + config->header_timeout_ms * 1000;
    if (now_us >= head_us)
        exchange_response_fail(
            exchange, 504, "upstream-timeout",
            timeout_text(exchange, "the origin sent no answer", config->header_timeout_ms));
    else if (now_us >= idle_us)
        time_out_idle(exchange);
    else
        return earlier(head_us, idle_us);
    return INT64_MAX;
}

int64_t exchange_tick(struct exchange *exchange, int64_t now_us)
{
    int64_t due_us =
        earlier(flow_tick(&exchange->upload, now_us), flow_tick(&exchange->download, now_us));
    int64_t slow_us = exchange->started_us + JOURNAL_PENDING_AFTER_US;
    if (now_us < slow_us) {
        due_us = earlier(due_us, slow_us);
    } else if (exchange->row != NULL && exchange->row->method != NULL) {
        journal_begin(exchange);
        client_watch_for_close(exchange);
    }
    if (exchange->continue_us != 0) {
        due_us = earlier(due_us, exchange->continue_us);
        if (now_us >= exchange->continue_us)
            exchange_continue(exchange);
    }
    if (exchange->request == LEG_BODY && exchange->response >= LEG_BODY) {
        due_us = earlier(due_us, now_us + EARLY_ANSWER_US);
        worker_mark_ready(exchange->worker, exchange);
    }
    if (exchange->source_ops != NULL && exchange->source_ops->tick != NULL)
        due_us = earlier(due_us, exchange->source_ops->tick(exchange->source, now_us));
    return earlier(due_us, check_timeouts(exchange, now_us));
}
