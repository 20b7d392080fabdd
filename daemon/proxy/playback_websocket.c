// SPDX-License-Identifier: MIT
// Two cursors go through the recorded messages: what is to be sent stands still at each message of
// the client until that one has come, while what the client sends is compared as soon as it comes.
#include "playback_websocket.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/redact_messages.h"
#include "playback.h"
#include "playback_differences.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TAKE_BYTES    ((size_t)64 * 1024)
#define SHA1_BYTES    20
#define FRAME_HEAD    10
#define POLICY_CLOSE  1008 // RFC 6455 section 7.4.1
#define CONTROL_FIRST 8    // opcodes from here on are control frames

// A place in the recorded messages. Owner: the socket.
struct cursor {
    struct message_view message;
    struct buffer data;
    bool is_read; // `message` is the one at this place
};

// Owner: the exchange's source, until detach. Thread: its worker's.
struct socket_player {
    struct exchange *exchange;
    struct playback *playback;
    int64_t id;
    enum row_state state;           // how the recorded one ended
    struct websocket_reader reader; // of what the client sends
    struct cursor sending;
    struct cursor expecting;
    struct redaction rules;         // of no key: what is redacted is equal
    struct redact_messages heard;   // from the client
    struct redact_messages awaited; // from the recording
    int64_t matched;                // messages of the client that came
    int64_t passed;                 // those of them that `sending` has gone by
    bool has_closed;                // the recorded close of the server was sent
    bool is_over;                   // both sides have said that it ends, or the client has to leave
};

static void destroy(struct socket_player *player)
{
    websocket_reader_fini(&player->reader);
    redact_messages_fini(&player->heard);
    redact_messages_fini(&player->awaited);
    buffer_fini(&player->sending.data);
    buffer_fini(&player->expecting.data);
    free(player);
}

static void on_detach(void *source)
{
    destroy(source);
}

// --- the recorded messages ---------------------------------------------------------------------

static bool is_data(const struct message_view *message)
{
    return message->opcode < CONTROL_FIRST;
}

// Is it one that the client must send, or send again?
static bool is_expected(const struct message_view *message)
{
    return message->side == BODY_REQUEST && is_data(message);
}

// The message at the cursor; false: there are no more.
static bool read_at(struct socket_player *player, struct cursor *cursor)
{
    struct err err = {0};
    if (cursor->is_read)
        return true;
    enum store_found found =
        store_next_message(player->exchange->worker->answers, player->id, cursor->message.seq,
                           &cursor->message, &cursor->data, &err);
    cursor->is_read = found == STORE_FOUND;
    if (found == STORE_READ_ERROR)
        log_error(player->exchange->worker->log, "playback", "#%" PRId64 ": %s",
                  player->exchange->row->id, err.text);
    return cursor->is_read;
}

// Does the message at the cursor go on in a later part? Only one that is as long as parts become.
static bool is_continued(struct socket_player *player, const struct cursor *cursor)
{
    struct cursor ahead = {.message = cursor->message};
    bool is_continued = false;
    bool is_decided = cursor->message.length < WEBSOCKET_PART_MAX_BYTES;
    while (!is_decided && read_at(player, &ahead)) {
        is_decided = ahead.message.side == cursor->message.side && is_data(&ahead.message);
        is_continued = is_decided && ahead.message.opcode == WEBSOCKET_CONTINUATION;
        ahead.is_read = false;
    }
    buffer_fini(&ahead.data);
    return is_continued;
}

// --- to the client -----------------------------------------------------------------------------

static void send_frame(struct socket_player *player, int first_byte, const void *data,
                       size_t length)
{
    unsigned char head[FRAME_HEAD] = {(unsigned char)first_byte};
    size_t head_length = length < 126 ? 2 : length <= UINT16_MAX ? 4 : 10;
    head[1] = (unsigned char)(length < 126 ? length : length <= UINT16_MAX ? 126 : 127);
    for (size_t i = head_length; i > 2; i--)
        head[i - 1] = (unsigned char)(length >> 8 * (head_length - i));
    upgrade_origin_data(player->exchange, head, head_length);
    if (length > 0)
        upgrade_origin_data(player->exchange, data, length);
}

static void send_recorded(struct socket_player *player)
{
    const struct cursor *cursor = &player->sending;
    int fin = is_continued(player, cursor) ? 0 : 0x80;
    int compressed =
        cursor->message.is_compressed && cursor->message.opcode != WEBSOCKET_CONTINUATION ? 0x40
                                                                                          : 0;
    send_frame(player, fin | compressed | cursor->message.opcode, cursor->data.data,
               cursor->data.length);
    player->has_closed |= cursor->message.opcode == WEBSOCKET_CLOSE;
}

