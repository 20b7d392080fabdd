// SPDX-License-Identifier: MIT
// What nobody asked for is decided by where it goes: people get tables, programs get TSV.
#include "rows_output.h"

#include "hark/clock.h"
#include "hark/suggest.h"
#include "pager.h"

#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum rows_format format;
} formats[] = {
    {"table", ROWS_TABLE},
    {"tsv", ROWS_TSV},
    {"jsonl", ROWS_JSONL},
    {"csv", ROWS_CSV},
};

#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

enum status rows_output_format(const struct invocation *invocation, enum rows_format *format)
{
    const char *name = invocation_value(invocation, "output");
    *format = isatty(STDOUT_FILENO) ? ROWS_TABLE : ROWS_TSV;
    if (invocation_has(invocation, "json")) {
        if (name && strcmp(name, "jsonl") != 0)
            return invocation_fail(invocation, STATUS_USAGE,
                                   "--json and -o %s contradict each other", name);
        *format = ROWS_JSONL;
        return STATUS_DONE;
    }
    if (!name)
        return STATUS_DONE;
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *format = formats[i].format;
            return STATUS_DONE;
        }
    }
    const char *near = suggest_nearest(name, formats, FORMAT_COUNT, sizeof formats[0]);
    return invocation_fail(invocation, STATUS_USAGE,
                           "there is no format \"%s\"%s%s; it is one of table, tsv, jsonl, csv",
                           name, near ? "; did you mean " : "", near ? near : "");
}

struct rows_printer *rows_output_open(struct invocation *invocation, enum rows_format format,
                                      const struct rows_column *layout)
{
    struct rows_options options = {
        .out = stdout,
        .format = format,
        .terminal = terminal_of(STDOUT_FILENO),
        .layout = layout,
        .now_us = clock_wall_us(),
    };
    if (format == ROWS_TABLE)
        invocation->pager = pager_start();
    return rows_printer_create(&options);
}
