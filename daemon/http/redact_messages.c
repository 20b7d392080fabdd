// SPDX-License-Identifier: MIT
#include "hark/redact_messages.h"

#include "hark/coding.h"
#include "hark/mem.h"
#include "redact_json.h"

#include <stdlib.h>

bool redacts_messages(const struct redaction *rules)
{
    return rules->json->count > 0;
}

void redact_messages_init(struct redact_messages *messages, const struct redaction *rules)
{
    *messages = (struct redact_messages){.rules = rules};
}

static void end_search(struct redact_messages *messages)
{
    if (messages->search == NULL)
        return;
    redact_json_fini(messages->search);
    free(messages->search);
    messages->search = NULL;
}

void redact_messages_fini(struct redact_messages *messages)
{
    end_search(messages);
    websocket_inflater_destroy(messages->inflater);
}

static void begin_message(struct redact_messages *messages, const struct websocket_part *part)
{
    const struct redaction *rules = messages->rules;
    end_search(messages);
    messages->is_compressed = part->is_compressed;
    if (part->is_compressed && messages->inflater == NULL)
        messages->inflater = websocket_inflater_create();
    if (part->opcode != WEBSOCKET_TEXT)
        return;
    messages->search = mem_calloc(1, sizeof(*messages->search));
    redact_json_init(messages->search, rules->json, rules->key, false);
}

static int take_plain(void *ctx, const void *data, size_t length)
{
    struct redact_messages *messages = ctx;
    struct err ignored = {0}; // what is not declared to be JSON does not fail
    messages->part_bytes += length;
    if (messages->part_bytes > DECODER_BURST_BYTES)
        return 1;
    if (messages->search != NULL)
        redact_json_write(messages->search, data, length, messages->out, &ignored);
    else
        buffer_append(messages->out, data, length);
    return 0;
}

static int inflate_part(struct redact_messages *messages, const struct websocket_part *part,
                        struct err *err)
{
    int rc = websocket_inflater_write(messages->inflater, part->data, part->length, take_plain,
                                      messages, err);
    if (rc == 0 && part->is_last)
        rc = websocket_inflater_end_message(messages->inflater, take_plain, messages, err);
    if (rc > 0)
        err_set(err, "a part of it decompresses to more than %zu bytes", DECODER_BURST_BYTES);
    return rc == 0 ? 0 : -1;
}

int redact_messages_take(struct redact_messages *messages, const struct websocket_part *part,
                         struct buffer *out, struct err *err)
{
    if (part->opcode >= WEBSOCKET_CLOSE) {
        buffer_append(out, part->data, part->length);
        return 0;
    }
    if (part->opcode != WEBSOCKET_CONTINUATION)
        begin_message(messages, part);
    messages->out = out;
    messages->part_bytes = 0;
    int rc = 0;
    if (messages->is_compressed)
        rc = inflate_part(messages, part, err);
    else
        take_plain(messages, part->data, part->length);
    if (part->is_last && messages->search != NULL)
        redact_json_finish(messages->search, out);
    return rc;
}
