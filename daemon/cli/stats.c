// SPDX-License-Identifier: MIT
// hark stats: how many exchanges there are by host and status, how large and how fast.
#include "command.h"
#include "progress.h"
#include "rows_output.h"

static const struct rows_column layout[] = {
    {"host", "HOST", COLUMN_PLAIN, 0},         {"status", "STATUS", COLUMN_STATUS, 0},
    {"count", "COUNT", COLUMN_PLAIN, 0},       {"errors", "ERRORS", COLUMN_PLAIN, 0},
    {"request_bytes", "SENT", COLUMN_SIZE, 0}, {"response_bytes", "RECEIVED", COLUMN_SIZE, 0},
    {"p50_ms", "P50", COLUMN_MS, 0},           {"p90_ms", "P90", COLUMN_MS, 0},
    {"p99_ms", "P99", COLUMN_MS, 0},           {NULL, NULL, COLUMN_PLAIN, 0},
};

static enum status show(struct invocation *invocation, const struct filter *filter,
                        enum rows_format format)
{
    struct err err = {0};
    struct rows_printer *printer = rows_output_open(invocation, format, layout);
    struct progress progress;
    progress_begin(&progress, invocation, printer);
    int rc = store_stats(invocation->reader, filter, progress_on_columns, progress_on_row,
                         &progress, &err);
    progress_end(&progress);
    rows_printer_finish(printer);
    int64_t count = rows_printer_count(printer);
    rows_printer_destroy(printer);
    if (rc < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    if (count == 0)
        return invocation_fail(invocation, STATUS_NO_MATCH,
                               filter ? "nothing matched" : "nothing is recorded yet");
    return STATUS_DONE;
}

static enum status run(struct invocation *invocation)
{
    enum rows_format format;
    struct filter *filter = NULL;
    enum status status = rows_output_format(invocation, &format);
    if (status == STATUS_DONE)
        status = invocation_filter(invocation, &filter);
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status == STATUS_DONE)
        status = show(invocation, filter, format);
    filter_destroy(filter);
    return status;
}

const struct command command_stats = {
    .name = "stats",
    .arguments = "[FILTER…]",
    .summary = "count exchanges by host and status",
    .help = "Counts the exchanges that match by host and status, the hosts with the most of\n"
            "them first. The columns, in a pipe tab-separated and without a line of names:\n"
            "  host status count errors request_bytes response_bytes p50_ms p90_ms p99_ms\n"
            "Errors are those with a status from 400 on and those that did not end with a\n"
            "whole answer. Half of the exchanges took at most p50_ms, 90 % at most p90_ms and\n"
            "99 % at most p99_ms, to within 1 %. Exchanges without an answer have no status.\n"
            "\n"
            "`hark ls --help` shows what a filter can say.\n"
            "\n"
            "Examples:\n"
            "  hark stats since:1h\n"
            "  hark stats host:api.example.com -is:replay\n"
            "  hark stats -o jsonl status:5xx | jq .host\n",
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS | TAKES_FILTER,
    .run = run,
};
