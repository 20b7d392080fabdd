// SPDX-License-Identifier: MIT
// hark ls: the newest exchanges that match, oldest first, as rows of the view `traffic`.
#include "command.h"
#include "number.h"
#include "progress.h"
#include "rows_output.h"

#define LIMIT_USUAL 50

static const struct rows_column layout[] = {
    {"id", "ID", COLUMN_PLAIN, 0},         {"started_at", "STARTED", COLUMN_TIME, 0},
    {"method", "METHOD", COLUMN_PLAIN, 0}, {"status", "STATUS", COLUMN_STATUS, 0},
    {"ms", "TIME", COLUMN_MS, 0},          {"response_size", "SIZE", COLUMN_SIZE, 0},
    {"type", "TYPE", COLUMN_PLAIN, 110},   {"client", "CLIENT", COLUMN_PLAIN, 150},
    {"url", "URL", COLUMN_PLAIN, 0},       {NULL, NULL, COLUMN_PLAIN, 0},
};

static enum status list(struct invocation *invocation, const struct filter *filter, int64_t limit,
                        enum rows_format format)
{
    struct err err = {0};
    struct rows_printer *printer = rows_output_open(invocation, format, layout);
    const struct store_list_options options = {.filter = filter, .limit = limit};
    struct progress progress;
    progress_begin(&progress, invocation, printer);
    int rc = store_list_traffic(invocation->reader, &options, progress_on_columns, progress_on_row,
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
    int64_t limit = LIMIT_USUAL;
    const char *limit_text = invocation_value(invocation, "limit");
    if (limit_text && number_parse(limit_text, &limit) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "-n wants a number, not \"%s\"",
                               limit_text);
    enum rows_format format;
    enum status status = rows_output_format(invocation, &format);
    if (status != STATUS_DONE)
        return status;

    struct filter *filter = NULL;
    status = invocation_filter(invocation, &filter);
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status == STATUS_DONE)
        status = list(invocation, filter, limit, format);
    filter_destroy(filter);
    return status;
}

static const struct command_option own_options[] = {
    {"limit", 'n', "N", "the last N (default: 50; 0: all)"},
    {NULL, 0, NULL, NULL},
};

const struct command command_ls = {
    .name = "ls",
    .arguments = "[FILTER…]",
    .summary = "list exchanges",
    .help = "Lists the last 50 exchanges that match, oldest first: on a terminal as a table,\n"
            "in a pipe as tab-separated values with all columns and no line of names:\n"
            "  id started_at method url status ms request_size response_size type state\n"
            "  error client source\n"
            "In a value \\t, \\n, \\r and \\\\ stand for tab, line feed, carriage return and\n"
            "backslash.\n"
            "\n"
            "A filter is words that must all be true; or, not (or -) and parentheses combine\n"
            "them, quotes keep spaces, and * stands for any text:\n"
            "  host:api.example.com  path:/v1/*  url:text  method:POST  scheme:https\n"
            "  status:404  status:5xx  status:>=400  type:json  client:127.0.0.1\n"
            "  since:10m  since:today  until:2026-01-31T12:00  dur:>500ms  size:>1k\n"
            "  reqsize:>1k  header:name  header:name=text  body:text  reqbody:text\n"
            "  resbody:text  id:10..20  session:3  is:error  is:pending  is:tunnel\n"
            "  is:websocket  is:replay  is:import  is:playback  is:marked\n"
            "A word alone is looked for in the URL. docs/filter.md tells more.\n"
            "\n"
            "Examples:\n"
            "  hark ls status:>=400\n"
            "  hark ls host:api.example.com not method:GET\n"
            "  hark ls since:1h 'body:out of stock'\n"
            "  hark ls -n 0 -o jsonl status:5xx | jq .url\n",
    .options = own_options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS | TAKES_FILTER,
    .run = run,
};
