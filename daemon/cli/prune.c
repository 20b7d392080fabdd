// SPDX-License-Identifier: MIT
// hark prune: deletes exchanges, through the daemon that has the recording or by itself.
#include "hark/clock.h"
#include "hark/human.h"
#include "hark/units.h"
#include "number.h"
#include "prune_run.h"
#include "recording_owner.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

// --- what is asked for ---------------------------------------------------------------------------

static bool has_limit(const struct invocation *invocation)
{
    return invocation_has(invocation, "older") || invocation_has(invocation, "keep-bytes") ||
           invocation_has(invocation, "keep-count");
}

static enum status read_limits(const struct invocation *invocation,
                               struct store_prune_options *options)
{
    const char *older = invocation_value(invocation, "older");
    const char *bytes = invocation_value(invocation, "keep-bytes");
    const char *count = invocation_value(invocation, "keep-count");
    int64_t age_ms;
    if (older && (units_parse_age(older, &age_ms) < 0 || age_ms > INT64_MAX / 1000))
        return invocation_fail(invocation, STATUS_USAGE,
                               "--older wants a duration such as 12h or 7d, not \"%s\"", older);
    if (bytes && units_parse_size(bytes, &options->keep_bytes) < 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--keep-bytes wants a size such as 500M or 1G, not \"%s\"", bytes);
    if (count && number_parse(count, &options->keep_count) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "--keep-count wants a number, not \"%s\"",
                               count);
    if (older)
        options->keep_from_us = clock_wall_us() - age_ms * 1000;
    return STATUS_DONE;
}

static enum status read_filter(const struct invocation *invocation, struct prune_wish *wish)
{
    enum status status = invocation_filter(invocation, &wish->filter);
    wish->options.filter = wish->filter;
    if (!wish->filter)
        return status;
    if (filter_is_empty(wish->filter))
        return invocation_fail(invocation, STATUS_USAGE,
                               "delete what? The filter has no word (id:1.. is all there is)");
    wish->filter_text = "";
    for (size_t i = 0; i < invocation->word_count; i++)
        wish->filter_text = arena_printf(&wish->arena, "%s%s%s", wish->filter_text,
                                         i > 0 ? " " : "", invocation->words[i]);
    return STATUS_DONE;
}

static enum status read_wish(const struct invocation *invocation, struct prune_wish *wish)
{
    wish->options = (struct store_prune_options){
        .keep_from_us = STORE_PRUNE_NO_LIMIT,
        .keep_count = STORE_PRUNE_NO_LIMIT,
        .keep_bytes = STORE_PRUNE_NO_LIMIT,
        .is_dry_run = invocation_has(invocation, "dry-run"),
        .is_compact = invocation_has(invocation, "compact"),
    };
    if (invocation->word_count == 0 && !has_limit(invocation) && !wish->options.is_compact)
        return invocation_fail(invocation, STATUS_USAGE,
                               "delete what? Give a filter (id:1.. is all there is), --older, "
                               "--keep-bytes or --keep-count; or --compact");
    enum status status = read_limits(invocation, &wish->options);
    return status == STATUS_DONE ? read_filter(invocation, wish) : status;
}

// --- what came of it -----------------------------------------------------------------------------

static void append_summary(struct buffer *out, const struct store_prune_result *result,
                           const struct store_prune_options *options)
{
    bool is_dry_run = options->is_dry_run;
    bool is_empty = result->exchanges == 0;
    if (options->is_compact)
        buffer_append_text(out, is_dry_run ? "would compact" : "compacted");
    if (options->is_compact && !is_empty)
        buffer_append_text(out, "; ");
    if (!options->is_compact && is_empty)
        buffer_append_text(out, "nothing to delete");
    if (!is_empty) {
        buffer_printf(out, "%s %" PRId64 " exchange%s, %s", is_dry_run ? "would delete" : "deleted",
                      result->exchanges, result->exchanges == 1 ? "" : "s",
                      is_dry_run ? "about " : "");
        human_append_bytes(out, result->bytes);
    }
    if (result->marked > 0)
        buffer_printf(out, "; %" PRId64 " marked stay%s", result->marked,
                      result->marked == 1 ? "s" : "");
    buffer_printf(out, "; the recording %s ", is_dry_run && !is_empty ? "would have" : "has");
    human_append_bytes(out, result->size);
}

