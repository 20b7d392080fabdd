// SPDX-License-Identifier: MIT
// Doing what `hark prune` asks for: by the daemon that has the recording, or here. On a terminal
// both say how far they are once it takes over a second.
#ifndef HARK_CLI_PRUNE_RUN_H
#define HARK_CLI_PRUNE_RUN_H

#include "command.h"
#include "hark/store_prune.h"

// What is asked for. Owner: run() in prune.c. Zero-initialised is empty.
struct prune_wish {
    struct arena arena;
    struct store_prune_options options;
    struct filter *filter;
    const char *filter_text; // the words, joined; NULL: none
};

// Another status than STATUS_DONE has been said.
enum status prune_run_here(const struct invocation *invocation, const struct prune_wish *wish,
                           struct store_prune_result *result);
enum status prune_run_there(const struct invocation *invocation, struct prune_wish *wish,
                            struct store_prune_result *result);

#endif
