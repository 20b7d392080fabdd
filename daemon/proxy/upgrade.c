// SPDX-License-Identifier: MIT
// The exchange's part of an upgrade: what the bytes are and how it ends. A WebSocket has ended
// well once a side has sent a close message; other protocols when the origin has closed.
#include "upgrade.h"

#include "exchange.h"

#include "hark/clock.h"
#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>

// How long a client that was told the end may take to close its side.
#define FAREWELL_US ((int64_t)2000000)

bool upgrade_is_asked(const struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    const struct fields *fields = &row->request_headers;
    // What a connection became cannot be repeated without a client.
    return exchange->replay == NULL && strcmp(row->method, "GET") == 0 &&
           strcmp(row->request_version, "HTTP/1.1") == 0 && exchange->request_length == 0 &&
           fields_find(fields, "Upgrade") != NULL &&
           fields_list_has(fields, "Connection", "upgrade") &&
           !fields_list_has(fields, "Upgrade", "h2c");
}

// --- what passes -------------------------------------------------------------------------------

static void on_sent_part(void *ctx, const struct websocket_part *part)
{
    journal_add_message(ctx, BODY_REQUEST, part);
}

static void on_received_part(void *ctx, const struct websocket_part *part)
{
    journal_add_message(ctx, BODY_RESPONSE, part);
}

// The messages are recorded instead.
static void on_sealed(void *ctx, struct chunk *chunk)
{
    (void)ctx;
    (void)chunk;
}

void upgrade_begin(struct exchange *exchange, const struct response_head *head)
{
    struct upgrade *upgrade = mem_calloc(1, sizeof(*upgrade));
    struct flow *upload = &exchange->upload;
    flow_sealed_fn on_upload_sealed = upload->on_sealed;
    upgrade->is_websocket = fields_list_has(&head->fields, "Upgrade", "websocket");
    websocket_reader_init(&upgrade->readers[BODY_REQUEST], on_sent_part, exchange);
    websocket_reader_init(&upgrade->readers[BODY_RESPONSE], on_received_part, exchange);
    // The request had ended, and now the client goes on sending.
    flow_fini(upload);
    flow_init(upload, exchange->started_us, upgrade->is_websocket ? on_sealed : on_upload_sealed,
              exchange);
    if (upgrade->is_websocket) {
        exchange->download.on_sealed = on_sealed;
        exchange->row->kind = ROW_KIND_WEBSOCKET;
    }
    exchange->upgrade = upgrade;
    exchange_response_head(exchange, head, BODY_LENGTH_UNTIL_CLOSE);
    journal_begin(exchange);
}

static void read_messages(struct exchange *exchange, enum body_side side, const void *data,
                          size_t length)
{
    struct upgrade *upgrade = exchange->upgrade;
    if (upgrade->is_websocket)
        websocket_reader_feed(&upgrade->readers[side], data, length,
                              clock_monotonic_us() - exchange->started_us);
}

void upgrade_origin_data(struct exchange *exchange, const void *data, size_t length)
{
    read_messages(exchange, BODY_RESPONSE, data, length);
    exchange_response_data(exchange, data, length);
}

void upgrade_client_data(struct exchange *exchange, const void *data, size_t length)
{
    if (exchange->upload.is_ended)
        return; // nobody is there to take it
    read_messages(exchange, BODY_REQUEST, data, length);
    exchange->active_us = clock_monotonic_us();
    flow_append(&exchange->upload, data, length, 0, exchange->active_us);
    worker_tick_by(exchange->worker, exchange->active_us + FLOW_AGE_US);
    if (exchange->source_ops != NULL)
        exchange->source_ops->more_request(exchange->source);
}

// --- the end -----------------------------------------------------------------------------------

static void end_messages(struct upgrade *upgrade)
{
    websocket_reader_end(&upgrade->readers[BODY_REQUEST]);
    websocket_reader_end(&upgrade->readers[BODY_RESPONSE]);
}

static bool has_closed(const struct upgrade *upgrade)
{
    return upgrade->readers[BODY_REQUEST].has_closed || upgrade->readers[BODY_RESPONSE].has_closed;
}

void upgrade_origin_ended(struct exchange *exchange, bool is_clean, const char *text)
{
    struct upgrade *upgrade = exchange->upgrade;
    bool is_well = upgrade->is_websocket ? has_closed(upgrade) : is_clean;
    end_messages(upgrade);
    if (is_well || upgrade->has_client_ended)
        exchange_response_end(exchange);
    else
        exchange_response_fail(exchange, 502, "upstream-reset",
                               is_clean ? "the origin closed the connection without a close message"
                                        : text);
}

void upgrade_client_ended(struct exchange *exchange)
{
    struct upgrade *upgrade = exchange->upgrade;
    upgrade->has_client_ended = true;
    exchange->active_us = clock_monotonic_us();
    if (exchange->upload.is_ended)
        return;
    if (upgrade->is_websocket && !has_closed(upgrade))
        exchange_set_outcome(exchange, ROW_STATE_CLIENT_ABORT, "client-abort",
                             "the client closed the connection without a close message");
    flow_end(&exchange->upload);
    if (exchange->source_ops != NULL)
        exchange->source_ops->more_request(exchange->source);
    worker_tick_by(exchange->worker,
                   exchange->active_us + exchange->config->idle_timeout_ms * 1000);
}

int64_t upgrade_tick(struct exchange *exchange, int64_t now_us)
{
    const struct upgrade *upgrade = exchange->upgrade;
    int64_t due_us = INT64_MAX;
    if (upgrade->shut_us != 0) {
        due_us = upgrade->shut_us + FAREWELL_US;
        if (now_us >= due_us)
            client_cut(exchange);
    } else if (upgrade->has_client_ended && !leg_has_ended(exchange->response)) {
        due_us = exchange->active_us + exchange->config->idle_timeout_ms * 1000;
        if (now_us >= due_us)
            exchange_response_fail(exchange, 504, "upstream-timeout",
                                   "the client has ended, and the origin does not");
    }
    return now_us >= due_us ? INT64_MAX : due_us;
}

void upgrade_destroy(struct exchange *exchange)
{
    struct upgrade *upgrade = exchange->upgrade;
    if (upgrade == NULL)
        return;
    websocket_reader_fini(&upgrade->readers[BODY_REQUEST]);
    websocket_reader_fini(&upgrade->readers[BODY_RESPONSE]);
    buffer_fini(&upgrade->out);
    free(upgrade);
    exchange->upgrade = NULL;
}
