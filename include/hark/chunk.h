// SPDX-License-Identifier: MIT
// A chunk: a run of body bytes that arrived together, shared and not copied.
//
// One chunk goes to the peer and to the recording at once. It is open while bytes are still being
// added (then only the worker that made it may touch it), and sealed before anybody on another
// thread gets to see it; from then on it never changes. A sealed chunk is one row of the table
// `body`.
#ifndef HARK_CHUNK_H
#define HARK_CHUNK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MAX_BYTES ((size_t)256 * 1024)

struct chunk {
    atomic_int refs;
    bool is_sealed;
    size_t length;      // bytes in use
    size_t capacity;    // bytes allocated, at most CHUNK_MAX_BYTES
    int64_t at_us;      // when its first byte came, relative to the exchange's start
    struct chunk *next; // link of the queue towards the peer; the making worker's alone
    unsigned char *data;
};

// An open, empty chunk with one reference and room for `capacity_hint` bytes.
struct chunk *chunk_create(size_t capacity_hint, int64_t at_us);
// Copies in as much as fits below CHUNK_MAX_BYTES and returns how much that was.
size_t chunk_append(struct chunk *chunk, const void *data, size_t length);
void chunk_seal(struct chunk *chunk);
struct chunk *chunk_ref(struct chunk *chunk);
void chunk_unref(struct chunk *chunk); // takes NULL; any thread

#endif
