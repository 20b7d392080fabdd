// SPDX-License-Identifier: MIT
// Playing back: the request is read to its end, its answer found, then given as it was recorded.
//
// Where misses are forwarded the request's body is only looked at and stays in its flow, so that it
// can still be sent. All reads of the recording here are by key, of a row or of one segment.
#include "playback.h"

#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "playback_key.h"
#include "playback_miss.h"
#include "playback_player.h"
#include "playback_recording.h"
#include "redacting.h"
#include "upstream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

// A larger body of a request that may have to be forwarded is not held: it is a miss.
#define HOLD_MAX_BYTES ((size_t)16 * 1024 * 1024)
// How often to ask again while recorded bodies are read or a row is about to be committed.
#define LOOK_US       ((int64_t)1000)
#define COMMIT_MAX_US ((int64_t)2000000)
#define TAKE_BYTES    ((size_t)64 * 1024)
// Misses that a worker logs in 10 s.
#define LOGGED_MOST 100

bool playback_is_closed(const struct config *config)
{
    return config->mode == CONFIG_MODE_PLAYBACK &&
           config->playback_miss == CONFIG_PLAYBACK_MISS_ERROR;
}

void player_destroy(struct player *player)
{
    playback_digest_fini(&player->digest);
    buffer_fini(&player->segment.data);
    row_destroy(player->recorded);
    free(player);
}

static void on_detach(void *source)
{
    player_destroy(source);
}

int64_t player_look_again(struct player *player, int64_t at_us)
{
    worker_tick_by(player->exchange->worker, at_us);
    return at_us;
}

// --- misses ------------------------------------------------------------------------------------

static void forward(struct player *player)
{
    struct exchange *exchange = player->exchange;
    exchange->journal.is_undecided = false;
    exchange_give_up_source(exchange);
    player_destroy(player);
    upstream_start(exchange);
}

void playback_say_miss(struct worker *worker, const char *format, ...)
{
    int64_t unsaid = log_limit_pass_some(&worker->missed, LOGGED_MOST);
    if (unsaid == 0)
        return;
    struct buffer text = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&text, format, args);
    va_end(args);
    if (unsaid > 1)
        buffer_printf(&text, " (%" PRId64 " misses before this one were not logged)", unsaid - 1);
    log_warn(worker->log, "playback", "%s", text.data);
    buffer_fini(&text);
}

static void refuse(struct player *player)
{
    struct exchange *exchange = player->exchange;
    struct buffer text = {0};
    playback_miss_describe(player->playback, exchange, &player->digest, &text);
    const char *reason = arena_strdup(&exchange->row->arena, text.data);
    buffer_fini(&text);
    struct buffer url = {0};
    redacting_append_url(exchange, &url);
    // Queries have tokens in them; what differs is named anyway.
    playback_say_miss(exchange->worker, "#%" PRId64 " miss: %s %.*s: %s", exchange->row->id,
                      exchange->row->method, (int)strcspn(url.data, "?"), url.data, reason);
    buffer_fini(&url);
    exchange->journal.is_undecided = false;
    exchange_response_fail(exchange, 504, "playback-miss", reason); // detaches
}

static void miss(struct player *player)
{
    playback_count_miss(player->playback, player->exchange->row->session_id);
    if (player->may_forward)
        forward(player);
    else
        refuse(player);
}

void player_fail(struct player *player, const char *text)
{
    struct exchange *exchange = player->exchange;
    log_error(exchange->worker->log, "playback", "#%" PRId64 ": %s", exchange->row->id, text);
    exchange->journal.is_undecided = false;
    exchange_response_fail(exchange, 504, "playback-miss",
                           arena_strdup(&exchange->row->arena, text));
}

// --- finding -----------------------------------------------------------------------------------

// True: the answer can begin.
static bool read_row(struct player *player)
{
    struct exchange *exchange = player->exchange;
    struct err err = {0};
    switch (playback_get_row(player->playback, exchange->worker->answers, player->id,
                             &player->recorded, &err)) {
    case STORE_FOUND:
        player_begin_answer(player);
        return true;
    case STORE_READ_ERROR:
        player_fail(player, err.text);
        return false;
    case STORE_NOT_FOUND:
        break;
    }
    if (clock_monotonic_us() >= player->give_up_us)
        miss(player);
    else
        player_look_again(player, clock_monotonic_us() + LOOK_US);
    return false;
}

static bool find(struct player *player)
{
    switch (playback_find(player->playback, player->head_key, player->body, &player->id)) {
    case PLAYBACK_FOUND:
        player->stage = STAGE_READ;
        player->give_up_us = clock_monotonic_us() + COMMIT_MAX_US;
        return read_row(player);
    case PLAYBACK_WAIT:
        player_look_again(player, clock_monotonic_us() + LOOK_US);
        return false;
    case PLAYBACK_MISS:
        miss(player);
        return false;
    }
    return false;
}

