// SPDX-License-Identifier: MIT
// The response leg, from the source, and the delivery to the client.
#include "exchange_private.h"

#include "hark/clock.h"
#include "ignoring.h"
#include "local.h"

#include <assert.h>
#include <string.h>

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

static bool can_record_response(const struct exchange *exchange)
{
    return recorder_has_room(exchange->worker->recorder) &&
           !journal_is_behind(exchange, BODY_RESPONSE);
}

bool exchange_has_room(struct exchange *exchange)
{
    bool has_room = !flow_is_full(&exchange->download) && can_record_response(exchange);
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
    if (exchange_learns_before_delivery(exchange))
        return false;
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
        !flow_has_room(&exchange->download) || !can_record_response(exchange))
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
    exchange_end_upload(exchange);
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
    exchange_end_upload(exchange);
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

void exchange_recorder_has_room(struct exchange *exchange)
{
    if (exchange->is_start_held && exchange->response == LEG_IDLE)
        exchange_start(exchange);
    journal_go_on(exchange);
    resume_source(exchange);
    worker_mark_ready(exchange->worker, exchange);
}
