// SPDX-License-Identifier: MIT
// One row of any shape, copied, so that its statement can be reset before the row is shown. The
// names of its columns are copied as well: SQLite may compile a statement anew at any step.
#ifndef HARK_STORE_ROW_COPY_H
#define HARK_STORE_ROW_COPY_H

#include "hark/buffer.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <sqlite3.h>

// Zero-initialised is empty.
struct row_copy {
    struct value *values;
    struct buffer data; // what the values point into
    size_t capacity;
};

// Takes the row that `statement` stands on.
void row_copy_take(struct row_copy *copy, sqlite3_stmt *statement);
size_t row_copy_bytes(const struct row_copy *copy); // the memory it holds
void row_copy_fini(struct row_copy *copy);

// The column names of `statement`, in the arena.
const char *const *column_names_take(struct arena *arena, sqlite3_stmt *statement);

#endif
