// SPDX-License-Identifier: MIT
// The files of daemon/cli/shims, put into the executable by cmake/embed.cmake.
#ifndef HARK_CLI_EMBEDDED_H
#define HARK_CLI_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
    const char *name; // without folder; NULL ends the list
    const void *data;
    size_t length;
};

extern const struct embedded_file embedded_files[];

#endif