// The request is complete. Interim answers can be sent only once libmicrohttpd waits for more.
static void begin_finding(struct player *player)
{
    player->stage = STAGE_FIND;
    player->body = playback_digest_finish(&player->digest);
    if (!find(player))
        return;
    if (player->recorded->interim != NULL)
        player_look_again(player, clock_monotonic_us());
    else
        player_give(player);
}

// --- the request -------------------------------------------------------------------------------

// False: too much came to be held, and it went to the origin.
static bool look_at_request(struct player *player)
{
    struct flow *upload = &player->exchange->upload;
    const void *data;
    size_t length;
    while ((length = flow_peek(upload, player->looked_at, &data)) > 0) {
        playback_digest_add(&player->digest, data, length);
        player->looked_at += length;
    }
    if (player->looked_at <= HOLD_MAX_BYTES)
        return true;
    miss(player);
    return false;
}

static void take_request(struct player *player)
{
    static _Thread_local char bytes[TAKE_BYTES];
    size_t length;
    while ((length = exchange_take_request_data(player->exchange, bytes, sizeof(bytes))) > 0)
        playback_digest_add(&player->digest, bytes, length);
}

static void on_more_request(void *source)
{
    struct player *player = source;
    if (player->stage != STAGE_REQUEST)
        return;
    if (player->may_forward) {
        if (!look_at_request(player))
            return;
    } else {
        take_request(player);
    }
    if (player->exchange->request == LEG_DONE)
        begin_finding(player);
}

// --- time --------------------------------------------------------------------------------------

static void on_more_room(void *source)
{
    struct player *player = source;
    if (player->stage == STAGE_BODY)
        player_give(player);
}

// Nobody keeps anybody waiting: the pace is the recorded one.
static int64_t on_tick(void *source, int64_t now_us)
{
    struct player *player = source;
    if (player->stage == STAGE_REQUEST || player->exchange->source_paused)
        return INT64_MAX;
    player->exchange->active_us = now_us;
    bool is_found = player->stage == STAGE_FIND   ? find(player)
                    : player->stage == STAGE_READ ? read_row(player)
                                                  : true;
    return is_found ? player_give(player) : INT64_MAX;
}

static const struct source_ops ops = {.more_request = on_more_request,
                                      .more_room = on_more_room,
                                      .tick = on_tick,
                                      .detach = on_detach};

// --- beginning ---------------------------------------------------------------------------------

static uint64_t head_key_of(const struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    const struct playback_head head = {.method = row->method,
                                       .scheme = row->scheme,
                                       .host = row->host,
                                       .port = row->port,
                                       .path = row->path,
                                       .query = row->query,
                                       .headers = &row->request_headers};
    return playback_head_key(exchange->worker->playback->config, &head);
}

static struct player *create(struct exchange *exchange, uint64_t head_key)
{
    struct player *player = mem_calloc(1, sizeof(*player));
    player->exchange = exchange;
    player->playback = exchange->worker->playback;
    player->may_forward = !playback_is_closed(exchange->config);
    player->head_key = head_key;
    if (exchange->request_length != 0)
        playback_digest_init(&player->digest, player->playback->config,
                             &exchange->row->request_headers);
    return player;
}

void playback_start(struct exchange *exchange)
{
    struct playback *playback = exchange->worker->playback;
    bool may_forward = !playback_is_closed(exchange->config);
    uint64_t head_key = head_key_of(exchange);
    if (exchange->config->mode == CONFIG_MODE_PLAYBACK_OR_RECORD)
        exchange->playback_head = head_key;
    if (may_forward && !playback_knows_head(playback, head_key)) {
        playback_count_miss(playback, exchange->row->session_id);
        upstream_start(exchange);
        return;
    }
    struct player *player = create(exchange, head_key);
    exchange->journal.is_undecided = !exchange->journal.is_off;
    exchange->upload.hold_bytes = may_forward ? HOLD_MAX_BYTES + FLOW_HIGH_BYTES : 0;
    exchange_attach(exchange, &ops, player);
    if (exchange->request != LEG_DONE)
        exchange_continue(exchange);
    on_more_request(player);
}

void playback_learn(struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    bool is_an_origins = row->state != ROW_STATE_DONE || row->error == NULL;
    if (exchange->journal.is_off || row->status == 0 || row->body_truncated || !is_an_origins)
        return;
    playback_add(exchange->worker->playback, exchange->playback_head,
                 exchange->upload.total_bytes > 0 && exchange->upgrade == NULL, row->id, row->host,
                 row->path);
}
