// SPDX-License-Identifier: MIT
// Migrations. `user_version` and `application_id` lie in the first page of the file and are
// written by the same transaction as the schema, so a process that dies at any statement leaves
// either the old version or the new one.
#include "migrate.h"

#include "hark/mem.h"
#include "sql.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

// Writes the copy under another name first: a half-written one must not look like a copy.
static int back_up(sqlite3 *db, const char *path, int64_t version, struct log *log, struct err *err)
{
    char *copy = mem_printf("%s.v%lld-backup", path, (long long)version);
    char *partial = mem_printf("%s.part", copy);
    int result = -1;

    unlink(partial);
    int fd = open(partial, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_set(err, "store: create %s: %s", partial, strerror(errno));
        goto out;
    }
    close(fd); // VACUUM INTO accepts an empty file, and so keeps its mode
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", partial);
    result = sql_exec(db, sql, "copy", path, err);
    sqlite3_free(sql);
    if (result == 0 && (sync_file(partial) != 0 || rename(partial, copy) != 0))
        result = err_set(err, "store: write %s: %s", copy, strerror(errno));
    if (result == 0)
        log_info(log, "store", "copied %s to %s before migrating it", path, copy);
    else
        unlink(partial);
out:
    free(partial);
    free(copy);
    return result;
}

static int run_step(sqlite3 *db, const char *path, const struct migration *step, struct err *err)
{
    int result = sql_exec(db, "BEGIN IMMEDIATE", "migrate", path, err);
    for (const char *const *sql = step->statements; result == 0 && *sql != NULL; sql++)
        result = sql_exec(db, *sql, "migrate", path, err);

    char versions[96];
    sqlite3_snprintf(sizeof(versions), versions,
                     "PRAGMA application_id = %d; PRAGMA user_version = %d", SCHEMA_APPLICATION_ID,
                     step->version);
    if (result == 0)
        result = sql_exec(db, versions, "migrate", path, err);
    if (result == 0)
        result = sql_exec(db, "COMMIT", "migrate", path, err);
    return result;
}

int migrate(sqlite3 *db, const char *path, const struct migration *steps, size_t count,
            struct log *log, struct err *err)
{
    int64_t version;
    if (sql_integer(db, "PRAGMA user_version", &version, path, err) != 0)
        return -1;
    if (version >= steps[count - 1].version)
        return 0;
    if (version > 0 && back_up(db, path, version, log, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (steps[i].version > version && run_step(db, path, &steps[i], err) != 0)
            return -1;
    if (version > 0)
        log_info(log, "store", "migrated %s from version %lld to %d", path, (long long)version,
                 steps[count - 1].version);
    return 0;
}
