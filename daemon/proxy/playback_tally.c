// SPDX-License-Identifier: MIT
// A table that is as long as there are sessions: a handful, so it is searched from the start.
#include "playback_tally.h"

#include "hark/mem.h"

#include <stdlib.h>

void playback_tallies_init(struct playback_tallies *tallies)
{
    *tallies = (struct playback_tallies){0};
    pthread_mutex_init(&tallies->mutex, NULL);
}

void playback_tallies_fini(struct playback_tallies *tallies)
{
    pthread_mutex_destroy(&tallies->mutex);
    free(tallies->items);
}

// Under the mutex. NULL: it is not open.
static struct playback_tally *find(struct playback_tallies *tallies, int64_t session_id)
{
    for (size_t i = 0; i < tallies->count; i++)
        if (tallies->items[i].session_id == session_id)
            return &tallies->items[i];
    return NULL;
}

void playback_tallies_open(struct playback_tallies *tallies, int64_t session_id)
{
    pthread_mutex_lock(&tallies->mutex);
    size_t size = (tallies->count + 1) * sizeof(tallies->items[0]);
    tallies->items = mem_realloc(tallies->items, size);
    tallies->items[tallies->count++] = (struct playback_tally){.session_id = session_id};
    pthread_mutex_unlock(&tallies->mutex);
}

void playback_tallies_close(struct playback_tallies *tallies, int64_t session_id)
{
    pthread_mutex_lock(&tallies->mutex);
    struct playback_tally *tally = find(tallies, session_id);
    if (tally != NULL)
        *tally = tallies->items[--tallies->count];
    pthread_mutex_unlock(&tallies->mutex);
}

void playback_tallies_add(struct playback_tallies *tallies, int64_t session_id, bool is_hit)
{
    pthread_mutex_lock(&tallies->mutex);
    struct playback_tally *tally = find(tallies, session_id);
    if (tally != NULL && is_hit)
        tally->hits++;
    else if (tally != NULL)
        tally->misses++;
    pthread_mutex_unlock(&tallies->mutex);
}

struct playback_tally playback_tallies_get(struct playback_tallies *tallies, int64_t session_id)
{
    pthread_mutex_lock(&tallies->mutex);
    const struct playback_tally *tally = find(tallies, session_id);
    struct playback_tally copy = tally != NULL ? *tally : (struct playback_tally){0};
    pthread_mutex_unlock(&tallies->mutex);
    return copy;
}
