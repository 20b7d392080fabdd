// SPDX-License-Identifier: MIT
// hark diff: what differs between two exchanges.
#include "hark/diff.h"
#include "diff_options.h"
#include "number.h"
#include "pager.h"
#include "rows_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// How differences are written.
struct output {
    bool is_json;
    struct terminal terminal;
    struct buffer line;
};

static void on_difference(void *ctx, const struct difference *difference)
{
    struct output *output = ctx;
    if (!output->is_json) {
        difference_write(difference, &output->terminal, stdout);
        return;
    }
    buffer_clear(&output->line);
    difference_append_json(difference, &output->line);
    buffer_append_char(&output->line, '\n');
    fwrite(output->line.data, 1, output->line.length, stdout);
}

static enum status load(struct invocation *invocation, const char *word, struct exchange_row **row)
{
    struct err err = {0};
    struct id_range range;
    enum store_found found = id_resolve(invocation->reader, word, &range, &err);
    if (found == STORE_FOUND)
        found = store_get_row(invocation->reader, range.first, row, &err);
    if (found == STORE_READ_ERROR)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (found == STORE_NOT_FOUND)
        return invocation_fail(invocation, STATUS_NO_MATCH, "there is no exchange %s", word);
    return STATUS_DONE;
}

// --- the options ---------------------------------------------------------------------------------

static enum status check_usage(const struct invocation *invocation)
{
    enum rows_format format;
    enum status status = rows_output_format(invocation, &format);
    bool has_format = invocation_has(invocation, "json") || invocation_has(invocation, "output");
    if (status != STATUS_DONE)
        return status;
    if (has_format && format != ROWS_JSONL)
        return invocation_fail(invocation, STATUS_USAGE, "shows text, or with --json JSON lines");
    if (invocation->word_count != 2)
        return invocation_fail(invocation, STATUS_USAGE, "wants two IDs");
    for (size_t i = 0; i < 2; i++)
        if (!id_is_well_formed(invocation->words[i]) || strstr(invocation->words[i], "..") != NULL)
            return invocation_fail(invocation, STATUS_USAGE,
                                   "\"%s\" is no ID; it is a number, @last or @-2 (hark ls lists "
                                   "them)",
                                   invocation->words[i]);
    return STATUS_DONE;
}

// --- the command ---------------------------------------------------------------------------------

static enum status compare(struct invocation *invocation, const struct exchange_row *first,
                           const struct exchange_row *second)
{
    struct arena arena = {0};
    struct diff_options options;
    diff_options_read(&options, &arena, invocation);
    struct output output = {
        .is_json = invocation_has(invocation, "json") || invocation_has(invocation, "output"),
        .terminal = terminal_of(STDOUT_FILENO),
    };
    if (output.terminal.is_terminal && !output.is_json)
        invocation->pager = pager_start();
    struct err err = {0};
    int result = exchange_diff(&(struct diff_exchange){invocation->reader, first},
                               &(struct diff_exchange){invocation->reader, second}, &options,
                               on_difference, &output, &err);
    buffer_fini(&output.line);
    arena_fini(&arena);
    if (result < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return result == 0 ? STATUS_DONE : STATUS_FAILED;
}

static enum status run(struct invocation *invocation)
{
    struct exchange_row *first = NULL;
    struct exchange_row *second = NULL;
    enum status status = check_usage(invocation);
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status == STATUS_DONE)
        status = load(invocation, invocation->words[0], &first);
    if (status == STATUS_DONE)
        status = load(invocation, invocation->words[1], &second);
    if (status == STATUS_DONE)
        status = compare(invocation, first, second);
    row_destroy(first);
    row_destroy(second);
    return status;
}

static const struct command_option options[] = {
    {"request", 0, NULL, "compare the requests, too"},
    {"ignore-header", 0, "NAME", "this header field does not count (repeatable)"},
    {"all-headers", 0, NULL, "every header field counts, Date and its like, too"},
    {NULL, 0, NULL, NULL},
};

const struct command command_diff = {
    .name = "diff",
    .arguments = "ID ID",
    .summary = "compare two exchanges",
    .help = "Prints what differs between the answers of two exchanges: status, header fields,\n"
            "bodies. Prints nothing if nothing does. An ID is a number, @last, or @-2 (the\n"
            "one before the last).\n"
            "\n"
            "Bodies are compared decoded: JSON by structure, where the order of members does\n"
            "not count, each difference with its JSON path; text by lines; what is neither,\n"
            "and what is over 4 MiB, by size and SHA-256. Of a WebSocket the messages are\n"
            "compared, those of the client with --request; pings and pongs do not count.\n"
            "\n"
            "These header fields do not count unless --all-headers is given: Age, Connection,\n"
            "Content-Length, Date, Expires, Keep-Alive, Server-Timing, Trailer,\n"
            "Transfer-Encoding, Via, X-Request-Id, and Expires inside Set-Cookie; nor do those\n"
            "that diff_ignore_headers names in the configuration.\n"
            "\n"
            "With --json one JSON object a line: side, where, path, kind (changed, added,\n"
            "removed, unknown), old, new, note.\n"
            "\n"
            "Exit status: 0 nothing differs, 1 something does (or the recording cannot be\n"
            "read), 3 there is no such exchange.\n"
            "\n"
            "Examples:\n"
            "  hark diff @-2 @last\n"
            "  hark diff 12 15 --request --ignore-header ETag\n"
            "  hark diff 12 15 --json | jq -r .path\n",
    .options = options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS,
    .run = run,
};
