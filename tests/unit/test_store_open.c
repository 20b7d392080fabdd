// SPDX-License-Identifier: MIT
// Opening a recording: a new one, a locked one, a damaged one, one that is not ours.
#include "store/schema.h"
#include "store_fixture.h"

#include <glob.h>
#include <sys/wait.h>

static void write_file(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, length), length);
    close(fd);
}

static void assert_open_fails(struct fixture *fixture, const char *part_of_message)
{
    struct err err = {0};
    assert_null(fixture_try_open(fixture, &err));
    assert_contains(err.text, part_of_message);
}

// --- a new one ----------------------------------------------------------------------------------

static void test_new_file_has_the_documented_format(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_answer(fixture->path,
                  "SELECT page_size, auto_vacuum, journal_mode, application_id, user_version"
                  " FROM pragma_page_size, pragma_auto_vacuum, pragma_journal_mode,"
                  " pragma_application_id, pragma_user_version",
                  "8192|2|wal|1214345835|3");
    assert_answer(fixture->path,
                  "SELECT group_concat(name, ' ') FROM (SELECT name FROM pragma_table_list"
                  " WHERE schema = 'main' AND name NOT LIKE 'sqlite%' AND strict = 1"
                  " ORDER BY name)",
                  "body exchange message note session");
}

static void assert_mode_private(const struct fixture *fixture, const char *suffix)
{
    char *path = mem_printf("%s%s", fixture->path, suffix);
    assert_int_equal(fixture_mode(path), 0600);
    free(path);
}

static void test_files_are_private_whatever_the_umask(void **state)
{
    struct fixture *fixture = *state;
    const mode_t masks[] = {0, 0777};
    for (size_t i = 0; i < 2; i++) {
        char *path = mem_printf("%s/%zu.db", fixture->folder, i);
        free(fixture->path);
        fixture->path = path;
        mode_t before = umask(masks[i]);
        fixture_open(fixture);
        struct exchange_row *row = fixture_row(1);
        fixture_put(fixture, row);
        row_destroy(row);
        umask(before);
        assert_mode_private(fixture, "");
        assert_mode_private(fixture, "-wal");
        assert_mode_private(fixture, "-shm");
        assert_mode_private(fixture, ".lock");
        fixture_close(fixture);
    }
}

static void test_missing_folder_is_named(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->path);
    fixture->path = mem_printf("%s/none/hark.db", fixture->folder);
    assert_open_fails(fixture, "none/hark.db: No such file or directory");
}

static void test_folder_in_place_of_the_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(fixture->path, 0700), 0);
    assert_open_fails(fixture, "not a regular file");
}

// --- sessions -----------------------------------------------------------------------------------

static void test_session_tells_what_ran_and_how_it_ended(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_int_equal(store_writer_session_id(fixture->writer), 1);
    assert_answer(fixture->path,
                  "SELECT id, state, ended_us, version, command, settings FROM session",
                  "1|running|NULL|1.2.3|hark serve|{\"durability\":\"relaxed\"}");
    fixture_close(fixture);
    assert_answer(fixture->path, "SELECT state, ended_us >= started_us FROM session", "ended|1");
}

static void test_losses_add_up_in_the_session(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    fixture_open(fixture);
    for (int i = 0; i < 2; i++) {
        fixture_must(store_writer_begin(fixture->writer, &err), &err);
        fixture_must(store_writer_put_loss(fixture->writer, 2, 300, &err), &err);
        fixture_must(store_writer_commit(fixture->writer, &err), &err);
    }
    assert_answer(fixture->path, "SELECT lost_exchanges, lost_bytes FROM session", "4|600");
}

static void test_ids_go_on_where_they_ended(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    assert_int_equal(store_writer_next_id(fixture->writer), 1);
    struct exchange_row *row = fixture_row(17);
    fixture_put(fixture, row);
    row_destroy(row);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_int_equal(store_writer_next_id(fixture->writer), 18);
}

