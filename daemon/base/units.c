// SPDX-License-Identifier: MIT
// Sizes and durations: digits, then a unit from a table.

#include "hark/units.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"k", INT64_C(1) << 10},
    {"m", INT64_C(1) << 20},
    {"g", INT64_C(1) << 30},
    {"t", INT64_C(1) << 40},
};

static const struct unit duration_units[] = {
    {"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000},
};

static int parse(const char *text, const struct unit *units, size_t unit_count, int64_t *value)
{
    if (text[0] < '0' || text[0] > '9') // strtoll() would take a sign or white space
        return -1;
    char *rest;
    errno = 0;
    long long number = strtoll(text, &rest, 10);
    if (errno != 0)
        return -1;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(rest, units[i].name) == 0)
            return __builtin_mul_overflow(number, units[i].factor, value) ? -1 : 0;
    }
    return -1;
}

int units_parse_size(const char *text, int64_t *bytes)
{
    return parse(text, size_units, sizeof size_units / sizeof size_units[0], bytes);
}

int units_parse_duration(const char *text, int64_t *ms)
{
    return parse(text, duration_units, sizeof duration_units / sizeof duration_units[0], ms);
}

int units_parse_age(const char *text, int64_t *ms)
{
    if (units_parse_duration(text, ms) == 0 && *ms == 0)
        return 0;
    size_t named_count = sizeof duration_units / sizeof duration_units[0] - 1;
    return parse(text, duration_units + 1, named_count, ms);
}
