// SPDX-License-Identifier: MIT
// The recorded answer, given through the exchange as an origin's is: what is due, and fits.
#include "exchange.h"
#include "hark/clock.h"
#include "hark/coding.h"
#include "hark/mem.h"
#include "hark/utf8.h"
#include "playback_player.h"
#include "playback_recording.h"
#include "playback_websocket.h"

#include <inttypes.h>

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
        player_fail(player,
                    "of connections that change their protocol only WebSockets are played back");
        return;
    }
    exchange_give_up_source(exchange);
    player_destroy(player);
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
    player_destroy(player);
    exchange_response_end(exchange);
}

int64_t player_give(struct player *player)
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
            return player_look_again(player, due_us(player, at_us));
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

void player_begin_answer(struct player *player)
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
