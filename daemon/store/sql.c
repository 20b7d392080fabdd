// SPDX-License-Identifier: MIT
// Running statements outside the hot paths, and the wording of SQLite's errors.
#include "sql.h"

#include <string.h>

int sql_fail(struct err *err, sqlite3 *db, const char *action, const char *path)
{
    int code = sqlite3_errcode(db);
    int system_code = sqlite3_system_errno(db);
    bool is_system = (code == SQLITE_IOERR || code == SQLITE_CANTOPEN) && system_code != 0;
    if (is_system)
        return err_set(err, "store: %s %s: %s: %s", action, path, sqlite3_errmsg(db),
                       strerror(system_code));
    return err_set(err, "store: %s %s: %s", action, path, sqlite3_errmsg(db));
}

bool sql_is_damage(int code)
{
    int primary = code & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

int sql_exec(sqlite3 *db, const char *sql, const char *action, const char *path, struct err *err)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sql_fail(err, db, action, path);
    return 0;
}

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **statement, const char *path,
                struct err *err)
{
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
        return sql_fail(err, db, "prepare a statement for", path);
    return 0;
}

int sql_integer(sqlite3 *db, const char *sql, int64_t *value, const char *path, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int result = sql_prepare(db, sql, &statement, path, err);
    if (result == 0) {
        *value = 0;
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            *value = sqlite3_column_int64(statement, 0);
        else if (code != SQLITE_DONE)
            result = sql_fail(err, db, "read", path);
    }
    sqlite3_finalize(statement);
    return result;
}
