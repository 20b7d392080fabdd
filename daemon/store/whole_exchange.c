// SPDX-License-Identifier: MIT
// Bodies and messages are cut into chunks, as if they had come from the wire.
#include "hark/whole_exchange.h"

#include "hark/mem.h"

#include <stdlib.h>

struct whole_exchange *whole_exchange_create(void)
{
    struct whole_exchange *exchange = mem_calloc(1, sizeof(*exchange));
    exchange->row = row_create();
    return exchange;
}

void whole_exchange_destroy(struct whole_exchange *exchange)
{
    if (exchange == NULL)
        return;
    for (size_t i = 0; i < exchange->segment_count; i++)
        chunk_unref(exchange->segments[i].chunk);
    for (size_t i = 0; i < exchange->message_count; i++)
        chunk_unref(exchange->messages[i].chunk);
    free(exchange->segments);
    free(exchange->messages);
    row_destroy(exchange->row);
    free(exchange);
}

static struct chunk *chunk_of(const void *data, size_t length, int64_t at_us)
{
    struct chunk *chunk = chunk_create(length, at_us);
    chunk_append(chunk, data, length);
    chunk_seal(chunk);
    return chunk;
}

static size_t at_most_a_chunk(size_t length)
{
    return length < CHUNK_MAX_BYTES ? length : CHUNK_MAX_BYTES;
}

void whole_exchange_add_body(struct whole_exchange *exchange, enum body_side side, const void *data,
                             size_t length, int64_t at_us)
{
    const char *at = data;
    while (length > 0) {
        size_t now = at_most_a_chunk(length);
        exchange->segments = mem_realloc(exchange->segments, (exchange->segment_count + 1) *
                                                                 sizeof(*exchange->segments));
        exchange->segments[exchange->segment_count++] = (struct whole_segment){
            .chunk = chunk_of(at, now, at_us), .side = side, .seq = exchange->next_seq[side]++};
        at += now;
        length -= now;
    }
}

void whole_exchange_add_message(struct whole_exchange *exchange,
                                const struct whole_message *message)
{
    const char *at = message->length > 0 ? message->data : "";
    size_t length = message->length;
    int opcode = message->opcode;
    do {
        size_t now = at_most_a_chunk(length);
        exchange->messages = mem_realloc(exchange->messages, (exchange->message_count + 1) *
                                                                 sizeof(*exchange->messages));
        exchange->messages[exchange->message_count] =
            (struct store_message){.chunk = chunk_of(at, now, message->at_us),
                                   .side = message->side,
                                   .seq = (int64_t)exchange->message_count,
                                   .opcode = opcode};
        exchange->message_count++;
        opcode = 0;
        at += now;
        length -= now;
    } while (length > 0);
}
