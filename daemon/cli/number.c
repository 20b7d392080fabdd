// SPDX-License-Identifier: MIT
// Words are checked without the recording first, so that a mistake is told even where none exists.
#include "number.h"

#include "hark/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int number_parse(const char *text, int64_t *number)
{
    if (!*text || text[strspn(text, "0123456789")] != '\0')
        return -1;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno != 0)
        return -1;
    *number = value;
    return 0;
}

// "@last" is 0, "@-1" too, "@-2" is 1: how many exchanges before the newest.
static int parse_back(const char *word, int64_t *back)
{
    if (strcmp(word, "@last") == 0) {
        *back = 0;
        return 0;
    }
    if (strncmp(word, "@-", 2) != 0 || number_parse(word + 2, back) < 0 || *back < 1)
        return -1;
    (*back)--;
    return 0;
}

static bool is_end(const char *word)
{
    int64_t number;
    return number_parse(word, &number) == 0 || parse_back(word, &number) == 0;
}

// Both ends of "A..B" as texts of their own, which the caller frees; false if it is no range.
static bool split_range(const char *word, char **first, char **last)
{
    const char *dots = strstr(word, "..");
    if (!dots)
        return false;
    *first = mem_strndup(word, (size_t)(dots - word));
    *last = mem_strdup(dots + 2);
    return true;
}

bool id_is_well_formed(const char *word)
{
    char *first, *last;
    if (!split_range(word, &first, &last))
        return is_end(word);
    bool is_good = is_end(first) && is_end(last);
    free(first);
    free(last);
    return is_good;
}

static enum store_found resolve_end(struct store_reader *reader, const char *word, int64_t *id,
                                    struct err *err)
{
    int64_t back;
    if (number_parse(word, id) == 0)
        return STORE_FOUND;
    parse_back(word, &back);
    return store_last_id(reader, back, id, err);
}

enum store_found id_resolve(struct store_reader *reader, const char *word, struct id_range *range,
                            struct err *err)
{
    char *first, *last;
    range->is_single = !split_range(word, &first, &last);
    if (range->is_single) {
        enum store_found found = resolve_end(reader, word, &range->first, err);
        range->last = range->first;
        return found;
    }
    enum store_found found = resolve_end(reader, first, &range->first, err);
    if (found == STORE_FOUND)
        found = resolve_end(reader, last, &range->last, err);
    free(first);
    free(last);
    return found;
}
