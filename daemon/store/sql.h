// SPDX-License-Identifier: MIT
// The few things every user of SQLite here does: run, prepare, say what went wrong.
#ifndef HARK_STORE_SQL_H
#define HARK_STORE_SQL_H

#include "hark/err.h"
#include "hark/store_writer.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

// "store: <action> <path>: <what SQLite and the system say>"; always -1.
int sql_fail(struct err *err, sqlite3 *db, const char *action, const char *path);
// Is this result code that of a file whose content cannot be right?
bool sql_is_damage(int code);

int sql_exec(sqlite3 *db, const char *sql, const char *action, const char *path, struct err *err);
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement, const char *path,
                struct err *err);
// The one integer that a query gives; 0 if it gives no row or NULL.
int sql_integer(sqlite3 *db, const char *sql, int64_t *value, const char *path, struct err *err);

#endif
