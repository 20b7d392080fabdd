// SPDX-License-Identifier: MIT
// Opening a recording to write: lock, look at what is there, mend or refuse it, begin a session.
//
// A file is damaged if SQLite says so at any step of opening; it is then set aside once, and the
// steps run again on a new file. What belongs to somebody else is refused before that.
#include "damage.h"
#include "hark/file_owner.h"
#include "identity.h"
#include "lock.h"
#include "migrate.h"
#include "schema.h"
#include "sql.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A file of up to this size is read whole after a crash, to find damage early.
#define QUICK_CHECK_MAX_BYTES ((int64_t)64 * 1024 * 1024)

// How long opening waits for another program that has the file locked.
#define OPEN_BUSY_MS 1000

// What became of an attempt to open.
enum attempt {
    ATTEMPT_OPEN,
    ATTEMPT_DAMAGED,
    ATTEMPT_FAILED
};

// --- the file -----------------------------------------------------------------------------------

// The real path, so that two names of one file have one lock. The file need not exist.
static char *resolve_path(const char *path, struct err *err)
{
    char resolved[PATH_MAX];
    if (realpath(path, resolved) != NULL)
        return mem_strdup(resolved);
    char *for_directory = mem_strdup(path);
    char *for_name = mem_strdup(path);
    char *result = NULL;
    if (errno == ENOENT && realpath(dirname(for_directory), resolved) != NULL)
        result =
            mem_printf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, basename(for_name));
    else
        err_set(err, "store: open %s: %s", path, strerror(errno));
    free(for_directory);
    free(for_name);
    return result;
}

