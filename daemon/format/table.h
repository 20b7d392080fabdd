// SPDX-License-Identifier: MIT
// Between the rows printer and its table.
#ifndef HARK_FORMAT_TABLE_H
#define HARK_FORMAT_TABLE_H

#include "hark/buffer.h"
#include "hark/rows.h"

#include <stdbool.h>

// A number as the shortest text that reads back as the same.
void value_append_real(struct buffer *out, double real);

// A table learns its widths from the first rows, which it holds back, and keeps them.
struct table;

struct table *table_create(const struct rows_options *options);
void table_destroy(struct table *table); // takes NULL
void table_set_columns(struct table *table, size_t count, const char *const *names);
void table_add_row(struct table *table, const struct value *values);
void table_finish(struct table *table);

// One cell as people read it.
struct cell {
    char *text; // its owner frees it
    size_t length;
    size_t columns;
    bool is_number; // aligned right, never cut
    enum color color;
};

// `values` is the whole row, since a status takes more than one of them; `names` has its names.
struct cell cell_make(const struct rows_options *options, enum column_kind kind, size_t index,
                      size_t count, const char *const *names, const struct value *values);

#endif
