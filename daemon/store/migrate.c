// SPDX-License-Identifier: MIT
// Migrations. `user_version` and `application_id` lie in the first page of the file and are
// written by the same transaction as the schema, so a process that dies at any statement leaves
// either the old version or the new one.
#include "migrate.h"

#include "hark/file_owner.h"
#include "hark/mem.h"
#include "sql.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
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

// The copy must leave as much room again: what it is made for has to be written yet, and others use
// the disk, too.
static bool has_room(sqlite3 *db, const char *path)
{
    struct err ignored = {0};
    struct statvfs disk;
    int64_t bytes = 0;
    char *copy = mem_strdup(path);
    bool is_known = statvfs(dirname(copy), &disk) == 0 &&
                    sql_integer(db,
                                "SELECT (page_count - freelist_count) * page_size FROM"
                                " pragma_page_count, pragma_freelist_count, pragma_page_size",
                                &bytes, path, &ignored) == 0;
    free(copy);
    return !is_known || bytes <= (int64_t)(disk.f_bavail * disk.f_frsize) / 2;
}

static void remove_partial(const char *partial)
{
    char *journal = mem_printf("%s-journal", partial);
    unlink(partial);
    unlink(journal);
    free(journal);
}

// Writes the copy under another name first: a half-written one must not look like a copy.
static int write_copy(sqlite3 *db, const char *path, const char *copy, struct err *err)
{
    char *partial = mem_printf("%s.part", copy);
    int result = -1;

    remove_partial(partial);
    int fd = open(partial, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_set(err, "store: create %s: %s", partial, strerror(errno));
        goto out;
    }
    (void)file_give_to_owner(fd, partial); // who owns the folder can remove it in any case
    close(fd); // VACUUM INTO accepts an empty file, and so keeps its mode
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", partial);
    result = sql_exec(db, sql, "copy", path, err);
    sqlite3_free(sql);
    if (result == 0 && (sync_file(partial) != 0 || rename(partial, copy) != 0))
        result = err_set(err, "store: write %s: %s", copy, strerror(errno));
    if (result != 0)
        remove_partial(partial);
out:
    free(partial);
    return result;
}

// On a disk without room for it the recording is migrated without a copy: each step is one
// transaction, so the copy is only for going back to an older hark.
static int back_up(sqlite3 *db, const char *path, int64_t version, struct log *log, struct err *err)
{
    bool is_full = !has_room(db, path);
    int result = -1;
    if (!is_full) {
        char *copy = mem_printf("%s.v%lld-backup", path, (long long)version);
        log_info(log, "store", "copying %s to %s before migrating it", path, copy);
        result = write_copy(db, path, copy, err);
        is_full = result != 0 && (sqlite3_errcode(db) & 0xff) == SQLITE_FULL; // a quota
        free(copy);
    }
    if (!is_full)
        return result;
    log_warn(log, "store", "the disk has no room for a copy of %s: it is migrated without one",
             path);
    *err = (struct err){0};
    return 0;
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
