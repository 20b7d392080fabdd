// SPDX-License-Identifier: MIT
// hark sql: one read-only statement over the recording.
#include "command.h"
#include "hark/buffer.h"
#include "progress.h"
#include "rows_output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define QUERY_MAX_BYTES ((size_t)1024 * 1024)

static int read_query(struct buffer *query, struct err *err)
{
    for (;;) {
        char *room = buffer_reserve(query, 4096);
        ssize_t length = read(STDIN_FILENO, room, 4096);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return err_set(err, "read the query from standard input: %s", strerror(errno));
        if (length == 0)
            return 0;
        query->length += (size_t)length;
        if (query->length > QUERY_MAX_BYTES)
            return err_set(err, "the query is longer than 1 MiB");
    }
}

static enum status query(struct invocation *invocation, const char *text, enum rows_format format)
{
    struct err err = {0};
    struct rows_printer *printer = rows_output_open(invocation, format, NULL);
    struct progress progress;
    progress_begin(&progress, invocation, printer);
    int rc = store_query(invocation->reader, text, progress_on_columns, progress_on_row, &progress,
                         &err);
    progress_end(&progress);
    rows_printer_finish(printer);
    rows_printer_destroy(printer);
    if (rc < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return STATUS_DONE;
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count != 1)
        return invocation_fail(invocation, STATUS_USAGE,
                               "wants one query (in quotes), or - to read it from standard input");
    enum rows_format format;
    enum status status = rows_output_format(invocation, &format);
    if (status != STATUS_DONE)
        return status;

    struct buffer text = {0};
    struct err err = {0};
    if (strcmp(invocation->words[0], "-") != 0)
        buffer_append_text(&text, invocation->words[0]);
    else if (read_query(&text, &err) < 0)
        status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    buffer_append(&text, "", 0);
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status == STATUS_DONE)
        status = query(invocation, text.data, format);
    buffer_fini(&text);
    return status;
}

const struct command command_sql = {
    .name = "sql",
    .arguments = "QUERY | -",
    .summary = "ask the recording with SQL (read-only)",
    .help = "Runs one SELECT over the recording and prints its rows; with - the query is read\n"
            "from standard input. On a terminal as a table; in a pipe as tab-separated values\n"
            "without a line of names. CSV (-o csv) has one.\n"
            "\n"
            "Views made for this:\n"
            "  traffic     a row an exchange: id, started_at, method, url, status, ms, …\n"
            "  header      a row a header: exchange_id, side, position, name, value\n"
            "  body_text   bodies that are text: exchange_id, side, text\n"
            "  host_stats  requests, errors, bytes, avg_ms by host\n"
            "\n"
            "Examples:\n"
            "  hark sql 'SELECT host, count(*) FROM exchange GROUP BY host'\n"
            "  hark sql -o csv 'SELECT * FROM traffic WHERE status >= 500' > failed.csv\n"
            "  hark sql - < report.sql\n",
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS,
    .run = run,
};
