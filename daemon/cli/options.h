// SPDX-License-Identifier: MIT
// The options of a command: its own, those of what it needs, and those every command takes.
#ifndef HARK_CLI_OPTIONS_H
#define HARK_CLI_OPTIONS_H

#include "command.h"

struct given_option {
    const struct command_option *option;
    const char *value; // borrowed from argv; NULL for a plain flag
};

// Owner: the invocation. Zero-initialised is empty.
struct given_options {
    struct given_option *items;
    size_t count;
};

// Calls `visit` for each option that `command` takes, its own first.
void options_walk(const struct command *command,
                  void (*visit)(void *ctx, const struct command_option *option), void *ctx);

bool options_has(const struct command *command, const char *name);

// Sorts argv (argv[0] is the command's name) into options and words; words are moved to the end
// of argv and `first_word` is the index of the first.
int options_parse(const struct command *command, int argc, char **argv, struct given_options *given,
                  int *first_word, struct err *err);
void given_options_fini(struct given_options *given);

// The given option of that name with `index` others of it before, or NULL.
const struct given_option *given_options_find(const struct given_options *given, const char *name,
                                              size_t index);

#endif
