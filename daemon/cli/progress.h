// SPDX-License-Identifier: MIT
// How far the recording is searched: a line on stderr, if that is a terminal, once a call of the
// reader takes over a second. It goes away by itself.
#ifndef HARK_CLI_PROGRESS_H
#define HARK_CLI_PROGRESS_H

#include "command.h"
#include "hark/rows.h"

#define PROGRESS_LINE_BEGIN "\r\033[K"

// Is stderr a terminal that can redraw a line?
bool progress_is_wanted(void);

// Owner: who declared it; it must stay where it is until progress_end(). Thread: the reader's.
struct progress {
    const char *command;
    struct store_reader *reader;
    struct rows_printer *printer; // for progress_on_row(); may be NULL
    bool is_on_stdout;            // stdout is the same terminal
    bool is_shown;
    int64_t began_us;
    int64_t drawn_us;
};

void progress_begin(struct progress *progress, const struct invocation *invocation,
                    struct rows_printer *printer);
// Callbacks for the store, whose ctx is the progress: rows go to the printer, the line before them.
int progress_on_columns(void *ctx, size_t count, const char *const *names);
int progress_on_row(void *ctx, size_t count, const char *const *names, const struct value *values);
void progress_end(struct progress *progress); // may be called twice

// The same line for work that counts by itself. Owner: who declared it. Thread: one.
struct progress_line {
    const char *command;
    bool is_wanted;
    int64_t began_us;
    int64_t drawn_us; // 0: nothing is drawn
    int64_t drawn_count;
};

struct progress_line progress_line_begin(const struct invocation *invocation);
// "hark prune: 12 exchanges deleted, 3 s", for what is counted as "exchanges deleted"; NULL: there
// is nothing to count. A new count is always drawn, else not more often than is of use.
void progress_line_draw(struct progress_line *line, int64_t count, const char *what);
void progress_line_end(const struct progress_line *line);

#endif
