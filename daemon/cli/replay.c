// SPDX-License-Identifier: MIT
// hark replay: sends recorded requests again.
#include "replay_run.h"
#include "rows_output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// --- consent -----------------------------------------------------------------------------------

static bool says_yes(void)
{
    char answer[16];
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0;
}

// More than one request that may change something is only sent if somebody said so.
static enum status ask(const struct invocation *invocation, struct replay_wish *wish,
                       const struct replay_counts *counts)
{
    if (wish->options.is_agreed || counts->unsafe <= 1)
        return STATUS_DONE;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return invocation_fail(invocation, STATUS_USAGE,
                               "%" PRId64 " of the %" PRId64 " requests are not GET, HEAD or "
                               "OPTIONS and may change something; --yes sends them",
                               counts->unsafe, counts->matched);
    fprintf(stderr,
            "%" PRId64 " of the %" PRId64 " requests are not GET, HEAD or OPTIONS and may change "
            "something.\nSend them? [y/N] ",
            counts->unsafe, counts->matched);
    fflush(stderr);
    if (!says_yes())
        return invocation_fail(invocation, STATUS_FAILED, "nothing was sent");
    wish->options.is_agreed = true;
    return STATUS_DONE;
}

// --- the run -----------------------------------------------------------------------------------

static enum status send_all(struct invocation *invocation, const struct replay_wish *wish,
                            enum rows_format format, int64_t total)
{
    bool has_daemon;
    enum status found = replay_find_daemon(invocation, &has_daemon);
    if (found != STATUS_DONE)
        return found;
    struct replay_diff *diff = NULL;
    if (invocation_has(invocation, "diff"))
        diff = replay_diff_create(invocation, format == ROWS_JSONL);
    struct replay_report *report = replay_report_create(invocation, format, diff, total);
    struct replay_end end = has_daemon ? replay_run_there(invocation, wish, report)
                                       : replay_run_here(invocation, wish, report);
    replay_report_finish(report, &end);
    enum status status = end.status;
    if (status == STATUS_DONE)
        status = end.was_interrupted ? STATUS_FAILED : replay_report_status(report);
    replay_report_destroy(report);
    return status;
}

static enum status count_and_send(struct invocation *invocation, struct replay_wish *wish,
                                  enum rows_format format)
{
    struct replay_counts counts;
    struct err err = {0};
    if (replay_count(invocation->reader, &wish->options, &counts, &err) < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (counts.matched == 0)
        return invocation_fail(invocation, STATUS_NO_MATCH, "nothing matched");
    enum status status = ask(invocation, wish, &counts);
    int64_t rounds = wish->options.repeat > 0 ? wish->options.repeat : 1;
    return status == STATUS_DONE ? send_all(invocation, wish, format, counts.matched * rounds)
                                 : status;
}

static enum status read_format(const struct invocation *invocation, enum rows_format *format)
{
    enum status status = rows_output_format(invocation, format);
    bool is_given = invocation_has(invocation, "json") || invocation_has(invocation, "output");
    bool has_diff = invocation_has(invocation, "diff");
    if (status != STATUS_DONE)
        return status;
    if (has_diff && is_given && *format != ROWS_JSONL)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--diff shows text, or with --json JSON lines");
    if (!has_diff &&
        (invocation_has(invocation, "ignore-header") || invocation_has(invocation, "all-headers")))
        return invocation_fail(invocation, STATUS_USAGE,
                               "--ignore-header and --all-headers are of --diff");
    return STATUS_DONE;
}

static enum status run(struct invocation *invocation)
{
    enum rows_format format;
    struct replay_wish wish = {0};
    enum status status = read_format(invocation, &format);
    if (status == STATUS_DONE)
        status = replay_wish_read(&wish, invocation);
    if (status == STATUS_DONE)
        status = count_and_send(invocation, &wish, format);
    replay_wish_fini(&wish);
    return status;
}

static const struct command_option options[] = {
    {"to", 0, "ORIGIN", "send to http://host:port instead; Host says so, too"},
    {"set-header", 0, "'N: V'",
     "put this field in the place of those of its name, or at\nthe end (repeatable)"},
    {"drop-header", 0, "NAME", "leave out the fields of this name (repeatable)"},
    {"set-query", 0, "N=V", "set this parameter of the query (repeatable)"},
    {"diff", 0, NULL, "show what differs from the recorded answers instead of rows"},
    {"ignore-header", 0, "NAME", "with --diff: this field does not count (repeatable)"},
    {"all-headers", 0, NULL, "with --diff: every field counts, Date and its like, too"},
    {"concurrency", 0, "N",
     "so many at once (default: 1, which keeps the order; 64\nwith --rate or --pace recorded)"},
    {"rate", 0, "R", "begin at most R a second"},
    {"pace", 0, "PACE", "recorded: keep the recorded distances in time; fast: do\nnot (default)"},
    {"speed", 0, "N", "with --pace recorded: N times as fast, such as 2x"},
    {"repeat", 0, "N", "send all of it N times"},
    {"send-redacted", 0, NULL, "send marks where values were redacted, instead of skipping"},
    {"yes", 'y', NULL, "do not ask before sending what may change something"},
    {"set", 0, "KEY=VALUE", "set any key of the configuration (repeatable), if no\ndaemon runs"},
    {NULL, 0, NULL, NULL},
};

const struct command command_replay = {
    .name = "replay",
    .arguments = "ID… | RANGE | FILTER…",
    .summary = "send recorded requests again",
    .help = "Sends requests as they were recorded and records the answers as new exchanges, each\n"
            "with the id of the one it repeats (replay_of). Prints a row for each:\n"
            "  id replay_of method url status ms response_size state error error_text\n"
            "and what came of it in all on stderr.\n"
            "\n"
            "Header fields keep their order, case and repeats, bodies their bytes; what changes\n"
            "all the same is told in docs/replay.md. Tunnels, WebSockets and requests whose body\n"
            "is not all there are skipped. So are those that were recorded with values redacted,\n"
            "unless --set-header, --drop-header and --set-query leave no mark in them, or\n"
            "--send-redacted sends the marks. If a range or a filter has more than one request\n"
            "other than GET, HEAD and OPTIONS, hark asks first, or wants --yes.\n"
            "\n"
            "--diff compares each new answer with the recorded one, as hark diff does, and prints\n"
            "what differs; with --json it adds same and differences to each row.\n"
            "\n"
            "Exit status: 0 all were answered, whatever the status; 1 some were not, or with\n"
            "--diff one differs; 3 nothing matched.\n"
            "\n"
            "Examples:\n"
            "  hark replay @last\n"
            "  hark replay 10..20 --to http://127.0.0.1:8080 --diff\n"
            "  hark replay host:api.example.com method:GET --concurrency 16\n"
            "  hark replay session:3 --pace recorded --speed 2x --yes\n",
    .options = options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS | TAKES_FILTER,
    .run = run,
};
