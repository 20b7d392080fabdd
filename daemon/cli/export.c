// SPDX-License-Identifier: MIT
// hark export: exchanges that match as HAR, curl commands or JSON lines.
#include "hark/export.h"

#include "command.h"
#include "file.h"
#include "progress.h"

#include <string.h>
#include <unistd.h>

static enum status write_to(struct invocation *invocation, struct export_options *options)
{
    struct err err = {0};
    struct progress progress;
    bool is_for_people = options->out == stdout && isatty(STDOUT_FILENO);
    if (!is_for_people)
        progress_begin(&progress, invocation, NULL);
    int64_t count = export_write(invocation->reader, options, &err);
    if (!is_for_people)
        progress_end(&progress);
    if (count < 0)
        // Standard output is looked after when the command has ended.
        return options->out == stdout && ferror(stdout)
                   ? STATUS_FAILED
                   : invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (count == 0)
        return invocation_fail(invocation, STATUS_NO_MATCH,
                               options->filter != NULL ? "nothing matched"
                                                       : "nothing is recorded yet");
    return STATUS_DONE;
}

// The file gets its name once all is in it.
static enum status write_to_file(struct invocation *invocation, struct export_options *options,
                                 const char *path)
{
    struct err err = {0};
    struct file_draft draft;
    if (file_draft_begin(&draft, path, &err) < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    options->out = draft.out;
    enum status status = write_to(invocation, options);
    if (status != STATUS_DONE)
        file_draft_discard(&draft);
    else if (file_draft_keep(&draft, &err) < 0)
        status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return status;
}

static enum status run(struct invocation *invocation)
{
    const char *format = invocation_value(invocation, "format");
    const char *path = invocation_value(invocation, "output");
    struct export_options options = {
        .includes_secrets = invocation_has(invocation, "include-secrets"), .out = stdout};
    struct err err = {0};
    if (format == NULL)
        return invocation_fail(invocation, STATUS_USAGE, "wants --format har, curl or jsonl");
    if (export_format_parse(format, &options.format, &err) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "%s", err.text);

    struct filter *filter;
    enum status status = invocation_filter(invocation, &filter);
    options.filter = filter;
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status == STATUS_DONE)
        status = path != NULL && strcmp(path, "-") != 0 ? write_to_file(invocation, &options, path)
                                                        : write_to(invocation, &options);
    filter_destroy(filter);
    return status;
}

static const struct command_option own_options[] = {
    {"format", 0, "FORMAT", "har, curl or jsonl"},
    {"output", 'o', "FILE", "write to this file, in place of what it held"},
    {"include-secrets", 0, NULL, "do not mask credentials"},
    {NULL, 0, NULL, NULL},
};

const struct command command_export = {
    .name = "export",
    .arguments = "[FILTER…]",
    .summary = "write exchanges as HAR, curl commands or JSON lines",
    .help = "Writes the exchanges that match, oldest first, for use elsewhere:\n"
            "  har    a HAR 1.2 file, for browsers' developer tools and other viewers\n"
            "  curl   a command a line, which sends the request again from sh, bash or zsh\n"
            "  jsonl  an exchange a line with all that was recorded, for version control\n"
            "\n"
            "Credentials in header fields and URLs are masked as ***, unless\n"
            "--include-secrets is given; bodies are not looked into.\n"
            "\"hark import\" reads har and jsonl.\n"
            "\n"
            "Examples:\n"
            "  hark export --format har -o failures.har status:5xx\n"
            "  hark export --format curl --include-secrets @last | sh\n",
    .options = own_options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | TAKES_FILTER,
    .run = run,
};
