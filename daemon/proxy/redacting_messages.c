// SPDX-License-Identifier: MIT
// Who reads the recording knows by the length of a part whether the message goes on, so parts are
// cut anew.
#include "redacting.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>

// Owner: the journal of its exchange, or an import.
struct redacting_messages {
    struct redaction rules;
    struct redact_messages search;
    struct buffer out;          // of the message, not given out yet
    struct websocket_part next; // the part that will be
    bool is_cut;                // what follows cannot be read
};

struct redacting_messages *redacting_messages_create(const struct redaction *rules)
{
    struct redacting_messages *messages = mem_calloc(1, sizeof(*messages));
    messages->rules = *rules;
    redact_messages_init(&messages->search, &messages->rules);
    return messages;
}

void redacting_messages_destroy(struct redacting_messages *messages)
{
    if (messages == NULL)
        return;
    redact_messages_fini(&messages->search);
    buffer_fini(&messages->out);
    free(messages);
}

static void give_part(struct redacting_messages *messages, enum body_side side, const char *data,
                      size_t length, redacting_part_fn give, void *ctx)
{
    messages->next.data = length > 0 ? data : "";
    messages->next.length = length;
    give(ctx, side, &messages->next);
    messages->next.opcode = WEBSOCKET_CONTINUATION;
}

static void give_parts(struct redacting_messages *messages, enum body_side side, bool is_last,
                       redacting_part_fn give, void *ctx)
{
    struct buffer *out = &messages->out;
    size_t at = 0;
    for (; out->length - at > WEBSOCKET_PART_MAX_BYTES; at += WEBSOCKET_PART_MAX_BYTES)
        give_part(messages, side, out->data + at, WEBSOCKET_PART_MAX_BYTES, give, ctx);
    if (is_last) {
        give_part(messages, side, out->data + at, out->length - at, give, ctx);
        buffer_clear(out);
    } else if (at > 0) {
        memmove(out->data, out->data + at, out->length - at);
        out->length -= at;
    }
}

static void cut(struct redacting_messages *messages, struct exchange_row *row, enum body_side side,
                const struct err *err)
{
    messages->is_cut = true;
    buffer_fini(&messages->out);
    row->body_truncated = true;
    if (row->error_text == NULL)
        row->error_text =
            arena_printf(&row->arena,
                         "the messages of the %s are recorded only as far as they could be "
                         "searched for what redact_json names: %s",
                         side == BODY_REQUEST ? "client" : "server", err->text);
}

void redacting_messages_add(struct redacting_messages *messages, struct exchange_row *row,
                            enum body_side side, const struct websocket_part *part,
                            redacting_part_fn give, void *ctx)
{
    struct err err = {0};
    if (part->opcode >= WEBSOCKET_CLOSE) {
        give(ctx, side, part);
        return;
    }
    if (messages->is_cut)
        return;
    if (part->opcode != WEBSOCKET_CONTINUATION)
        messages->next = (struct websocket_part){.opcode = part->opcode, .at_us = part->at_us};
    if (redact_messages_take(&messages->search, part, &messages->out, &err) != 0)
        cut(messages, row, side, &err);
    else
        give_parts(messages, side, part->is_last, give, ctx);
}