static enum status report(const struct invocation *invocation, const struct prune_wish *wish,
                          const struct store_prune_result *result)
{
    bool has_matched = result->exchanges + result->marked > 0;
    bool is_no_match = !has_matched && wish->filter && !has_limit(invocation);
    if (invocation_has(invocation, "json")) {
        printf("{\"exchanges\":%" PRId64 ",\"bytes\":%" PRId64 ",\"marked\":%" PRId64
               ",\"size\":%" PRId64 "}\n",
               result->exchanges, result->bytes, result->marked, result->size);
    } else if (!is_no_match || wish->options.is_compact) {
        struct buffer text = {0};
        append_summary(&text, result, &wish->options);
        if (wish->options.is_dry_run)
            printf("%s\n", text.data);
        else
            fprintf(stderr, "hark prune: %s\n", text.data);
        buffer_fini(&text);
    }
    if (is_no_match)
        return invocation_fail(invocation, STATUS_NO_MATCH, "nothing matched");
    return STATUS_DONE;
}

static enum status prune(struct invocation *invocation, struct prune_wish *wish)
{
    struct store_prune_result result = {0};
    bool has_daemon = false;
    enum status status = invocation_open_recording(invocation);
    if (status == STATUS_DONE && !wish->options.is_dry_run)
        status = recording_find_daemon(invocation, &has_daemon);
    if (status == STATUS_DONE)
        status = has_daemon ? prune_run_there(invocation, wish, &result)
                            : prune_run_here(invocation, wish, &result);
    return status == STATUS_DONE ? report(invocation, wish, &result) : status;
}

// SQLite's temporary copy is to lie beside the recording: /tmp may be small, or memory. SQLite
// looks for this once, before it opens the first file.
static void choose_temporary_folder(const struct invocation *invocation)
{
    char *path = mem_strdup(invocation->db_path);
    setenv("SQLITE_TMPDIR", dirname(path), 0);
    free(path);
}

static enum status run(struct invocation *invocation)
{
    struct prune_wish wish = {0};
    if (invocation_has(invocation, "compact"))
        choose_temporary_folder(invocation);
    enum status status = read_wish(invocation, &wish);
    if (status == STATUS_DONE)
        status = prune(invocation, &wish);
    filter_destroy(wish.filter);
    arena_fini(&wish.arena);
    return status;
}

static const struct command_option options[] = {
    {"older", 0, "AGE", "those that began longer ago: 12h, 7d"},
    {"keep-bytes", 0, "SIZE", "the oldest, until the recording is no larger: 500M, 1G"},
    {"keep-count", 0, "N", "all but the newest N"},
    {"compact", 0, NULL, "give all free space back to the system, also what was free before"},
    {"dry-run", 'n', NULL, "say how many that would be, and delete nothing"},
    {"json", 0, NULL, "the result as JSON on standard output"},
    {NULL, 0, NULL, NULL},
};

const struct command command_prune = {
    .name = "prune",
    .arguments = "[FILTER…]",
    .summary = "delete exchanges",
    .help =
        "Deletes exchanges with their bodies, messages and comments, and gives the space back\n"
        "to the system. A filter alone deletes all that match; with limits, only what is\n"
        "beyond one of them, of those that match the filter if there is one. Marked\n"
        "exchanges (hark note --mark) and those that still go on are never deleted.\n"
        "\n"
        "--compact alone deletes nothing. While no daemon runs it writes the whole file anew,\n"
        "which takes twice its size of free space; else only what is free in it is given back.\n"
        "\n"
        "Examples:\n"
        "  hark prune --older 7d --keep-bytes 1G\n"
        "  hark prune host:tracker.example --dry-run\n"
        "  hark prune status:200 --keep-count 1000\n"
        "  hark prune id:1..\n"
        "  hark prune --compact\n",
    .options = options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | TAKES_FILTER,
    .run = run,
};
