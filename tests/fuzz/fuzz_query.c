// SPDX-License-Identifier: MIT
// A parameter of a query is set: line 1 is its name, line 2 its value, line 3 the query.
#include "fuzz.h"

#include "hark/query.h"

static size_t count(const char *text, char c)
{
    size_t found = 0;
    for (; *text != '\0'; text++)
        found += *text == c;
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *name = fuzz_next_line(&rest);
    const char *value = fuzz_next_line(&rest);
    const char *query = rest;
    struct arena arena = {0};
    if (value != NULL && name[0] != '\0') {
        const char *once = query_set(&arena, query, name, value);
        const char *twice = query_set(&arena, once, name, value);
        assert(strcmp(once, twice) == 0);
        // At most one is added, and what is added cannot end the query.
        assert(count(once, '&') <= (query == NULL ? 0 : count(query, '&') + 1));
        assert(count(once, '#') <= (query == NULL ? 0 : count(query, '#')));
    }
    arena_fini(&arena);
    free(text);
    return 0;
}
