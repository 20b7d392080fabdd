// SPDX-License-Identifier: MIT
// Playing back: the request is read to its end, its answer found, then given as it was recorded.
//
// Where misses are forwarded the request's body is only looked at and stays in its flow, so that it
// can still be sent. All reads of the recording here are by key, of a row or of one segment.
#include "playback.h"

#include "exchange.h"
#include "hark/clock.h"
#include "hark/coding.h"
#include "hark/mem.h"
#include "hark/utf8.h"
#include "playback_key.h"
#include "playback_miss.h"
#include "playback_recording.h"
#include "playback_websocket.h"
#include "redacting.h"
#include "upstream.h"

#include <assert.h>
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

enum stage {
    STAGE_REQUEST, // it is still coming
    STAGE_FIND,
    STAGE_READ, // its row may not be committed yet
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_END,
};

// Owner: the exchange's source, until detach. Thread: its worker's.
struct player {
    struct exchange *exchange;
    struct playback *playback;
    enum stage stage;
    bool may_forward;
    uint64_t head_key;
    uint64_t body;
    struct playback_digest digest;
    size_t looked_at; // bytes of the upload, where it is held

    int64_t id; // of the recorded exchange
    int64_t give_up_us;
    struct exchange_row *recorded;
    struct store_segment segment;
    bool has_segment; // read, and not given out yet
};

bool playback_is_closed(const struct config *config)
{
    return config->mode == CONFIG_MODE_PLAYBACK &&
           config->playback_miss == CONFIG_PLAYBACK_MISS_ERROR;
}

static void destroy(struct player *player)
{
    playback_digest_fini(&player->digest);
    buffer_fini(&player->segment.data);
    row_destroy(player->recorded);
    free(player);
}

static void on_detach(void *source)
{
    destroy(source);
}

static int64_t look_again(struct player *player, int64_t at_us)
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
    destroy(player);
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

static void fail(struct player *player, const char *text)
{
    struct exchange *exchange = player->exchange;
    log_error(exchange->worker->log, "playback", "#%" PRId64 ": %s", exchange->row->id, text);
    exchange->journal.is_undecided = false;
    exchange_response_fail(exchange, 504, "playback-miss",
                           arena_strdup(&exchange->row->arena, text));
}

// --- the answer --------------------------------------------------------------------------------

static bool is_paced(const struct player *player)
{
    return player->exchange->config->playback_pace == CONFIG_PLAYBACK_PACE_RECORDED;
}

// When something that was recorded at `at_us` is due, monotonic.
static int64_t due_us(const struct player *player, int64_t at_us)
{
    return is_paced(player) && at_us > 0 ? player->exchange->started_us + at_us : 0;
}

static int64_t positive(int64_t us)
{
    return us > 0 ? us : 0;
}

// The head came when the phases before it were over, and before the first byte of the body.
static int64_t head_at_us(const struct player *player)
{
    const struct exchange_row *recorded = player->recorded;
    const struct row_timing *timing = &recorded->timing;
    int64_t at_us = positive(timing->dns_us) + positive(timing->connect_us) +
                    positive(timing->tls_us) + positive(timing->send_us) +
                    positive(timing->wait_us);
    bool is_unknown = timing->wait_us < 0;
    if (is_unknown && !player->has_segment)
        return positive(recorded->duration_us);
    if (player->has_segment && (is_unknown || at_us > player->segment.at_us))
        return player->segment.at_us;
    return at_us;
}

static void copy_fields(const struct exchange_row *recorded, struct fields *to, struct arena *arena,
                        const struct fields *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct field *field = &from->items[i];
        size_t length = field->value_length;
        if (field_is_named(field, CODING_UNDONE_FIELD))
            continue;
        const char *value = recorded->headers_latin1
                                ? utf8_restore_bytes(arena, field->value, &length)
                                : field->value;
        fields_add(to, arena, field->name, field->name_length, value, length);
    }
}

// An imported answer may have been recorded decoded, with the length of what was encoded; hark's
// own pages are recorded without the length that they had.
static int64_t body_length_of(const struct exchange_row *recorded, const struct response_head *head,
                              const char *method)
{
    struct err ignored = {0};
    int64_t length = BODY_LENGTH_CHUNKED;
    if (response_head_body_length(head, method, &length, &ignored) != 0)
        length = BODY_LENGTH_CHUNKED;
    bool is_sized = (recorded->state == ROW_STATE_DONE && length >= 0) ||
                    recorded->state == ROW_STATE_UPSTREAM_ERROR;
    if (is_sized && status_has_body(head->status, method))
        length = positive(recorded->response_size);
    return length;
}

static void on_interim(void *ctx, const struct response_head *head)
{
    exchange_interim(ctx, head);
}

static void change_protocol(struct player *player, struct response_head *head)
{
    struct exchange *exchange = player->exchange;
    struct playback *playback = player->playback;
    int64_t id = player->id;
    enum row_state state = player->recorded->state;
    if (player->recorded->kind != ROW_KIND_WEBSOCKET || !upgrade_is_asked(exchange)) {
        fail(player, "of connections that change their protocol only WebSockets are played back");
        return;
    }
    exchange_give_up_source(exchange);
    destroy(player);
    playback_websocket_start(exchange, playback, id, state, head);
}

