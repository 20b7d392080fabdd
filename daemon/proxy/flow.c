// SPDX-License-Identifier: MIT
// The flow. The open chunk is at the same time the last one of the queue towards the peer: it may
// be read while it still grows, since both happen on one thread.
#include "flow.h"

#include "hark/utf8.h"

#include <assert.h>
#include <string.h>

void flow_init(struct flow *flow, int64_t epoch_us, flow_sealed_fn on_sealed, void *ctx)
{
    *flow = (struct flow){.epoch_us = epoch_us, .on_sealed = on_sealed, .ctx = ctx};
}

static void seal_open(struct flow *flow)
{
    struct chunk *chunk = flow->open;
    if (chunk == NULL)
        return;
    flow->open = NULL;
    chunk_seal(chunk);
    flow->on_sealed(flow->ctx, chunk);
    chunk_unref(chunk);
}

static void drop_first(struct flow *flow)
{
    struct chunk *chunk = flow->first;
    flow->first = chunk->next;
    if (flow->first == NULL)
        flow->last = NULL;
    flow->read_offset = 0;
    chunk_unref(chunk);
}

void flow_drop_reader(struct flow *flow)
{
    while (flow->first != NULL)
        drop_first(flow);
    flow->unread_bytes = 0;
    flow->has_no_reader = true;
}

void flow_fini(struct flow *flow)
{
    flow_drop_reader(flow);
    chunk_unref(flow->open);
    flow->open = NULL;
}

static void open_chunk(struct flow *flow, size_t capacity_hint, int64_t now_us)
{
    struct chunk *chunk = chunk_create(capacity_hint, now_us - flow->epoch_us);
    flow->open = chunk;
    if (flow->has_no_reader)
        return;
    chunk_ref(chunk);
    if (flow->last != NULL)
        flow->last->next = chunk;
    else
        flow->first = chunk;
    flow->last = chunk;
}

static bool is_stale(const struct flow *flow, int64_t now_us)
{
    int64_t age_us = now_us - flow->epoch_us - flow->open->at_us;
    return now_us - flow->added_us >= FLOW_GAP_US || age_us >= FLOW_AGE_US;
}

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

// What is left of a character that the open chunk ends in the middle of: text that is stored in
// pieces stays text if no piece begins or ends inside one.
static size_t rest_of_character(const struct flow *flow, const unsigned char *data, size_t length)
{
    size_t missing = utf8_missing_bytes((const char *)flow->open->data, flow->open->length);
    size_t rest = 0;
    while (rest < missing && rest < length && is_continuation(data[rest]))
        rest++;
    return rest;
}

// How much goes into the open chunk: what fits, without cutting a character.
static size_t piece_length(const struct flow *flow, const unsigned char *data, size_t length)
{
    size_t room = CHUNK_MAX_BYTES - flow->open->length;
    if (length <= room)
        return length;
    size_t cut = room;
    while (cut > 0 && room - cut < 3 && is_continuation(data[cut]))
        cut--;
    return cut > 0 && !is_continuation(data[cut]) ? cut : room;
}

void flow_append(struct flow *flow, const void *data, size_t length, size_t capacity_hint,
                 int64_t now_us)
{
    assert(!flow->is_ended);
    const unsigned char *at = data;
    size_t left = length;
    bool is_full = flow->open != NULL && is_stale(flow, now_us);
    if (is_full) {
        size_t rest = rest_of_character(flow, at, left);
        rest = chunk_append(flow->open, at, rest);
        at += rest;
        left -= rest;
    }
    while (left > 0) {
        if (is_full)
            seal_open(flow);
        if (flow->open == NULL)
            open_chunk(flow, capacity_hint > left ? capacity_hint : left, now_us);
        size_t piece = piece_length(flow, at, left);
        chunk_append(flow->open, at, piece);
        at += piece;
        left -= piece;
        is_full = left > 0 || flow->open->length == CHUNK_MAX_BYTES;
    }
    if (is_full)
        seal_open(flow);
    flow->added_us = now_us;
    flow->total_bytes += (int64_t)length;
    if (!flow->has_no_reader)
        flow->unread_bytes += length;
}

void flow_end(struct flow *flow)
{
    flow->is_ended = true;
    seal_open(flow);
}

size_t flow_read(struct flow *flow, void *buffer, size_t size)
{
    unsigned char *to = buffer;
    size_t copied = 0;
    while (copied < size && flow->first != NULL) {
        const struct chunk *chunk = flow->first;
        size_t length = chunk->length - flow->read_offset;
        if (length > size - copied)
            length = size - copied;
        memcpy(to + copied, chunk->data + flow->read_offset, length);
        copied += length;
        flow->read_offset += length;
        if (flow->read_offset < chunk->length)
            break;
        // What is read of an open chunk so far says nothing about what is still to be added.
        if (chunk == flow->open)
            break;
        drop_first(flow);
    }
    flow->unread_bytes -= copied;
    return copied;
}

size_t flow_peek(const struct flow *flow, size_t offset, const void **data)
{
    size_t at = flow->read_offset + offset;
    const struct chunk *chunk = flow->first;
    while (chunk != NULL && at >= chunk->length) {
        at -= chunk->length;
        chunk = chunk->next;
    }
    if (chunk == NULL)
        return 0;
    *data = chunk->data + at;
    return chunk->length - at;
}

struct chunk *flow_take_whole(struct flow *flow)
{
    struct chunk *chunk = flow->first;
    if (!flow->is_ended || chunk == NULL || chunk->next != NULL || flow->read_offset != 0 ||
        (int64_t)chunk->length != flow->total_bytes)
        return NULL;
    chunk_ref(chunk);
    drop_first(flow);
    flow->unread_bytes = 0;
    return chunk;
}

bool flow_is_full(const struct flow *flow)
{
    return flow->unread_bytes >= FLOW_HIGH_BYTES && flow->unread_bytes >= flow->hold_bytes;
}

bool flow_has_room(const struct flow *flow)
{
    return flow->unread_bytes <= FLOW_LOW_BYTES;
}

bool flow_is_drained(const struct flow *flow)
{
    return flow->is_ended && flow->unread_bytes == 0;
}

int64_t flow_tick(struct flow *flow, int64_t now_us)
{
    if (flow->open == NULL)
        return INT64_MAX;
    int64_t due_us = flow->epoch_us + flow->open->at_us + FLOW_AGE_US;
    if (now_us < due_us)
        return due_us;
    seal_open(flow);
    return INT64_MAX;
}