static void test_ids_of_deleted_exchanges_are_not_given_again(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct exchange_row *row = fixture_row(17);
    fixture_put(fixture, row);
    row_destroy(row);
    fixture_close(fixture);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "DELETE FROM exchange");
    sqlite3_close(db);
    fixture_open(fixture);
    assert_int_equal(store_writer_next_id(fixture->writer), 18);
}

// Runs `work` on an open writer in a process that then dies without closing it.
static void die_after(struct fixture *fixture, void (*work)(struct fixture *fixture))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        fixture->writer = fixture_try_open(fixture, &err);
        if (fixture->writer != NULL)
            work(fixture);
        _exit(fixture->writer == NULL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void put_pending_and_done(struct fixture *fixture)
{
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    row->id = 2;
    row->state = ROW_STATE_PENDING;
    fixture_put(fixture, row);
}

static void test_pending_exchanges_of_a_dead_process_are_interrupted(void **state)
{
    struct fixture *fixture = *state;
    die_after(fixture, put_pending_and_done);
    assert_answer(fixture->path, "SELECT state FROM exchange ORDER BY id", "done\npending");
    fixture_open(fixture);
    assert_answer(fixture->path, "SELECT id, state, duration_us FROM exchange ORDER BY id",
                  "1|done|12345\n2|interrupted|NULL");
    assert_answer(fixture->path, "SELECT id, state, ended_us FROM session ORDER BY id",
                  "1|crashed|NULL\n2|running|NULL");
    assert_int_equal(store_writer_next_id(fixture->writer), 3);
}

static void put_in_open_transaction(struct fixture *fixture)
{
    struct err err = {0};
    struct exchange_row *row = fixture_row(1);
    store_writer_begin(fixture->writer, &err);
    store_writer_put_row(fixture->writer, row, false, &err);
}

static void test_open_transaction_of_a_dead_process_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    die_after(fixture, put_in_open_transaction);
    fixture_open(fixture);
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "0");
}

// --- dying while it is made ---------------------------------------------------------------------

static int statements_to_live;

static int on_statement(unsigned type, void *ctx, void *statement, void *text)
{
    (void)type;
    (void)ctx;
    (void)statement;
    (void)text;
    if (statements_to_live-- == 0)
        _exit(9);
    return 0;
}

static int on_connection(sqlite3 *db, char **message, const void *api)
{
    (void)message;
    (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
}

// Opens in a process that dies at the n-th statement. Returns whether it died.
static bool open_and_die(struct fixture *fixture, int n)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        statements_to_live = n;
        sqlite3_auto_extension((void (*)(void))on_connection);
        _exit(fixture_try_open(fixture, &err) != NULL ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9));
    return WEXITSTATUS(status) == 9;
}

static void test_death_at_any_statement_of_the_first_start_does_no_harm(void **state)
{
    struct fixture *fixture = *state;
    int n = 0;
    for (bool has_died = true; has_died; n++) {
        free(fixture->path);
        fixture->path = mem_printf("%s/%d.db", fixture->folder, n);
        has_died = open_and_die(fixture, n);
        fixture_open(fixture);
        assert_answer(fixture->path,
                      "SELECT page_size, auto_vacuum, user_version, journal_mode FROM"
                      " pragma_page_size, pragma_auto_vacuum, pragma_user_version,"
                      " pragma_journal_mode",
                      "8192|2|3|wal");
        assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
        fixture_close(fixture);
    }
    assert_true(n > 20);
    char *log = fixture_log_text(fixture);
    assert_null(strstr(log, "damaged"));
    free(log);
}

// --- the lock -----------------------------------------------------------------------------------

static void test_second_writer_is_refused_and_told_who_holds_it(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    char *holder = mem_printf("process %d writes to it", (int)getpid());
    assert_open_fails(fixture, holder);
    free(holder);
}

static void test_second_writer_is_refused_under_another_name(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    struct fixture other = *fixture;
    other.path = mem_printf("%s/link.db", fixture->folder);
    assert_int_equal(symlink(fixture->path, other.path), 0);
    assert_open_fails(&other, "writes to it");
    free(other.path);
}

