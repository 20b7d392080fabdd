// SPDX-License-Identifier: MIT
// An open hash table of keys, each with a chain through the one array of entries.
#include "playback_index.h"

#include "hark/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024
#define NONE        UINT32_MAX

struct entry {
    int64_t id;
    uint32_t place;
    uint32_t next; // of the same key; NONE: the last
};

struct slot {
    uint64_t key;   // 0: free
    uint32_t first; // the next to be given out; NONE: all were moved
    uint32_t last;
};

struct playback_index {
    pthread_mutex_t mutex; // guards all of it
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    struct slot *slots; // a power of two
    size_t slot_count;
    size_t slots_used;
};

struct playback_index *playback_index_create(void)
{
    struct playback_index *index = mem_calloc(1, sizeof(*index));
    index->slot_count = SLOTS_FIRST;
    index->slots = mem_calloc(index->slot_count, sizeof(index->slots[0]));
    pthread_mutex_init(&index->mutex, NULL);
    return index;
}

void playback_index_destroy(struct playback_index *index)
{
    if (index == NULL)
        return;
    pthread_mutex_destroy(&index->mutex);
    free(index->entries);
    free(index->slots);
    free(index);
}

static uint64_t usable(uint64_t key)
{
    return key == 0 ? 1 : key;
}

// The slot of the key, or the free one where it belongs.
static struct slot *probe(struct slot *slots, size_t count, uint64_t key)
{
    size_t at = (size_t)key & (count - 1);
    while (slots[at].key != 0 && slots[at].key != key)
        at = (at + 1) & (count - 1);
    return &slots[at];
}

static struct slot *find(struct playback_index *index, uint64_t key)
{
    struct slot *slot = probe(index->slots, index->slot_count, usable(key));
    return slot->key != 0 ? slot : NULL;
}

static void widen(struct playback_index *index)
{
    size_t count = index->slot_count * 2;
    struct slot *slots = mem_calloc(count, sizeof(slots[0]));
    for (size_t i = 0; i < index->slot_count; i++)
        if (index->slots[i].key != 0)
            *probe(slots, count, index->slots[i].key) = index->slots[i];
    free(index->slots);
    index->slots = slots;
    index->slot_count = count;
}

static struct slot *find_or_add(struct playback_index *index, uint64_t key)
{
    if (index->slots_used * 4 >= index->slot_count * 3)
        widen(index);
    struct slot *slot = probe(index->slots, index->slot_count, usable(key));
    if (slot->key != 0)
        return slot;
    *slot = (struct slot){.key = usable(key), .first = NONE, .last = NONE};
    index->slots_used++;
    return slot;
}

static uint32_t append_entry(struct playback_index *index, int64_t id, uint32_t place)
{
    if (index->entry_count == index->entry_capacity) {
        size_t capacity = index->entry_capacity == 0 ? SLOTS_FIRST : index->entry_capacity * 3 / 2;
        index->entries = mem_realloc(index->entries, capacity * sizeof(index->entries[0]));
        index->entry_capacity = capacity;
    }
    assert(index->entry_count < NONE);
    index->entries[index->entry_count] = (struct entry){.id = id, .place = place, .next = NONE};
    return (uint32_t)index->entry_count++;
}

void playback_index_add(struct playback_index *index, uint64_t key, int64_t id, uint32_t place)
{
    pthread_mutex_lock(&index->mutex);
    struct slot *slot = find_or_add(index, key);
    uint32_t added = append_entry(index, id, place);
    if (slot->first == NONE)
        slot->first = added;
    else
        index->entries[slot->last].next = added;
    slot->last = added;
    pthread_mutex_unlock(&index->mutex);
}

size_t playback_index_count(struct playback_index *index)
{
    pthread_mutex_lock(&index->mutex);
    size_t count = index->entry_count;
    pthread_mutex_unlock(&index->mutex);
    return count;
}

int64_t playback_index_take(struct playback_index *index, uint64_t key)
{
    int64_t id = 0;
    pthread_mutex_lock(&index->mutex);
    struct slot *slot = find(index, key);
    if (slot != NULL && slot->first != NONE) {
        const struct entry *entry = &index->entries[slot->first];
        id = entry->id;
        if (entry->next != NONE)
            slot->first = entry->next;
    }
    pthread_mutex_unlock(&index->mutex);
    return id;
}

bool playback_index_is_waiting(struct playback_index *index, uint64_t key)
{
    pthread_mutex_lock(&index->mutex);
    const struct slot *slot = find(index, key);
    bool is_waiting = slot != NULL && slot->first != NONE;
    pthread_mutex_unlock(&index->mutex);
    return is_waiting;
}

bool playback_index_has(struct playback_index *index, uint64_t key)
{
    pthread_mutex_lock(&index->mutex);
    bool has = find(index, key) != NULL;
    pthread_mutex_unlock(&index->mutex);
    return has;
}

int64_t playback_index_pop(struct playback_index *index, uint64_t key, uint32_t *place)
{
    int64_t id = 0;
    pthread_mutex_lock(&index->mutex);
    struct slot *slot = find(index, key);
    if (slot != NULL && slot->first != NONE) {
        struct entry *entry = &index->entries[slot->first];
        id = entry->id;
        *place = entry->place;
        slot->first = entry->next;
        entry->place = 0; // found under its other key from now on
    }
    pthread_mutex_unlock(&index->mutex);
    return id;
}

size_t playback_index_near(struct playback_index *index, uint32_t place, int64_t *ids, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&index->mutex);
    for (size_t i = index->entry_count; i > 0 && count < max; i--)
        if (index->entries[i - 1].place == place)
            ids[count++] = index->entries[i - 1].id;
    pthread_mutex_unlock(&index->mutex);
    return count;
}
