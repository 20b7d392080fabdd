// SPDX-License-Identifier: MIT
// The nearest word by edit distance (insert, delete, replace), as far as a typing mistake goes.

#include "hark/suggest.h"

#include <string.h>

enum {
    LONGEST_WORD = 64
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t b_length = strlen(b);
    size_t row[LONGEST_WORD + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = smaller(replaced, smaller(diagonal, row[j]) + 1);
        }
    }
    return row[b_length];
}

const char *suggest_nearest(const char *word, const void *known, size_t count, size_t stride)
{
    size_t word_length = strlen(word);
    const char *nearest = NULL;
    size_t nearest_distance = word_length / 3 + 2; // farther is another word, not a slip
    for (size_t i = 0; i < count; i++) {
        const char *candidate;
        memcpy(&candidate, (const char *)known + i * stride, sizeof candidate);
        if (strlen(candidate) > LONGEST_WORD)
            continue;
        size_t found = distance(word, candidate);
        if (found < nearest_distance && found < strlen(candidate)) {
            nearest = candidate;
            nearest_distance = found;
        }
    }
    return nearest;
}
