// SPDX-License-Identifier: MIT
// The inside of a store_reader, shared by the files that read.
#ifndef HARK_STORE_READER_PRIVATE_H
#define HARK_STORE_READER_PRIVATE_H

#include "filter_functions.h"
#include "hark/store_reader.h"
#include "watch.h"

#include <sqlite3.h>

// Owner: who opened it. Thread: the one that opened it.
struct store_reader {
    char *path;
    int lock_fd; // keeps writers off; -1: none
    sqlite3 *db;
    sqlite3_stmt *get_row; // prepared when first used, as the next ones
    sqlite3_stmt *get_traffic;
    sqlite3_stmt *get_wide;
    sqlite3_stmt *get_segment;
    sqlite3_stmt *get_message;
    struct watch watch;
    struct filter_functions functions;
};

// Prepares `*statement` unless it is.
int reader_prepare(struct store_reader *reader, const char *sql, sqlite3_stmt **statement,
                   struct err *err);
// The statement for a row of `traffic` by its id; the reader's.
int reader_prepare_traffic(struct store_reader *reader, bool is_wide, sqlite3_stmt **statement,
                           struct err *err);
int reader_fail(struct store_reader *reader, struct err *err);

#endif