static void end(struct socket_player *player, bool is_clean, const char *text)
{
    struct exchange *exchange = player->exchange;
    exchange_detach_source(exchange);
    destroy(player);
    upgrade_origin_ended(exchange, is_clean, text);
}

// Is it the client that has to go on here: with a message, or by closing?
static bool waits_for_client(const struct socket_player *player)
{
    const struct message_view *message = &player->sending.message;
    if (is_expected(message))
        return player->passed == player->matched;
    return message->side == BODY_REQUEST && message->opcode == WEBSOCKET_CLOSE &&
           !player->has_closed;
}

// The recorded messages are at their end. A client that has left by itself will do so again.
static void finish(struct socket_player *player)
{
    bool has_left = player->state == ROW_STATE_CLIENT_ABORT && !player->has_closed;
    bool is_clean = player->state == ROW_STATE_DONE || player->has_closed;
    if (has_left && !player->exchange->upload.is_ended)
        return;
    end(player, is_clean || has_left, "the recording of this connection ends here");
}

// What is recorded of the server up to where the client must say something.
static void play(struct socket_player *player)
{
    int64_t now_us = clock_monotonic_us();
    bool is_paced = player->exchange->config->playback_pace == CONFIG_PLAYBACK_PACE_RECORDED;
    while (!player->is_over && read_at(player, &player->sending)) {
        const struct message_view *message = &player->sending.message;
        int64_t due_us = player->exchange->started_us + message->at_us;
        if (waits_for_client(player))
            return;
        if (is_expected(message)) {
            player->passed++;
        } else if (message->side == BODY_REQUEST || message->opcode == WEBSOCKET_PONG) {
            // Whether the client sends these again is its own affair.
        } else if (is_paced && now_us < due_us) {
            worker_tick_by(player->exchange->worker, due_us);
            return;
        } else if (!exchange_has_room(player->exchange)) {
            return;
        } else {
            send_recorded(player);
        }
        player->sending.is_read = false;
    }
    finish(player);
}

// --- from the client ---------------------------------------------------------------------------

static void refuse(struct socket_player *player, const struct websocket_part *part, const char *why)
{
    unsigned char close[64] = {POLICY_CLOSE >> 8, POLICY_CLOSE & 0xff};
    static const char reason[] = "playback-miss: not the recorded message";
    memcpy(close + 2, reason, sizeof(reason) - 1);
    playback_count_miss(player->playback, player->exchange->row->session_id);
    playback_say_miss(player->exchange->worker,
                      "#%" PRId64 " miss: message %" PRId64
                      " of the client over %s: %s (%zu bytes here) in #%" PRId64,
                      player->exchange->row->id, player->matched + 1, player->exchange->row->path,
                      why, part->length, player->id);
    send_frame(player, 0x80 | WEBSOCKET_CLOSE, close, 2 + sizeof(reason) - 1);
    player->is_over = true;
}

// Texts are told, unless something in them may be a secret.
static void refuse_other(struct socket_player *player, const struct websocket_part *part,
                         bool has_marks)
{
    const struct cursor *cursor = &player->expecting;
    struct buffer why = {0};
    buffer_append_text(&why, "it is not the recorded one");
    if (has_marks)
        buffer_append_text(&why, ", which was redacted; set redact_json as it was then");
    else if (!redacts_messages(&player->rules) && part->opcode == WEBSOCKET_TEXT &&
             cursor->message.opcode == WEBSOCKET_TEXT && !part->is_compressed &&
             !cursor->message.is_compressed) {
        buffer_append_text(&why, ": ");
        differences_append_value(&why, part->data, part->length);
        buffer_append_text(&why, " here, ");
        differences_append_value(&why, cursor->data.data, cursor->data.length);
        buffer_append_text(&why, " there");
    }
    refuse(player, part, why.data);
    buffer_fini(&why);
}

static bool is_same_part(const struct cursor *cursor, const struct websocket_part *part)
{
    const struct message_view *message = &cursor->message;
    return message->opcode == part->opcode && message->is_compressed == part->is_compressed &&
           cursor->data.length == part->length &&
           (part->length == 0 || memcmp(cursor->data.data, part->data, part->length) == 0);
}

// What was redacted was recorded decompressed, too. Marks are left of names not set here.
static bool is_same_but_for_marks(struct socket_player *player, const struct websocket_part *part,
                                  bool *has_marks)
{
    const struct cursor *cursor = &player->expecting;
    const struct websocket_part recorded = {.opcode = cursor->message.opcode,
                                            .is_compressed = cursor->message.is_compressed,
                                            .is_last = !is_continued(player, cursor),
                                            .data =
                                                cursor->data.length > 0 ? cursor->data.data : "",
                                            .length = cursor->data.length};
    struct buffer here = {0};
    struct buffer there = {0};
    struct err ignored = {0};
    buffer_append_text(&here, "");
    buffer_append_text(&there, "");
    bool is_same = recorded.opcode == part->opcode &&
                   redact_messages_take(&player->heard, part, &here, &ignored) == 0 &&
                   redact_messages_take(&player->awaited, &recorded, &there, &ignored) == 0 &&
                   here.length == there.length && memcmp(here.data, there.data, here.length) == 0;
    *has_marks = redact_has_mark(there.data, there.length);
    buffer_fini(&there);
    buffer_fini(&here);
    return is_same;
}