static void do_nothing(struct fixture *fixture)
{
    (void)fixture;
}

// A lock goes by the name; SQLite's WAL does, too.
static void test_file_with_a_second_hard_link_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_close(fixture);
    char *other = mem_printf("%s/other.db", fixture->folder);
    assert_int_equal(link(fixture->path, other), 0);
    assert_open_fails(fixture, "has another name, too (a hard link)");
    assert_int_equal(unlink(other), 0);
    free(other);
    fixture_open(fixture);
}

static void test_lock_ends_with_its_process(void **state)
{
    struct fixture *fixture = *state;
    die_after(fixture, do_nothing);
    fixture_open(fixture);
}

// --- damage -------------------------------------------------------------------------------------

static char *only_match(const struct fixture *fixture, const char *pattern)
{
    char *full = mem_printf("%s%s", fixture->path, pattern);
    glob_t found;
    assert_int_equal(glob(full, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    char *path = mem_strdup(found.gl_pathv[0]);
    globfree(&found);
    free(full);
    return path;
}

static void assert_set_aside(struct fixture *fixture)
{
    char *aside = only_match(fixture, ".damaged-????????T??????Z");
    char *log = fixture_log_text(fixture);
    assert_contains(log, aside);
    assert_contains(log, "'.clone salvaged.db'");
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "0");
    assert_answer(fixture->path, "SELECT count(*) FROM session", "1");
    free(log);
    free(aside);
}

static void test_garbage_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    char garbage[20000];
    fixture_open(fixture);
    fixture_close(fixture);
    memset(garbage, 'x', sizeof(garbage));
    write_file(fixture->path, garbage, sizeof(garbage));
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void test_file_shorter_than_a_header_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_close(fixture);
    write_file(fixture->path, "oops", 4);
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void test_garbage_in_its_own_place_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    fixture->is_own_place = true;
    write_file(fixture->path, "oops", 4);
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void test_empty_file_is_a_new_recording(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "", 0);
    fixture_open(fixture);
    assert_answer(fixture->path, "SELECT count(*) FROM session", "1");
}

static void fill(struct fixture *fixture, int count)
{
    struct exchange_row *row = fixture_row(1);
    static char text[8000];
    memset(text, 'a', sizeof(text));
    for (row->id = 1; row->id <= count; row->id++) {
        fixture_put(fixture, row);
        fixture_put_body(fixture, row->id, BODY_RESPONSE, 0, text, sizeof(text));
    }
    row_destroy(row);
}

static void test_file_cut_short_is_set_aside(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fill(fixture, 40);
    fixture_close(fixture);
    assert_int_equal(truncate(fixture->path, 20 * 8192), 0);
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void overwrite_page(const char *path, int page)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char junk[8192];
    memset(junk, 0xa5, sizeof(junk));
    assert_int_equal(pwrite(fd, junk, sizeof(junk), (off_t)(page - 1) * 8192), 8192);
    close(fd);
}

