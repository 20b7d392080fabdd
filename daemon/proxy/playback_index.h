// SPDX-License-Identifier: MIT
// The index of playback: which recorded exchanges answer a request, in their recorded order.
//
// An exchange whose request had a body waits in a line of its head's key until somebody asks for
// that key; then the bodies are read and each gets its place by head and body. About 40 bytes an
// exchange, one more table access for each request, however many there are.
//
// Owner: the playback. Thread: any.
#ifndef HARK_PROXY_PLAYBACK_INDEX_H
#define HARK_PROXY_PLAYBACK_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct playback_index;

struct playback_index *playback_index_create(void);
void playback_index_destroy(struct playback_index *index); // takes NULL

// Ids of one key are added in their recorded order. `place` is equal for all of one host and path.
void playback_index_add(struct playback_index *index, uint64_t key, int64_t id, uint32_t place);
size_t playback_index_count(struct playback_index *index);

// The next id of the key, the last one for ever; 0: there is none.
int64_t playback_index_take(struct playback_index *index, uint64_t key);
// Does the key have ids, or has it had some that were moved?
bool playback_index_has(struct playback_index *index, uint64_t key);
// Does the key have ids now?
bool playback_index_is_waiting(struct playback_index *index, uint64_t key);
// Takes the first id of a key out, to be added under another; 0: there is none.
int64_t playback_index_pop(struct playback_index *index, uint64_t key, uint32_t *place);

// The newest ids of a place, at most `max`; returns how many.
size_t playback_index_near(struct playback_index *index, uint32_t place, int64_t *ids, size_t max);

#endif
