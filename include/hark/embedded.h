// SPDX-License-Identifier: MIT
// Files of other languages that are part of the program, put into it by cmake/embed.cmake.
#ifndef HARK_EMBEDDED_H
#define HARK_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; // without folder; NULL ends a list
    const void *data;
    size_t length;
    const void *gzip; // the same, compressed
    size_t gzip_length;
    const char *digest; // hexadecimal; another one when the file changes
};

// NULL if there is none of that name in the list.
const struct embedded_file *embedded_find(const struct embedded_file *list, const char *name);

extern const struct embedded_file embedded_shims[]; // daemon/cli/shims
extern const struct embedded_file embedded_page[];  // daemon/control/page

#endif
