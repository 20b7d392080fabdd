// SPDX-License-Identifier: MIT
// Printing rows of values of any shape: as a table for people, or as TSV, CSV or JSON lines for
// programs.
//
// TSV has no line of names; \t, \n, \r and \\ stand for tab, line feed, carriage return and
// backslash in a value, \xNN for a byte that is not UTF-8 or NUL; NULL is empty. CSV has a line of
// names (RFC 4180, lines end in \n). In JSON a blob is {"base64":"…"}.
#ifndef HARK_ROWS_H
#define HARK_ROWS_H

#include "hark/buffer.h"
#include "hark/store_reader.h"
#include "hark/terminal.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum rows_format {
    ROWS_TABLE,
    ROWS_TSV,
    ROWS_JSONL,
    ROWS_CSV
};

// How a value of a table's column is shown.
enum column_kind {
    COLUMN_PLAIN,
    COLUMN_TIME,   // ISO 8601; how long AGO, under that title, on a terminal
    COLUMN_CLOCK,  // ISO 8601; local time of day, on a terminal
    COLUMN_STATUS, // the status with what `state` and `error` of the same row add to it
    COLUMN_MS,     // milliseconds
    COLUMN_SIZE,   // bytes
};

struct rows_column {
    const char *name; // of the value; NULL ends a list
    const char *title;
    enum column_kind kind;
    size_t from_columns; // only where the terminal is at least as wide
};

struct rows_options {
    FILE *out;
    enum rows_format format;
    struct terminal terminal;
    const struct rows_column *layout; // of a table; NULL: all values as they are
    // A table that is written while its rows come: its columns get their width from these texts, in
    // the order of `layout`, and the last one the rest of the line. NULL: the rows tell.
    const char *const *typical;
    int64_t now_us; // what relative times are relative to
};

// Thread: one at a time.
struct rows_printer;

struct rows_printer *rows_printer_create(const struct rows_options *options);
// The callbacks for the store; ctx is the printer. Both return 1 to stop once `out` fails.
int rows_on_columns(void *ctx, size_t count, const char *const *names);
int rows_on_row(void *ctx, size_t count, const char *const *names, const struct value *values);
// Writes what is still held back.
void rows_printer_finish(struct rows_printer *printer);
int64_t rows_printer_count(const struct rows_printer *printer);
void rows_printer_destroy(struct rows_printer *printer); // takes NULL

// A row as a JSON object.
void rows_append_json(struct buffer *out, size_t count, const char *const *names,
                      const struct value *values);

#endif