static int root_page_of(const struct fixture *fixture, const char *table)
{
    char *sql = mem_printf("SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    char *answer = fixture_ask(fixture->path, sql);
    int page = atoi(answer);
    free(answer);
    free(sql);
    return page;
}

static void test_damaged_table_is_found_when_it_is_opened(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fill(fixture, 3);
    fixture_close(fixture);
    overwrite_page(fixture->path, root_page_of(fixture, "exchange"));
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void fill_and_checkpoint(struct fixture *fixture)
{
    struct err err = {0};
    int64_t wal_bytes;
    fill(fixture, 3);
    store_writer_checkpoint(fixture->writer, &wal_bytes, &err);
}

// Opening does not touch the table `body`; only reading the whole file can tell.
static void test_damaged_body_is_found_after_a_crash(void **state)
{
    struct fixture *fixture = *state;
    die_after(fixture, fill_and_checkpoint);
    overwrite_page(fixture->path, root_page_of(fixture, "body"));
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void test_damage_met_while_writing_is_known_to_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    fixture_open(fixture);
    fill(fixture, 3);
    fixture_close(fixture);
    overwrite_page(fixture->path, root_page_of(fixture, "sqlite_autoindex_body_1"));
    fixture_open(fixture);

    struct chunk *chunk = fixture_chunk("x", 1, 0);
    fixture_must(store_writer_begin(fixture->writer, &err), &err);
    assert_int_equal(store_writer_put_body(fixture->writer, 1, BODY_RESPONSE, 1, chunk, &err),
                     STORE_ERROR);
    chunk_unref(chunk);
    fixture_close(fixture);
    fixture_open(fixture);
    assert_set_aside(fixture);
}

static void test_wal_goes_aside_with_its_file(void **state)
{
    struct fixture *fixture = *state;
    die_after(fixture, put_pending_and_done);
    char *garbage = mem_calloc(1, 4096);
    int fd = open(fixture->path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, garbage, 4096, 0), 4096);
    close(fd);
    free(garbage);
    fixture_open(fixture);
    assert_set_aside(fixture);
    char *wal = only_match(fixture, ".damaged-*-wal");
    struct stat status;
    assert_int_equal(stat(wal, &status), 0);
    assert_true(status.st_size > 0);
    free(wal);
}

// --- what is not ours ---------------------------------------------------------------------------

static char *read_file(const char *path, size_t *length)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    fstat(fd, &status);
    *length = (size_t)status.st_size;
    char *data = mem_calloc(1, *length + 1);
    assert_int_equal(read(fd, data, *length), *length);
    close(fd);
    return data;
}

static void assert_no_lock_beside(const struct fixture *fixture)
{
    char *lock = mem_printf("%s.lock", fixture->path);
    assert_false(fixture_exists(lock));
    free(lock);
}

static void test_file_that_never_was_a_recording_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    write_file(fixture->path, "a letter\n", 9);
    for (int i = 0; i < 2; i++) {
        assert_open_fails(fixture, "this is no recording; give hark another file");
        assert_no_lock_beside(fixture);
    }
    size_t length;
    char *text = read_file(fixture->path, &length);
    assert_string_equal(text, "a letter\n");
    free(text);
}

static void test_database_of_another_program_is_refused_untouched(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "PRAGMA application_id = 99; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
    sqlite3_close(db);
    size_t before_length;
    size_t after_length;
    char *before = read_file(fixture->path, &before_length);
    assert_open_fails(fixture, "database of another program");
    char *after = read_file(fixture->path, &after_length);
    assert_int_equal(before_length, after_length);
    assert_memory_equal(before, after, before_length);
    assert_no_lock_beside(fixture);
    free(before);
    free(after);
}

static void test_database_without_any_mark_is_refused(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "CREATE TABLE t (a)");
    sqlite3_close(db);
    assert_open_fails(fixture, "database of another program");
}

static void test_database_whose_tables_are_in_its_wal_is_refused(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)");
    assert_open_fails(fixture, "database of another program");
    fixture_exec(db, "INSERT INTO t VALUES (1)");
    assert_answer(fixture->path, "SELECT group_concat(name, ' ') FROM sqlite_schema", "t");
    sqlite3_close(db);
}

static void test_recording_of_a_newer_hark_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fixture_open(fixture);
    fixture_close(fixture);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "PRAGMA user_version = 1000");
    sqlite3_close(db);
    assert_open_fails(fixture, "a newer hark made this recording (version 1000");
    assert_answer(fixture->path, "SELECT count(*) FROM session", "1");

    struct err err = {0};
    assert_null(store_reader_open(fixture->path, &err));
    assert_contains(err.text, "a newer hark");
}

// --- readers ------------------------------------------------------------------------------------

static void test_reader_of_a_missing_file_says_how_to_begin(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    assert_null(store_reader_open(fixture->path, &err));
    assert_contains(err.text, "there is no recording yet");
    assert_false(fixture_exists(fixture->path));
}

