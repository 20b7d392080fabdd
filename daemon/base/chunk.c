// SPDX-License-Identifier: MIT
// Chunks: reference-counted body bytes. The bytes lie apart from the head of the struct so that an
// open chunk can grow while others already hold a reference to it on the same thread.
#include "hark/chunk.h"

#include "hark/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN_BYTES ((size_t)512)

static size_t clamp_capacity(size_t wanted)
{
    if (wanted < CHUNK_MIN_BYTES)
        return CHUNK_MIN_BYTES;
    return wanted > CHUNK_MAX_BYTES ? CHUNK_MAX_BYTES : wanted;
}

struct chunk *chunk_create(size_t capacity_hint, int64_t at_us)
{
    struct chunk *chunk = mem_calloc(1, sizeof(*chunk));
    atomic_init(&chunk->refs, 1);
    chunk->at_us = at_us;
    chunk->capacity = clamp_capacity(capacity_hint);
    chunk->data = mem_realloc(NULL, chunk->capacity);
    return chunk;
}

static void grow(struct chunk *chunk, size_t needed)
{
    size_t capacity = chunk->capacity;
    while (capacity < needed)
        capacity *= 2;
    chunk->capacity = clamp_capacity(capacity);
    chunk->data = mem_realloc(chunk->data, chunk->capacity);
}

size_t chunk_append(struct chunk *chunk, const void *data, size_t length)
{
    assert(!chunk->is_sealed);
    size_t room = CHUNK_MAX_BYTES - chunk->length;
    if (length > room)
        length = room;
    if (chunk->length + length > chunk->capacity)
        grow(chunk, chunk->length + length);
    memcpy(chunk->data + chunk->length, data, length);
    chunk->length += length;
    return length;
}

void chunk_seal(struct chunk *chunk)
{
    chunk->is_sealed = true;
}

struct chunk *chunk_ref(struct chunk *chunk)
{
    atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
    return chunk;
}

void chunk_unref(struct chunk *chunk)
{
    if (chunk == NULL || atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(chunk->data);
    free(chunk);
}
