// SPDX-License-Identifier: MIT
#include "diff_options.h"

#include "options.h"

void diff_options_read(struct diff_options *options, struct arena *arena,
                       const struct invocation *invocation)
{
    const char **ignored = arena_alloc(arena, invocation->given->count * sizeof *ignored + 1);
    const struct given_option *given;
    size_t count = 0;
    while ((given = given_options_find(invocation->given, "ignore-header", count)) != NULL)
        ignored[count++] = given->value;
    *options = (struct diff_options){
        .ignored_headers = ignored,
        .ignored_count = count,
        .has_all_headers = invocation_has(invocation, "all-headers"),
        .has_request =
            options_has(invocation->command, "request") && invocation_has(invocation, "request"),
    };
}
