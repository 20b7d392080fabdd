// SPDX-License-Identifier: MIT
// Counting results. Times go into buckets, 32 for each doubling, so that a million of them take no
// memory and a percentile is off by 3 % at most.
#include "replay_report.h"

#include "hark/clock.h"
#include "hark/human.h"
#include "hark/mem.h"
#include "hark/terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_COUNT 600
#define ERRORS_MAX   16
#define BUCKET_BITS  5
#define BUCKET_COUNT ((size_t)64 << BUCKET_BITS)
#define SKIPS_TOLD   5
#define MANY         10 // results that percentiles say something of
#define PROGRESS_US  ((int64_t)100000)

struct error_count {
    char code[32];
    int64_t count;
};

// Owner: whoever created it. Thread: main.
struct replay_report {
    struct invocation *invocation;
    struct rows_printer *printer;
    struct replay_diff *diff; // NULL: rows are printed
    int64_t different;
    bool has_progress; // a terminal is there for it, and not for the rows
    int64_t total;
    int64_t begun_us;
    int64_t told_us; // the progress
    int64_t sent;
    int64_t failed;
    int64_t skipped;
    int64_t redacted; // of them
    int64_t missing;
    int64_t statuses[STATUS_COUNT];
    struct error_count errors[ERRORS_MAX];
    size_t error_count;
    int64_t buckets[BUCKET_COUNT]; // of the answered ones' durations
    int64_t longest_us;
};

static const struct rows_column layout[] = {
    {"id", "ID", COLUMN_PLAIN, 0},         {"replay_of", "OF", COLUMN_PLAIN, 0},
    {"method", "METHOD", COLUMN_PLAIN, 0}, {"status", "STATUS", COLUMN_STATUS, 0},
    {"ms", "TIME", COLUMN_MS, 0},          {"response_size", "SIZE", COLUMN_SIZE, 0},
    {"url", "URL", COLUMN_PLAIN, 0},       {NULL, NULL, COLUMN_PLAIN, 0},
};

struct replay_report *replay_report_create(struct invocation *invocation, enum rows_format format,
                                           struct replay_diff *diff, int64_t total)
{
    struct replay_report *report = mem_calloc(1, sizeof *report);
    const struct rows_options options = {
        .out = stdout,
        .format = format,
        .terminal = terminal_of(STDOUT_FILENO),
        .layout = layout,
        .now_us = clock_wall_us(),
    };
    // Requests go on being sent: a reader sees each result as it comes, and one that leaves is
    // noticed.
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    report->invocation = invocation;
    report->printer = rows_printer_create(&options);
    report->has_progress = isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO);
    report->total = total;
    report->begun_us = clock_monotonic_us();
    report->diff = diff;
    if (!diff)
        rows_on_columns(report->printer, REPLAY_COLUMN_COUNT, replay_column_names);
    return report;
}

void replay_report_destroy(struct replay_report *report)
{
    if (!report)
        return;
    rows_printer_destroy(report->printer);
    replay_diff_destroy(report->diff);
    free(report);
}

// --- counting ----------------------------------------------------------------------------------

static size_t bucket_of(int64_t us)
{
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    if (value < (1u << BUCKET_BITS))
        return (size_t)value;
    int shift = 63 - __builtin_clzll(value) - BUCKET_BITS;
    return ((size_t)(shift + 1) << BUCKET_BITS) + (size_t)((value >> shift) - (1u << BUCKET_BITS));
}

// The smallest time that is above all of the bucket.
static int64_t bucket_end_us(size_t bucket)
{
    if (bucket < (1u << BUCKET_BITS))
        return (int64_t)bucket;
    size_t shift = (bucket >> BUCKET_BITS) - 1;
    size_t step = (bucket & ((1u << BUCKET_BITS) - 1)) + (1u << BUCKET_BITS);
    return (int64_t)(step + 1) << shift;
}

