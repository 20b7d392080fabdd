// SPDX-License-Identifier: MIT
// What the fuzz targets share. Each takes any bytes, and checks by assert() what must hold for
// all of them; sanitizers see to the rest. Their seeds are in corpus/<name>/.
#ifndef HARK_TESTS_FUZZ_H
#define HARK_TESTS_FUZZ_H

#include "hark/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

// The input as a text, up to its first NUL, in memory of its own. The caller frees it.
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    return mem_strndup((const char *)data, size);
}

// Cuts off what stands before the first newline and returns it; NULL if there is none left.
static inline char *fuzz_next_line(char **rest)
{
    char *line = *rest;
    if (line == NULL)
        return NULL;
    char *end = strchr(line, '\n');
    *rest = end == NULL ? NULL : end + 1;
    if (end != NULL)
        *end = '\0';
    return line;
}

#endif
