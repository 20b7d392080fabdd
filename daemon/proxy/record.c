// SPDX-License-Identifier: MIT
#include "record.h"

#include "hark/mem.h"

#include <stdlib.h>

#define RECORD_OVERHEAD_BYTES ((size_t)256)

struct record *record_create(int64_t exchange_id)
{
    struct record *record = mem_calloc(1, sizeof(*record));
    record->exchange_id = exchange_id;
    return record;
}

void record_add_segment(struct record *record, struct chunk *chunk, enum body_side side,
                        int64_t seq)
{
    size_t size = (record->segment_count + 1) * sizeof(record->segments[0]);
    record->segments = mem_realloc(record->segments, size);
    record->segments[record->segment_count++] =
        (struct record_segment){.chunk = chunk_ref(chunk), .side = side, .seq = seq};
}

void record_add_message(struct record *record, const struct store_message *message)
{
    size_t size = (record->message_count + 1) * sizeof(record->messages[0]);
    record->messages = mem_realloc(record->messages, size);
    record->messages[record->message_count++] = *message;
    chunk_ref(message->chunk);
}

void record_drop_bodies(struct record *record)
{
    for (size_t i = 0; i < record->segment_count; i++)
        chunk_unref(record->segments[i].chunk);
    for (size_t i = 0; i < record->message_count; i++)
        chunk_unref(record->messages[i].chunk);
    record->segment_count = 0;
    record->message_count = 0;
}

void record_destroy(struct record *record)
{
    if (record == NULL)
        return;
    record_drop_bodies(record);
    free(record->segments);
    free(record->messages);
    row_destroy(record->row);
    if (record->session != NULL)
        free((char *)record->session->command);
    free(record->session);
    free(record);
}

int64_t record_body_bytes(const struct record *record)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < record->segment_count; i++)
        bytes += (int64_t)record->segments[i].chunk->length;
    for (size_t i = 0; i < record->message_count; i++)
        bytes += (int64_t)record->messages[i].chunk->length;
    return bytes;
}

size_t record_accounted_bytes(const struct record *record)
{
    size_t bytes = RECORD_OVERHEAD_BYTES + (size_t)record_body_bytes(record);
    return record->row == NULL ? bytes : bytes + record->row->arena.bytes;
}

void record_list_append(struct record_list *list, struct record *record)
{
    record->next = NULL;
    if (list->last != NULL)
        list->last->next = record;
    else
        list->first = record;
    list->last = record;
    list->count++;
    list->bytes += record->bytes;
}
