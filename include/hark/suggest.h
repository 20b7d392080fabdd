// SPDX-License-Identifier: MIT
// "Did you mean …?" for a mistyped word.
#ifndef HARK_SUGGEST_H
#define HARK_SUGGEST_H

#include <stddef.h>

// The nearest of the known words, or NULL if none is near. `known` is an array of `count`
// elements of `stride` bytes that each begin with a `const char *`, the word.
const char *suggest_nearest(const char *word, const void *known, size_t count, size_t stride);

#endif