// False: it was another's to go on, and the player is gone.
static bool give_head(struct player *player)
{
    struct exchange *exchange = player->exchange;
    const struct exchange_row *recorded = player->recorded;
    struct arena *arena = &exchange->row->arena;
    struct err ignored = {0};
    if (recorded->interim != NULL)
        interim_walk(recorded->interim, arena, on_interim, exchange, &ignored);
    struct response_head head = {
        .arena = arena,
        .status = recorded->status,
        .version = recorded->response_version != NULL
                       ? arena_strdup(arena, recorded->response_version)
                       : "HTTP/1.1",
        .reason = recorded->reason != NULL ? arena_strdup(arena, recorded->reason) : "",
        .is_complete = true,
    };
    copy_fields(recorded, &head.fields, arena, &recorded->response_headers);
    if (recorded->status == 101) {
        change_protocol(player, &head);
        return false;
    }
    exchange_response_head(exchange, &head, body_length_of(recorded, &head, exchange->row->method));
    player->stage = status_has_body(head.status, exchange->row->method) ? STAGE_BODY : STAGE_END;
    return true;
}

// Of a small answer the last look, which would find nothing, costs as much as the first.
static bool has_given_all(const struct player *player)
{
    const struct exchange *exchange = player->exchange;
    return player->stage == STAGE_BODY && player->recorded->state == ROW_STATE_DONE &&
           exchange->download.total_bytes == player->recorded->response_size;
}

static bool read_segment(struct player *player)
{
    struct err err = {0};
    if (player->has_segment)
        return true;
    if (has_given_all(player))
        return false;
    enum store_found found = store_next_segment(player->exchange->worker->answers, player->id,
                                                BODY_RESPONSE, &player->segment, &err);
    player->has_segment = found == STORE_FOUND;
    if (found == STORE_READ_ERROR)
        log_error(player->exchange->worker->log, "playback", "#%" PRId64 ": %s",
                  player->exchange->row->id, err.text);
    return player->has_segment;
}

// Is all there that the head promised?
static bool is_whole(const struct player *player)
{
    const struct exchange *exchange = player->exchange;
    return player->recorded->state == ROW_STATE_DONE ||
           player->recorded->state == ROW_STATE_UPSTREAM_ERROR ||
           (exchange->response_length >= 0 &&
            exchange->download.total_bytes == exchange->response_length);
}

static void give_end(struct player *player)
{
    struct exchange *exchange = player->exchange;
    struct exchange_row *row = exchange->row;
    const struct exchange_row *recorded = player->recorded;
    const char *text = recorded->error_text != NULL
                           ? arena_strdup(&row->arena, recorded->error_text)
                           : "the recording of this answer ends here";
    if (!is_whole(player)) {
        bool has_broken = recorded->state == ROW_STATE_TRUNCATED && recorded->error != NULL;
        exchange_response_fail(
            exchange, 502,
            has_broken ? arena_strdup(&row->arena, recorded->error) : "upstream-reset", text);
        return;
    }
    copy_fields(recorded, &row->response_trailers, &row->arena, &recorded->response_trailers);
    if (recorded->state == ROW_STATE_UPSTREAM_ERROR)
        exchange_set_outcome(exchange, recorded->state, recorded->error, text);
    exchange_detach_source(exchange);
    destroy(player);
    exchange_response_end(exchange);
}

// Gives what is due and fits. The player may be gone afterwards. Returns when to go on.
static int64_t play(struct player *player)
{
    int64_t now_us = clock_monotonic_us();
    for (;;) {
        bool has_more = player->stage != STAGE_END && read_segment(player);
        if (player->stage == STAGE_BODY && !has_more)
            player->stage = STAGE_END;
        int64_t at_us = player->stage == STAGE_HEAD   ? head_at_us(player)
                        : player->stage == STAGE_BODY ? player->segment.at_us
                                                      : positive(player->recorded->duration_us);
        if (now_us < due_us(player, at_us))
            return look_again(player, due_us(player, at_us));
        if (player->stage == STAGE_HEAD) {
            if (!give_head(player))
                return INT64_MAX;
        } else if (player->stage == STAGE_END) {
            give_end(player);
            return INT64_MAX;
        } else if (!exchange_has_room(player->exchange)) {
            return INT64_MAX; // on_more_room() goes on
        } else {
            exchange_response_data(player->exchange, player->segment.data.data,
                                   player->segment.data.length);
            player->has_segment = false;
        }
    }
}

static void begin_answer(struct player *player)
{
    struct exchange *exchange = player->exchange;
    exchange->row->source = ROW_SOURCE_PLAYBACK;
    exchange->row->replay_of = player->id;
    exchange->playback_head = 0;
    if (!exchange->config->playback_record)
        journal_forget(exchange);
    exchange->journal.is_undecided = false;
    playback_count_hit(player->playback, exchange->row->session_id);
    player->segment.seq = -1;
    player->stage = STAGE_HEAD;
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
        begin_answer(player);
        return true;
    case STORE_READ_ERROR:
        fail(player, err.text);
        return false;
    case STORE_NOT_FOUND:
        break;
    }
    if (clock_monotonic_us() >= player->give_up_us)
        miss(player);
    else
        look_again(player, clock_monotonic_us() + LOOK_US);
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
        look_again(player, clock_monotonic_us() + LOOK_US);
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
        look_again(player, clock_monotonic_us());
    else
        play(player);
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
        play(player);
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
    return is_found ? play(player) : INT64_MAX;
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
