// SPDX-License-Identifier: MIT
#include "follow_open.h"

#include "hark/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// What is longer was not written by hark.
#define TEXT_RANGES_MAX 4096

void open_set_add(struct open_set *set, const struct open_range *range)
{
    if (range->last < range->first)
        return;
    if (set->count == set->capacity) {
        set->capacity = set->capacity == 0 ? 16 : set->capacity * 2;
        set->items = mem_realloc(set->items, set->capacity * sizeof(*set->items));
    }
    set->items[set->count++] = *range;
}

void open_set_remove(struct open_set *set, size_t index)
{
    set->count--;
    memmove(&set->items[index], &set->items[index + 1], (set->count - index) * sizeof(*set->items));
}

void open_set_fini(struct open_set *set)
{
    free(set->items);
    *set = (struct open_set){0};
}

// --- as text ------------------------------------------------------------------------------------

void open_set_append_text(const struct open_set *set, struct buffer *out)
{
    const char *separator = "";
    for (size_t i = 0; i < set->count; i++) {
        int64_t first = set->items[i].first;
        int64_t last = set->items[i].last;
        while (i + 1 < set->count && set->items[i + 1].first == last + 1)
            last = set->items[++i].last;
        buffer_printf(out, "%s%" PRId64, separator, first);
        if (last > first)
            buffer_printf(out, "-%" PRId64, last);
        separator = ",";
    }
}

// A positive number at `*at`, which is moved behind it; 0 if there is none.
static int64_t read_number(const char **at)
{
    if (**at < '1' || **at > '9')
        return 0;
    char *end;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    *at = end;
    return errno == 0 ? number : 0;
}

bool open_set_parse(struct open_set *set, const char *text, int64_t highest, int64_t now_us)
{
    int64_t before = 0;
    const char *at = text;
    while (*at != '\0') {
        struct open_range range = {.since_us = now_us, .kind = OPEN_MISSING};
        range.first = read_number(&at);
        range.last = range.first;
        if (*at == '-') {
            at++;
            range.last = read_number(&at);
        }
        if (range.first <= before || range.last < range.first || range.last > highest ||
            set->count == TEXT_RANGES_MAX)
            return false;
        open_set_add(set, &range);
        before = range.last;
        if (*at == ',' && at[1] != '\0')
            at++;
        else if (*at != '\0')
            return false;
    }
    return true;
}