static int64_t percentile_us(const struct replay_report *report, int64_t count, int percent)
{
    int64_t rank = (count * percent + 99) / 100;
    int64_t seen = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        seen += report->buckets[i];
        if (seen >= rank)
            return bucket_end_us(i) < report->longest_us ? bucket_end_us(i) : report->longest_us;
    }
    return report->longest_us;
}

static void count_error(struct replay_report *report, const struct value *error)
{
    const char *code = error->type == VALUE_TEXT ? error->data : "broken off";
    size_t i = 0;
    while (i < report->error_count && strcmp(report->errors[i].code, code) != 0)
        i++;
    if (i == ERRORS_MAX)
        return;
    if (i == report->error_count) {
        snprintf(report->errors[i].code, sizeof report->errors[i].code, "%s", code);
        report->error_count++;
    }
    report->errors[i].count++;
}

static bool is_text(const struct value *value, const char *text)
{
    return value->type == VALUE_TEXT && strcmp(value->data, text) == 0;
}

static void count_sent(struct replay_report *report, const struct value *values)
{
    const struct value *error = &values[REPLAY_COLUMN_ERROR];
    const struct value *status = &values[REPLAY_COLUMN_STATUS];
    bool is_answered = error->type == VALUE_NULL && is_text(&values[REPLAY_COLUMN_STATE], "done");
    report->sent++;
    report->failed += !is_answered;
    if (!is_answered) {
        count_error(report, error);
        return;
    }
    if (status->type == VALUE_INTEGER && status->integer > 0 && status->integer < STATUS_COUNT)
        report->statuses[status->integer]++;
    int64_t us = (int64_t)(values[REPLAY_COLUMN_MS].real * 1000 + 0.5);
    report->buckets[bucket_of(us)]++;
    report->longest_us = us > report->longest_us ? us : report->longest_us;
}

// --- progress ----------------------------------------------------------------------------------

static void clear_progress(const struct replay_report *report)
{
    if (report->has_progress && report->told_us != 0)
        fputs("\r\033[K", stderr);
}

static void tell_progress(struct replay_report *report)
{
    int64_t now_us = clock_monotonic_us();
    if (!report->has_progress || now_us - report->told_us < PROGRESS_US)
        return;
    clear_progress(report);
    report->told_us = now_us;
    int64_t done = report->sent + report->skipped + report->missing;
    fprintf(stderr, "hark: %" PRId64 " of %" PRId64 ", %" PRId64 " failed", done, report->total,
            report->failed);
    fflush(stderr);
}

static void tell_unsent(struct replay_report *report, const struct value *values)
{
    int64_t count = report->skipped + report->missing;
    if (count > SKIPS_TOLD)
        return;
    clear_progress(report);
    report->told_us = 0;
    const struct value *reason = &values[REPLAY_COLUMN_ERROR_TEXT];
    invocation_fail(report->invocation, STATUS_DONE, "%" PRId64 " is not sent: %s",
                    values[REPLAY_COLUMN_REPLAY_OF].integer,
                    reason->type == VALUE_TEXT ? reason->data : "no reason is known");
}

static int print_differences(struct replay_report *report, const struct value *values)
{
    struct err err = {0};
    int rc = replay_diff_add(report->diff, values, &err);
    if (rc < 0)
        invocation_fail(report->invocation, STATUS_FAILED, "%s", err.text);
    report->different += rc != 0;
    return rc < 0 || ferror(stdout) ? 1 : 0;
}

int replay_report_add(struct replay_report *report, const struct value *values)
{
    bool is_skipped = is_text(&values[REPLAY_COLUMN_STATE], "skipped");
    bool is_missing = is_text(&values[REPLAY_COLUMN_STATE], "missing");
    report->skipped += is_skipped;
    report->redacted += is_skipped && is_text(&values[REPLAY_COLUMN_ERROR], "redacted");
    report->missing += is_missing;
    if (is_skipped || is_missing)
        tell_unsent(report, values);
    else
        count_sent(report, values);
    tell_progress(report);
    if (report->diff)
        return print_differences(report, values);
    return rows_on_row(report->printer, REPLAY_COLUMN_COUNT, replay_column_names, values);
}

