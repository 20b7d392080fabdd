// SPDX-License-Identifier: MIT
#include "redact_json_names.h"

#include "redact_names.h"

#include <string.h>

static bool path_fits(const char *pattern, char separator, const struct buffer *path)
{
    size_t at = 0;
    while (at < path->length) {
        const char *name = path->data + at;
        const char *end = strchrnul(pattern, separator);
        if (!redact_name_fits(pattern, (size_t)(end - pattern), name, strlen(name)))
            return false;
        at += strlen(name) + 1;
        if (*end == '\0')
            return at == path->length;
        pattern = end + 1;
    }
    return false;
}

bool redact_json_names_have(const struct config_list *names, const struct buffer *path,
                            const struct buffer *name)
{
    if (name->length > REDACT_NAME_MAX_BYTES)
        return true; // nobody can say that it is not
    for (size_t i = 0; i < names->count; i++) {
        const char *item = names->items[i];
        bool fits = item[0] == '/' ? path_fits(item + 1, '/', path)
                    : strchr(item, '.') != NULL
                        ? path_fits(item, '.', path)
                        : redact_name_fits(item, strlen(item), name->data, name->length);
        if (fits)
            return true;
    }
    return false;
}