static void match(struct socket_player *player, const struct websocket_part *part)
{
    struct cursor *cursor = &player->expecting;
    while (read_at(player, cursor) && !is_expected(&cursor->message))
        cursor->is_read = false;
    if (!cursor->is_read) {
        refuse(player, part, "nothing more of it is recorded");
        return;
    }
    bool has_marks = redact_has_mark(cursor->data.data, cursor->data.length);
    bool is_same = redacts_messages(&player->rules)
                       ? is_same_but_for_marks(player, part, &has_marks)
                       : is_same_part(cursor, part);
    if (!is_same) {
        refuse_other(player, part, has_marks);
        return;
    }
    player->matched++;
    cursor->is_read = false;
}

static void on_part(void *ctx, const struct websocket_part *part)
{
    struct socket_player *player = ctx;
    if (player->is_over)
        return;
    switch (part->opcode) {
    case WEBSOCKET_PONG:
        break;
    case WEBSOCKET_PING:
        send_frame(player, 0x80 | WEBSOCKET_PONG, part->data, part->length);
        break;
    case WEBSOCKET_CLOSE:
        send_frame(player, 0x80 | WEBSOCKET_CLOSE, part->data, part->length);
        player->is_over = true;
        break;
    default:
        match(player, part);
        break;
    }
}

static void on_more_request(void *source)
{
    static _Thread_local char bytes[TAKE_BYTES];
    struct socket_player *player = source;
    struct exchange *exchange = player->exchange;
    size_t length;
    while (!player->is_over &&
           (length = exchange_take_request_data(exchange, bytes, sizeof(bytes))) > 0)
        websocket_reader_feed(&player->reader, bytes, length,
                              clock_monotonic_us() - exchange->started_us);
    if (exchange->upload.is_ended || player->is_over)
        end(player, true, NULL);
    else
        play(player);
}

static void on_more_room(void *source)
{
    play(source);
}

static int64_t on_tick(void *source, int64_t now_us)
{
    struct socket_player *player = source;
    (void)now_us;
    if (!player->exchange->source_paused)
        play(player);
    return INT64_MAX;
}

static const struct source_ops ops = {.more_request = on_more_request,
                                      .more_room = on_more_room,
                                      .tick = on_tick,
                                      .detach = on_detach};

// --- beginning ---------------------------------------------------------------------------------

// RFC 6455 section 4.2.2: the proof that the client's key was read.
static void answer_key(struct exchange *exchange, struct response_head *head)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const struct field *key = fields_find(&exchange->row->request_headers, "Sec-WebSocket-Key");
    unsigned char hash[SHA1_BYTES];
    gnutls_datum_t coded = {0};
    struct buffer text = {0};
    if (key == NULL)
        return;
    buffer_printf(&text, "%s%s", key->value, guid);
    bool is_answered = gnutls_hash_fast(GNUTLS_DIG_SHA1, text.data, text.length, hash) == 0 &&
                       gnutls_base64_encode2(&(gnutls_datum_t){hash, sizeof(hash)}, &coded) == 0;
    buffer_fini(&text);
    for (size_t i = 0; is_answered && i < head->fields.count; i++) {
        struct field *field = &head->fields.items[i];
        if (!field_is_named(field, "Sec-WebSocket-Accept"))
            continue;
        field->value = arena_strndup(head->arena, (const char *)coded.data, coded.size);
        field->value_length = coded.size;
    }
    gnutls_free(coded.data);
}

void playback_websocket_start(struct exchange *exchange, struct playback *playback, int64_t id,
                              enum row_state state, struct response_head *head)
{
    struct socket_player *player = mem_calloc(1, sizeof(*player));
    player->exchange = exchange;
    player->playback = playback;
    player->id = id;
    player->state = state;
    player->rules = redaction_of(playback->config, NULL);
    redact_messages_init(&player->heard, &player->rules);
    redact_messages_init(&player->awaited, &player->rules);
    player->sending.message.seq = -1;
    player->expecting.message.seq = -1;
    websocket_reader_init(&player->reader, on_part, player);
    answer_key(exchange, head);
    exchange_attach(exchange, &ops, player);
    upgrade_begin(exchange, head);
    worker_tick_by(exchange->worker, clock_monotonic_us());
}