// --- the summary -------------------------------------------------------------------------------

static void append_outcomes(const struct replay_report *report, struct buffer *line)
{
    const char *separator = ": ";
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (report->statuses[i] == 0)
            continue;
        buffer_printf(line, "%s%d × %" PRId64, separator, i, report->statuses[i]);
        separator = ", ";
    }
    for (size_t i = 0; i < report->error_count; i++) {
        buffer_printf(line, "%s%s × %" PRId64, separator, report->errors[i].code,
                      report->errors[i].count);
        separator = ", ";
    }
}

static void append_unsent(const struct replay_report *report, struct buffer *line)
{
    if (report->skipped > 0)
        buffer_printf(line, "; %" PRId64 " skipped", report->skipped);
    if (report->missing > 0)
        buffer_printf(line, "; %" PRId64 " not there", report->missing);
}

static void append_different(const struct replay_report *report, struct buffer *line)
{
    if (report->diff && report->different == 0 && report->sent > 0)
        buffer_append_text(line, "; no answer differs");
    else if (report->diff && report->sent > 0)
        buffer_printf(line, "; %" PRId64 " answer%s", report->different,
                      report->different == 1 ? " differs" : "s differ");
}

static void append_speed(const struct replay_report *report, struct buffer *line)
{
    int64_t us = clock_monotonic_us() - report->begun_us;
    buffer_append_text(line, " in ");
    human_append_duration(line, us);
    if (report->sent > 1 && us > 0)
        buffer_printf(line, " (%.0f/s)", (double)report->sent * 1e6 / (double)us);
}

static void append_latency(const struct replay_report *report, struct buffer *line)
{
    static const int percents[] = {50, 90, 99};
    int64_t answered = report->sent - report->failed;
    if (answered < MANY)
        return;
    buffer_append_text(line, "hark: time to the end of the answer:");
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        buffer_printf(line, " p%d ", percents[i]);
        human_append_duration(line, percentile_us(report, answered, percents[i]));
        buffer_append_text(line, ",");
    }
    buffer_append_text(line, " longest ");
    human_append_duration(line, report->longest_us);
    buffer_append_char(line, '\n');
}

static void append_mend(const struct replay_report *report, struct buffer *text)
{
    if (report->redacted == 0)
        return;
    buffer_append_text(text, "hark: to send what was redacted, give it with --set-header or\n"
                             "  --set-query, leave it out with --drop-header, or send the marks\n"
                             "  with --send-redacted\n");
}

void replay_report_finish(struct replay_report *report, const struct replay_end *end)
{
    struct buffer text = {0};
    rows_printer_finish(report->printer);
    fflush(stdout);
    clear_progress(report);
    if (end->status != STATUS_DONE && report->sent == 0)
        return; // it never began
    buffer_printf(&text, "hark: %ssent %" PRId64 " request%s",
                  end->was_interrupted ? "interrupted; " : "", report->sent,
                  report->sent == 1 ? "" : "s");
    append_speed(report, &text);
    append_outcomes(report, &text);
    append_unsent(report, &text);
    append_different(report, &text);
    buffer_append_char(&text, '\n');
    append_latency(report, &text);
    append_mend(report, &text);
    if (end->session_id > 0 && report->sent > 0)
        buffer_printf(&text, "hark: the new exchanges: hark ls session:%" PRId64 "\n",
                      end->session_id);
    safe_text_write(stderr, text.data, text.length, SAFE_LINES);
    buffer_fini(&text);
}

enum status replay_report_status(const struct replay_report *report)
{
    if (report->sent == 0 && report->skipped == 0)
        return STATUS_NO_MATCH;
    bool is_all_done = report->failed == 0 && report->missing == 0 && report->redacted == 0 &&
                       report->sent > 0 && report->different == 0;
    return is_all_done ? STATUS_DONE : STATUS_FAILED;
}
