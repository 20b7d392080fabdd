// SPDX-License-Identifier: MIT
// Allocation that ends the process when there is none, and the arena: blocks that grow from a
// size that holds a usual request head, freed together.
#include "hark/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_FIRST_BLOCK_BYTES ((size_t)2048)

static void *checked(void *memory)
{
    if (memory == NULL) {
        fputs("hark: out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_calloc(size_t count, size_t size)
{
    return checked(calloc(count, size));
}

void *mem_realloc(void *old, size_t size)
{
    return checked(realloc(old, size));
}

char *mem_strdup(const char *text)
{
    return checked(strdup(text));
}

char *mem_strndup(const char *text, size_t length)
{
    return checked(strndup(text, length));
}

char *mem_printf(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return checked(length < 0 ? NULL : text);
}

void mem_give_back(void)
{
    malloc_trim(0);
}

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t capacity;
    alignas(max_align_t) unsigned char data[];
};

static struct arena_block *block_create(struct arena *arena, size_t at_least)
{
    size_t capacity = arena->head != NULL ? arena->head->capacity * 2 : ARENA_FIRST_BLOCK_BYTES;
    if (capacity < at_least)
        capacity = at_least;
    struct arena_block *block = checked(malloc(sizeof(*block) + capacity));
    block->next = arena->head;
    block->used = 0;
    block->capacity = capacity;
    arena->head = block;
    arena->bytes += sizeof(*block) + capacity;
    return block;
}

static void *take(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_block *block = arena->head;
    size_t begin = 0;
    if (block != NULL)
        begin = (block->used + alignment - 1) & ~(alignment - 1);
    if (block == NULL || begin > block->capacity || block->capacity - begin < size) {
        block = block_create(arena, size);
        begin = 0;
    }
    block->used = begin + size;
    return block->data + begin;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size, alignof(max_align_t)), 0, size);
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *copy = take(arena, length + 1, 1);
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(length >= 0);
    char *text = take(arena, (size_t)length + 1, 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void arena_fini(struct arena *arena)
{
    struct arena_block *block = arena->head;
    while (block != NULL) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    *arena = (struct arena){0};
}