static void test_reader_refuses_what_is_no_recording(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    write_file(fixture->path,
               "some text that is no database, long enough for a header ........"
               "................................................................",
               128);
    assert_null(store_reader_open(fixture->path, &err));
    assert_contains(err.text, "this is no recording");

    unlink(fixture->path);
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "CREATE TABLE t (a)");
    sqlite3_close(db);
    err = (struct err){0};
    assert_null(store_reader_open(fixture->path, &err));
    assert_contains(err.text, "no recording of hark");
}

// Lists as a user who may read the files and write nothing. Exits 0 if a row was found.
static void read_as_nobody(const struct fixture *fixture)
{
    struct err err = {0};
    struct exchange_row *row = NULL;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        _exit(3);
    struct store_reader *reader = store_reader_open(fixture->path, &err);
    bool is_found = reader != NULL && store_get_row(reader, 1, &row, &err) == STORE_FOUND;
    if (!is_found)
        fprintf(stderr, "%s\n", err.text);
    _exit(is_found ? 0 : 1);
}

static void share_for_reading(const struct fixture *fixture)
{
    const char *const suffixes[] = {"", "-wal", "-shm"};
    chmod(fixture->folder, 0755);
    for (size_t i = 0; i < 3; i++) {
        char *path = mem_printf("%s%s", fixture->path, suffixes[i]);
        assert_int_equal(chmod(path, 0644), 0);
        free(path);
    }
}

static void test_reader_without_write_permission_works_after_a_clean_stop(void **state)
{
    struct fixture *fixture = *state;
    if (getuid() != 0)
        skip();
    fixture_open(fixture);
    struct exchange_row *row = fixture_row(1);
    fixture_put(fixture, row);
    row_destroy(row);
    fixture_close(fixture);
    share_for_reading(fixture);
    pid_t pid = fork();
    if (pid == 0)
        read_as_nobody(fixture);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_empty, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_new_file_has_the_documented_format),
        CASE(test_files_are_private_whatever_the_umask),
        CASE(test_missing_folder_is_named),
        CASE(test_folder_in_place_of_the_file_is_refused),
        CASE(test_session_tells_what_ran_and_how_it_ended),
        CASE(test_losses_add_up_in_the_session),
        CASE(test_ids_go_on_where_they_ended),
        CASE(test_ids_of_deleted_exchanges_are_not_given_again),
        CASE(test_pending_exchanges_of_a_dead_process_are_interrupted),
        CASE(test_open_transaction_of_a_dead_process_leaves_nothing),
        CASE(test_death_at_any_statement_of_the_first_start_does_no_harm),
        CASE(test_second_writer_is_refused_and_told_who_holds_it),
        CASE(test_second_writer_is_refused_under_another_name),
        CASE(test_file_with_a_second_hard_link_is_refused),
        CASE(test_lock_ends_with_its_process),
        CASE(test_garbage_is_set_aside),
        CASE(test_file_shorter_than_a_header_is_set_aside),
        CASE(test_garbage_in_its_own_place_is_set_aside),
        CASE(test_empty_file_is_a_new_recording),
        CASE(test_file_cut_short_is_set_aside),
        CASE(test_damaged_table_is_found_when_it_is_opened),
        CASE(test_damaged_body_is_found_after_a_crash),
        CASE(test_damage_met_while_writing_is_known_to_the_next_start),
        CASE(test_wal_goes_aside_with_its_file),
        CASE(test_file_that_never_was_a_recording_is_refused_untouched),
        CASE(test_database_of_another_program_is_refused_untouched),
        CASE(test_database_without_any_mark_is_refused),
        CASE(test_database_whose_tables_are_in_its_wal_is_refused),
        CASE(test_recording_of_a_newer_hark_is_refused),
        CASE(test_reader_of_a_missing_file_says_how_to_begin),
        CASE(test_reader_refuses_what_is_no_recording),
        CASE(test_reader_without_write_permission_works_after_a_clean_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
