// SPDX-License-Identifier: MIT
// The line is drawn while SQLite works, by whoever watches the reader.
#include "progress.h"

#include "hark/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SILENT_US 1000000
#define REDRAW_US 100000

bool progress_is_wanted(void)
{
    const char *terminal = getenv("TERM");
    return terminal != NULL && strcmp(terminal, "dumb") != 0 && isatty(STDERR_FILENO);
}

static void draw(const struct progress *progress, int64_t now_us)
{
    const struct store_progress *done = store_reader_progress(progress->reader);
    int seconds = (int)((now_us - progress->began_us) / 1000000);
    if (done->total > 0)
        fprintf(stderr, PROGRESS_LINE_BEGIN "hark %s: %d %%, %lld found, %d s", progress->command,
                (int)(done->done * 100 / done->total), (long long)done->found, seconds);
    else
        fprintf(stderr, PROGRESS_LINE_BEGIN "hark %s: %d s", progress->command, seconds);
    fflush(stderr);
}

// Asked by the reader whether it is to go on: always.
static bool on_watch(void *ctx)
{
    struct progress *progress = ctx;
    int64_t now_us = clock_monotonic_us();
    if (now_us - progress->began_us < SILENT_US || now_us - progress->drawn_us < REDRAW_US)
        return false;
    draw(progress, now_us);
    progress->drawn_us = now_us;
    progress->is_shown = true;
    return false;
}

void progress_begin(struct progress *progress, const struct invocation *invocation,
                    struct rows_printer *printer)
{
    *progress = (struct progress){.command = invocation->command->name,
                                  .reader = invocation->reader,
                                  .printer = printer,
                                  .is_on_stdout = isatty(STDOUT_FILENO),
                                  .began_us = clock_monotonic_us()};
    if (progress_is_wanted())
        store_reader_watch(progress->reader, on_watch, progress);
}

// What was shown would stand between the rows.
static void give_way(struct progress *progress)
{
    if (progress->is_on_stdout)
        progress_end(progress);
}

int progress_on_columns(void *ctx, size_t count, const char *const *names)
{
    struct progress *progress = ctx;
    return rows_on_columns(progress->printer, count, names);
}

int progress_on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct progress *progress = ctx;
    give_way(progress);
    return rows_on_row(progress->printer, count, names, values);
}

void progress_end(struct progress *progress)
{
    store_reader_watch(progress->reader, NULL, NULL);
    if (!progress->is_shown)
        return;
    fputs(PROGRESS_LINE_BEGIN, stderr);
    fflush(stderr);
    progress->is_shown = false;
}

// --- what counts by itself -----------------------------------------------------------------------

struct progress_line progress_line_begin(const struct invocation *invocation)
{
    return (struct progress_line){.command = invocation->command->name,
                                  .is_wanted = progress_is_wanted(),
                                  .began_us = clock_monotonic_us()};
}

void progress_line_draw(struct progress_line *line, int64_t count, const char *what)
{
    int64_t now_us = clock_monotonic_us();
    bool is_news = count != line->drawn_count;
    int seconds = (int)((now_us - line->began_us) / 1000000);
    if (!line->is_wanted || now_us - line->began_us < SILENT_US ||
        (!is_news && now_us - line->drawn_us < REDRAW_US))
        return;
    line->drawn_us = now_us;
    line->drawn_count = count;
    if (what != NULL)
        fprintf(stderr, PROGRESS_LINE_BEGIN "hark %s: %lld %s, %d s", line->command,
                (long long)count, what, seconds);
    else
        fprintf(stderr, PROGRESS_LINE_BEGIN "hark %s: %d s", line->command, seconds);
    fflush(stderr);
}

void progress_line_end(const struct progress_line *line)
{
    if (line->drawn_us != 0)
        fputs(PROGRESS_LINE_BEGIN, stderr);
}
