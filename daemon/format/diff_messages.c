// SPDX-License-Identifier: MIT
// Comparing the messages of two WebSockets, a line a message. Each direction is compared by itself:
// how they interleave is a matter of time. Pings and pongs do not count, they are too.
#include "diff_private.h"

#include "hark/exchange_view.h"
#include "hark/utf8.h"
#include "hark/websocket.h"

#include <gnutls/crypto.h>
#include <inttypes.h>

#define DIGEST_BYTES 32

struct listing {
    enum body_side side;
    struct buffer lines;
    bool is_full; // BODY_VIEW_WHOLE_MAX is reached: what follows is not compared
};

static void append_digest(struct buffer *line, const struct shown_message *message)
{
    unsigned char digest[DIGEST_BYTES] = {0};
    gnutls_hash_fast(GNUTLS_DIG_SHA256, message->data, message->length, digest);
    buffer_printf(line, "%" PRId64 " bytes, SHA-256 ", message->total_bytes);
    if (message->total_bytes > (int64_t)message->length)
        buffer_printf(line, "of the first %zu ", message->length);
    for (size_t i = 0; i < DIGEST_BYTES; i++)
        buffer_printf(line, "%02x", digest[i]);
}

static void append_message(struct buffer *line, const struct shown_message *message)
{
    bool is_whole = message->total_bytes == (int64_t)message->length;
    bool is_text =
        message->opcode == WEBSOCKET_TEXT && utf8_is_valid(message->data, message->length);
    if (message->opcode == WEBSOCKET_CLOSE)
        buffer_append_text(line, "close ");
    else if (message->opcode != WEBSOCKET_TEXT)
        buffer_append_text(line, "binary ");
    if (is_text && is_whole)
        buffer_append_json_string(line, message->data, message->length);
    else
        append_digest(line, message);
    if (message->problem.is_set)
        buffer_printf(line, " [%s]", message->problem.text);
    buffer_append_char(line, '\n');
}

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    struct listing *listing = ctx;
    (void)row;
    if (message->side != listing->side || message->opcode == WEBSOCKET_PING ||
        message->opcode == WEBSOCKET_PONG)
        return 0;
    if (listing->lines.length < BODY_VIEW_WHOLE_MAX)
        append_message(&listing->lines, message);
    else
        listing->is_full = true;
    return 0;
}

static int list_messages(const struct diff_exchange *exchange, struct listing *listing,
                         struct err *err)
{
    static const struct exchange_writer writer = {.on_message = on_message};
    if (exchange->row->kind != ROW_KIND_WEBSOCKET)
        return 0;
    return exchange_walk_messages(exchange->reader, exchange->row, &writer, listing, err);
}

int diff_messages(struct diff *diff, const struct diff_exchange *first,
                  const struct diff_exchange *second, struct err *err)
{
    struct listing old = {.side = diff->side};
    struct listing new = {.side = diff->side};
    int result = list_messages(first, &old, err);
    if (result == 0)
        result = list_messages(second, &new, err);
    if (result == 0)
        diff_lines(diff, "message", &old.lines, &new.lines);
    if (old.is_full || new.is_full)
        diff_tell(diff, &(struct difference){.where = "message",
                                             .path = "",
                                             .kind = DIFFERENCE_UNKNOWN,
                                             .note = "messages after the first 4 MiB were not "
                                                     "compared"});
    buffer_fini(&old.lines);
    buffer_fini(&new.lines);
    return result;
}
