// SPDX-License-Identifier: MIT
#include "diff_options.h"

#include "options.h"

void diff_options_read(struct diff_options *options, struct arena *arena,
                       const struct invocation *invocation)
{
    bool has_all_headers = invocation_has(invocation, "all-headers");
    const struct config_list *usual = &invocation->config->diff_ignore_headers;
    size_t usual_count = has_all_headers ? 0 : usual->count;
    size_t most = usual_count + invocation->given->count;
    const char **ignored = arena_alloc(arena, most * sizeof *ignored + 1);
    const struct given_option *given;
    size_t count = 0;
    while ((given = given_options_find(invocation->given, "ignore-header", count)) != NULL)
        ignored[count++] = given->value;
    for (size_t i = 0; i < usual_count; i++)
        ignored[count++] = arena_strdup(arena, usual->items[i]);
    *options = (struct diff_options){
        .ignored_headers = ignored,
        .ignored_count = count,
        .has_all_headers = has_all_headers,
        .has_request =
            options_has(invocation->command, "request") && invocation_has(invocation, "request"),
    };
}
