// SPDX-License-Identifier: MIT
// Which configuration file is read, and opening it so that it can neither be taken for missing nor
// keep anybody waiting.
#ifndef HARK_BASE_CONFIG_FILE_H
#define HARK_BASE_CONFIG_FILE_H

#include "hark/config.h"

#include <stdio.h>

// Owner: whoever opened it; `name` is in the arena.
struct config_file {
    FILE *stream; // NULL: none is to be read
    const char *name;
    int line; // the one read last
};

// The value of a variable; NULL for one that is not set or empty.
const char *config_get_env(char *const *environment, const char *name);

int config_file_open(const struct config_sources *sources, struct arena *arena,
                     struct config_file *file, struct err *err);
void config_file_close(struct config_file *file);

// The next line with its end; returns 1 for a line and 0 at the end of the file. A comment is cut
// to what fits. Any other line that does not fit is a mistake, and so is a zero byte: a reader of
// texts would pass over what is behind it.
int config_file_read_line(struct config_file *file, char *line, size_t size, struct err *err);

#endif