// Makes the file, if there is none, with the mode that SQLite then gives to -wal and -shm, too.
static int create_file(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    int result = fd >= 0 && fchmod(fd, 0600) == 0 && file_give_to_owner(fd, path) == 0
                     ? 0
                     : err_set(err, "store: create %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd); // nothing else in this process can have a file open that did not exist
    return result;
}

static int check_is_file(const char *path, struct err *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_set(err, "store: open %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return err_set(err, "store: open %s: not a regular file", path);
    if (status.st_nlink > 1)
        return err_set(err,
                       "store: open %s: the file has another name, too (a hard link), and two "
                       "programs could write to it without knowing of each other, which damages "
                       "it; remove the other name, or copy the file (cp %s NEW) and use the copy",
                       path, path);
    return 0;
}

// --- the steps of an attempt --------------------------------------------------------------------

static int refuse_foreign(const struct store_writer *writer, struct err *err)
{
    return err_set(err,
                   "store: open %s: this is a database of another program, not a recording; give "
                   "hark another file",
                   writer->path);
}

// What never was a recording is not hark's to move away, and gets no lock file beside it. A lock
// file that is there already says that hark has written here: then it is a damaged recording.
static int check_ownership(const struct store_writer *writer, bool is_own_place, struct err *err)
{
    switch (identity_look(writer->path)) {
    case FILE_OTHER_DATABASE:
        return refuse_foreign(writer, err);
    case FILE_NO_DATABASE:
        if (is_own_place || lock_exists(writer->path))
            return 0;
        return err_set(err, "store: open %s: this is no recording; give hark another file",
                       writer->path);
    case FILE_BLANK:
    case FILE_RECORDING:
        break;
    }
    return 0;
}

static int connect_file(struct store_writer *writer, struct err *err)
{
    if (create_file(writer->path, err) != 0 || check_is_file(writer->path, err) != 0)
        return -1;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(writer->path, &writer->db, flags, NULL) != SQLITE_OK)
        return sql_fail(err, writer->db, "open", writer->path);
    int on = 1;
    sqlite3_file_control(writer->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
    sqlite3_busy_timeout(writer->db, OPEN_BUSY_MS);
    return 0;
}

// The tables of another program may still be in its WAL only, where identity_look() cannot see
// them.
static int check_identity(struct store_writer *writer, struct err *err)
{
    int64_t id = 0;
    int64_t version = 0;
    int64_t tables = 0;
    if (sql_integer(writer->db, "PRAGMA application_id", &id, writer->path, err) != 0 ||
        sql_integer(writer->db, "PRAGMA user_version", &version, writer->path, err) != 0 ||
        sql_integer(writer->db, "SELECT count(*) FROM sqlite_schema", &tables, writer->path, err) !=
            0)
        return -1;
    if (id != SCHEMA_APPLICATION_ID && tables > 0)
        return refuse_foreign(writer, err);
    if (version > schema_version())
        return err_set(err,
                       "store: open %s: a newer hark made this recording (version %lld, this hark "
                       "knows %d); use that one, or give this one another file",
                       writer->path, (long long)version, schema_version());
    return 0;
}

// Page size and auto_vacuum can be chosen only before the first table.
static int lay_out(struct store_writer *writer, struct err *err)
{
    int64_t tables = 0;
    if (sql_integer(writer->db, "SELECT count(*) FROM sqlite_schema", &tables, writer->path, err) !=
        0)
        return -1;
    if (tables > 0)
        return 0;
    return sql_exec(writer->db, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL",
                    "set up", writer->path, err);
}

// WAL comes after the tables, so that a process that dies here leaves a blank file or a complete
// one. Of a complete one nothing is written: its disk may be full.
static int set_up_schema(struct store_writer *writer, struct err *err)
{
    const char *path = writer->path;
    if (lay_out(writer, err) != 0 ||
        migrate(writer->db, path, schema_migrations, schema_migration_count, writer->log, err) != 0)
        return -1;
    int64_t is_wal = 0;
    if (sql_exec(writer->db, "PRAGMA journal_mode = WAL", "set up", path, err) != 0 ||
        sql_integer(writer->db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal,
                    path, err) != 0)
        return -1;
    if (!is_wal)
        return err_set(err, "store: open %s: this file system cannot do WAL; use a local disk",
                       path);
    return 0;
}

// A commit has left `frames` pages in the WAL: more than before, or it has begun anew.
static int on_commit(void *ctx, sqlite3 *db, const char *name, int frames)
{
    (void)db;
    (void)name;
    struct store_writer *writer = ctx;
    int added = frames > writer->wal_frames ? frames - writer->wal_frames : frames;
    writer->wal_written_bytes += added * writer->page_bytes;
    writer->wal_unmoved_bytes += added * writer->page_bytes;
    writer->wal_frames = frames;
    return SQLITE_OK;
}

// secure_delete: Debian's default would write each page that is freed once more, full of zeros.
// FAST still overwrites what is deleted inside pages that are written anyway.
static int configure(struct store_writer *writer, bool sync_every_commit, struct err *err)
{
    const char *settings = "PRAGMA wal_autocheckpoint = 0;"
                           "PRAGMA cache_size = -4096;"
                           "PRAGMA mmap_size = 0;"
                           "PRAGMA temp_store = MEMORY;"
                           "PRAGMA foreign_keys = OFF;"
                           "PRAGMA secure_delete = FAST";
    const char *sync =
        sync_every_commit ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL";
    if (sql_exec(writer->db, settings, "set up", writer->path, err) != 0 ||
        sql_exec(writer->db, sync, "set up", writer->path, err) != 0 ||
        sql_integer(writer->db, "PRAGMA page_size", &writer->page_bytes, writer->path, err) != 0)
        return -1;
    struct stat wal;
    writer->wal_unmoved_bytes = stat(writer->wal_path, &wal) == 0 ? wal.st_size : 0; // at most
    sqlite3_wal_hook(writer->db, on_commit, writer);
    return store_writer_limit_wal(writer, WRITER_WAL_LIMIT_BYTES, err) == STORE_OK ? 0 : -1;
}

// A session that met damage has left word of it; after a crash a small file is read whole.
static int check_damage(struct store_writer *writer, bool *is_damaged, struct err *err)
{
    sqlite3 *db = writer->db;
    const char *path = writer->path;
    int64_t damaged = 0;
    int64_t crashed = 0;
    int64_t bytes = 0;
    int64_t faults = 0;
    if (sql_integer(db, "SELECT count(*) FROM session WHERE state = 'damaged'", &damaged, path,
                    err) != 0 ||
        sql_integer(db, "SELECT count(*) FROM session WHERE state = 'running'", &crashed, path,
                    err) != 0 ||
        sql_integer(db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                    &bytes, path, err) != 0)
        return -1;
    if (crashed > 0 && bytes <= QUICK_CHECK_MAX_BYTES &&
        sql_integer(db, "SELECT count(*) FROM pragma_quick_check WHERE quick_check <> 'ok'",
                    &faults, path, err) != 0)
        return -1;
    *is_damaged = damaged > 0 || faults > 0;
    if (damaged > 0)
        return err_set(err, "store: open %s: an earlier session found damage", path);
    if (faults > 0)
        return err_set(err, "store: open %s: quick_check finds damage", path);
    return 0;
}

// A full disk is waited for: the session begins with the first transaction that it takes.
static int begin_session(struct store_writer *writer, const struct store_writer_options *options,
                         struct err *err)
{
    struct err refusal = {0};
    if (writer_plan_session(writer, options, err) != 0)
        return -1;
    enum store_result result = store_writer_begin(writer, &refusal);
    if (result == STORE_OK)
        result = store_writer_commit(writer, &refusal);
    if (result == STORE_OK || result == STORE_FULL)
        return 0;
    return err_set(err, "%s", refusal.text);
}

// --- opening -------------------------------------------------------------------------------------

static void disconnect(struct store_writer *writer)
{
    writer_finalize(writer);
    sqlite3_close(writer->db);
    writer->db = NULL;
}

static enum attempt attempt_open(struct store_writer *writer,
                                 const struct store_writer_options *options, struct err *err)
{
    bool is_damaged = false;
    if (connect_file(writer, err) == 0 && check_identity(writer, err) == 0 &&
        set_up_schema(writer, err) == 0 &&
        configure(writer, options->sync_every_commit, err) == 0 &&
        check_damage(writer, &is_damaged, err) == 0 && writer_prepare(writer, err) == 0 &&
        begin_session(writer, options, err) == 0) {
        sqlite3_busy_timeout(writer->db, WRITER_BUSY_MS);
        return ATTEMPT_OPEN;
    }
    is_damaged = is_damaged || (writer->db != NULL && sql_is_damage(sqlite3_errcode(writer->db)));
    disconnect(writer);
    return is_damaged ? ATTEMPT_DAMAGED : ATTEMPT_FAILED;
}

static void writer_destroy(struct store_writer *writer)
{
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    for (size_t i = 0; i < sizeof(writer->json) / sizeof(writer->json[0]); i++)
        buffer_fini(&writer->json[i]);
    arena_fini(&writer->latin1);
    arena_fini(&writer->texts);
    free(writer->path);
    free(writer->wal_path);
    free(writer);
}

struct store_writer *store_writer_open(const struct store_writer_options *options, struct err *err)
{
    struct store_writer *writer = mem_calloc(1, sizeof(*writer));
    writer->log = options->log;
    writer->sync_every_commit = options->sync_every_commit;
    writer->lock_fd = -1;
    writer->path = resolve_path(options->path, err);
    if (writer->path == NULL)
        goto fail;
    writer->wal_path = mem_printf("%s-wal", writer->path);
    if (check_ownership(writer, options->is_own_place, err) != 0)
        goto fail;
    writer->lock_fd = lock_acquire(writer->path, err);
    if (writer->lock_fd < 0)
        goto fail;

    struct err problem = {0};
    enum attempt attempt = attempt_open(writer, options, &problem);
    if (attempt == ATTEMPT_DAMAGED) {
        if (damage_set_aside(writer->path, problem.text, writer->log, err) != 0)
            goto fail;
        problem = (struct err){0};
        attempt = attempt_open(writer, options, &problem);
    }
    if (attempt == ATTEMPT_OPEN)
        return writer;
    err_set(err, "%s", problem.text);
fail:
    writer_destroy(writer);
    return NULL;
}

// --- beginning anew ------------------------------------------------------------------------------

bool writer_has_moved(struct store_writer *writer)
{
    int has_moved = 0;
    sqlite3_file_control(writer->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
    return has_moved != 0;
}

// What was committed goes into the old file, wherever that is now. What stays behind beside it
// would be taken for the new file's.
static int leave_old_file(struct store_writer *writer, struct err *err)
{
    int code = sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (code != SQLITE_OK)
        return sql_fail(err, writer->db, "take leave of", writer->path);
    char *shm_path = mem_printf("%s-shm", writer->path);
    unlink(writer->wal_path);
    unlink(shm_path);
    free(shm_path);
    return 0;
}

static int open_new_file(struct store_writer *writer, struct err *err)
{
    int64_t wal_limit_bytes = writer->wal_limit_bytes;
    if (connect_file(writer, err) != 0 || set_up_schema(writer, err) != 0 ||
        configure(writer, writer->sync_every_commit, err) != 0 ||
        store_writer_limit_wal(writer, wal_limit_bytes, err) != STORE_OK ||
        writer_prepare(writer, err) != 0)
        return -1;
    sqlite3_busy_timeout(writer->db, WRITER_BUSY_MS);
    writer->has_session = false;
    return 0;
}

// With the ids of before: exchanges that are under way have theirs. A file that somebody has put
// there may have other exchanges by those ids.
int writer_begin_anew(struct store_writer *writer, struct err *err)
{
    if (access(writer->path, F_OK) == 0)
        return err_set(err,
                       "store: write to %s: another file has been put in its place; restart hark "
                       "to record into it",
                       writer->path);
    if (create_file(writer->path, err) != 0)
        return -1;
    if (leave_old_file(writer, err) != 0) {
        unlink(writer->path);
        return -1;
    }
    struct store_writer old = *writer;
    writer->db = NULL;
    memset(writer->statements, 0, sizeof(writer->statements));
    if (open_new_file(writer, err) != 0) {
        disconnect(writer);
        unlink(writer->path);
        *writer = old;
        return -1;
    }
    disconnect(&old);
    log_warn(writer->log, "store", "%s was removed or moved away; a new recording begins",
             writer->path);
    return 0;
}

// --- closing ------------------------------------------------------------------------------------

void store_writer_close(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    struct err err = {0};
    int64_t wal_bytes;
    store_writer_rollback(writer);
    sqlite3_busy_timeout(writer->db, OPEN_BUSY_MS);
    writer_end_session(writer);
    // Whoever still has the file open keeps SQLite from doing it at the close.
    writer->wal_limit_bytes = 0;
    writer->restart_tried_us = 0;
    if (store_writer_checkpoint(writer, &wal_bytes, &err) != STORE_OK)
        log_error(writer->log, "store", "%s", err.text);
    disconnect(writer);
    writer_destroy(writer);
}

static enum store_prospect foresee_recording(const char *path)
{
    sqlite3 *db = NULL;
    struct err ignored = {0};
    int64_t version = 0;
    bool is_read =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK &&
        sql_integer(db, "PRAGMA user_version", &version, path, &ignored) == 0;
    bool is_damaged = !is_read && db != NULL && sql_is_damage(sqlite3_errcode(db));
    sqlite3_close(db);
    if (is_damaged)
        return STORE_WILL_SET_ASIDE;
    return is_read && version < schema_version() ? STORE_WILL_MIGRATE : STORE_WILL_REFUSE;
}

enum store_prospect store_foresee(const char *path, bool is_own_place)
{
    switch (identity_look(path)) {
    case FILE_BLANK:
        return STORE_WILL_BEGIN;
    case FILE_RECORDING:
        return foresee_recording(path);
    case FILE_NO_DATABASE:
        return is_own_place || lock_exists(path) ? STORE_WILL_SET_ASIDE : STORE_WILL_NOT_TOUCH;
    case FILE_OTHER_DATABASE:
        break;
    }
    return STORE_WILL_NOT_TOUCH;
}

pid_t store_find_writer(const char *path)
{
    struct err ignored = {0};
    char *resolved = resolve_path(path, &ignored);
    pid_t pid = resolved == NULL ? 0 : lock_find_holder(resolved);
    free(resolved);
    return pid;
}

int64_t store_writer_next_id(const struct store_writer *writer)
{
    return writer->next_id;
}

int64_t store_writer_session_id(const struct store_writer *writer)
{
    return writer->session_id;
}
