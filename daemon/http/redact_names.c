// SPDX-License-Identifier: MIT
#include "redact_names.h"

#include <ctype.h>
#include <string.h>

static bool is_same(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

bool redact_name_fits(const char *pattern, size_t pattern_length, const char *name, size_t length)
{
    const char *end = pattern + pattern_length;
    const char *star = NULL; // the last one; what follows it is tried from `again` on
    size_t again = 0;
    size_t at = 0;
    while (at < length) {
        if (pattern < end && *pattern == '*') {
            star = pattern++;
            again = at;
        } else if (pattern < end && is_same(*pattern, name[at])) {
            pattern++;
            at++;
        } else if (star != NULL) {
            pattern = star + 1;
            at = ++again;
        } else {
            return false;
        }
    }
    while (pattern < end && *pattern == '*')
        pattern++;
    return pattern == end;
}

bool redact_names_have(const struct config_list *names, const char *name, size_t length)
{
    for (size_t i = 0; i < names->count; i++)
        if (redact_name_fits(names->items[i], strlen(names->items[i]), name, length))
            return true;
    return names->count > 0 && length > REDACT_NAME_MAX_BYTES;
}

static bool ends_step(char c)
{
    return c == '[' || c == ']' || c == '.';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool redact_names_have_parameter(const struct config_list *names, const char *name, size_t length)
{
    // Servers that trim names do so after decoding.
    while (length > 0 && is_space(name[0])) {
        name++;
        length--;
    }
    while (length > 0 && is_space(name[length - 1]))
        length--;
    if (redact_names_have(names, name, length))
        return true;
    size_t start = 0;
    for (size_t at = 0; at <= length; at++) {
        if (at < length && !ends_step(name[at]))
            continue;
        if (at > start && redact_names_have(names, name + start, at - start))
            return true;
        start = at + 1;
    }
    return false;
}
