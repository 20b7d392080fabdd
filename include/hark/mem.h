// SPDX-License-Identifier: MIT
// Memory: allocation that cannot return NULL, and an arena for things that die together.
//
// What hark holds is bounded by design (every queue has a limit), so running out of memory means
// the machine is out of it. Then the process says so and aborts: the recording survives that by
// construction, and no path has to be written that nobody can test.
#ifndef HARK_MEM_H
#define HARK_MEM_H

#include <stddef.h>

void *mem_calloc(size_t count, size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t length);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Gives pages that hold nothing any more back to the system. free() alone does so only at the end
// of each thread's heap, where after a burst (a full queue, thousands of connections) something
// small and long-lived is in the way. It looks through all heaps: for every half a minute, not
// more.
void mem_give_back(void);

// Strings and small structs with one owner and one end of life. Zero-initialised is empty.
// Thread: one at a time; it may move between threads together with its owner.
struct arena {
    struct arena_block *head;
    size_t bytes; // what it holds in all, for accounting
};

// Returns zeroed memory, aligned for any type, that lives until arena_fini().
void *arena_alloc(struct arena *arena, size_t size);
// Of no bytes, as an empty buffer's, the text may be NULL; the copy is "".
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_strdup(struct arena *arena, const char *text); // NULL gives NULL
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_fini(struct arena *arena);

#endif
