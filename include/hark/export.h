// SPDX-License-Identifier: MIT
// Exchanges for use elsewhere: the formats, and one pass over those that match. Memory does not
// depend on how many there are, nor on the size of a body.
#ifndef HARK_EXPORT_H
#define HARK_EXPORT_H

#include "hark/err.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum export_format {
    EXPORT_HAR,
    EXPORT_CURL,
    EXPORT_JSONL
};

// "har", "curl", "jsonl". -1 if there is no such format; the message lists them.
int export_format_parse(const char *name, enum export_format *format, struct err *err);
const char *export_format_media_type(enum export_format format);

struct export_options {
    enum export_format format;
    const struct filter *filter; // NULL: all
    bool includes_secrets;       // else credentials in header fields and URLs are masked
    FILE *out;
};

// Writes what matches, oldest first. Returns how many exchanges that were, or -1.
int64_t export_write(struct store_reader *reader, const struct export_options *options,
                     struct err *err);

#endif
