// SPDX-License-Identifier: MIT
// Migrations: one step or none, whenever the process dies.
#include "store/migrate.h"
#include "store_fixture.h"

#include <sys/wait.h>

static const char *const first[] = {
    "CREATE TABLE a (x)",
    "INSERT INTO a VALUES (1), (2), (3)",
    NULL,
};

static const char *const second[] = {
    "ALTER TABLE a ADD COLUMN y",    "UPDATE a SET y = x * 10",   "CREATE TABLE b (z)",
    "INSERT INTO b SELECT y FROM a", "CREATE INDEX b_z ON b (z)", NULL,
};

static const char *const broken[] = {
    "CREATE TABLE c (x)",
    "CREATE TABLE a (x)",
    NULL,
};

static const struct migration steps[] = {{1, first}, {2, second}};
static const struct migration steps_to_broken[] = {{1, first}, {2, second}, {3, broken}};

#define OLD_SCHEMA "1|a"
#define NEW_SCHEMA "2|a b b_z"

static void assert_schema(const char *path, const char *expected)
{
    assert_answer(path,
                  "SELECT user_version, (SELECT group_concat(name, ' ') FROM (SELECT name FROM"
                  " sqlite_schema ORDER BY name)) FROM pragma_user_version",
                  expected);
}

static void make_old(struct fixture *fixture)
{
    struct err err = {0};
    sqlite3 *db = fixture_connect(fixture->path);
    fixture_exec(db, "PRAGMA journal_mode = WAL");
    assert_int_equal(migrate(db, fixture->path, steps, 1, fixture->log, &err), 0);
    sqlite3_close(db);
}

static void test_new_file_gets_all_steps_and_no_copy(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    sqlite3 *db = fixture_connect(fixture->path);
    assert_int_equal(migrate(db, fixture->path, steps, 2, fixture->log, &err), 0);
    sqlite3_close(db);
    assert_schema(fixture->path, NEW_SCHEMA);
    assert_answer(fixture->path, "SELECT group_concat(z, ' ') FROM b", "10 20 30");
    char *copy = mem_printf("%s.v0-backup", fixture->path);
    assert_false(fixture_exists(copy));
    free(copy);
}

static void test_old_file_is_copied_before_it_changes(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    make_old(fixture);
    sqlite3 *db = fixture_connect(fixture->path);
    mode_t before = umask(0);
    assert_int_equal(migrate(db, fixture->path, steps, 2, fixture->log, &err), 0);
    umask(before);
    sqlite3_close(db);
    assert_schema(fixture->path, NEW_SCHEMA);

    char *copy = mem_printf("%s.v1-backup", fixture->path);
    char *partial = mem_printf("%s.part", copy);
    assert_schema(copy, OLD_SCHEMA);
    assert_answer(copy, "SELECT sum(x) FROM a", "6");
    assert_int_equal(fixture_mode(copy), 0600);
    assert_false(fixture_exists(partial));
    free(partial);
    free(copy);
}

static void test_current_file_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    make_old(fixture);
    sqlite3 *db = fixture_connect(fixture->path);
    assert_int_equal(migrate(db, fixture->path, steps, 1, fixture->log, &err), 0);
    sqlite3_close(db);
    char *copy = mem_printf("%s.v1-backup", fixture->path);
    assert_false(fixture_exists(copy));
    free(copy);
}

static void test_failing_step_leaves_the_version_before_it(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    make_old(fixture);
    sqlite3 *db = fixture_connect(fixture->path);
    assert_int_equal(migrate(db, fixture->path, steps_to_broken, 3, fixture->log, &err), -1);
    assert_contains(err.text, "table a already exists");
    sqlite3_close(db);
    assert_schema(fixture->path, NEW_SCHEMA);
}

static void test_copy_that_a_dead_process_left_half_done_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    struct err err = {0};
    make_old(fixture);
    char *partial = mem_printf("%s.v1-backup.part", fixture->path);
    FILE *file = fopen(partial, "w");
    fputs("half of a copy", file);
    fclose(file);
    sqlite3 *db = fixture_connect(fixture->path);
    assert_int_equal(migrate(db, fixture->path, steps, 2, fixture->log, &err), 0);
    sqlite3_close(db);
    assert_schema(fixture->path, NEW_SCHEMA);
    free(partial);
}

// --- dying --------------------------------------------------------------------------------------

static int countdown;

// Called each time SQLite begins to run a statement, also within VACUUM.
static int on_statement(unsigned type, void *ctx, void *statement, void *text)
{
    (void)type;
    (void)ctx;
    (void)statement;
    (void)text;
    if (countdown-- == 0)
        _exit(9);
    return 0;
}

static int on_progress(void *ctx)
{
    (void)ctx;
    if (countdown-- == 0)
        _exit(9);
    return 0;
}

// Migrates in a process that dies at the n-th event. Returns whether it died.
static bool migrate_and_die(struct fixture *fixture, int n, bool at_statements)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err = {0};
        sqlite3 *db = fixture_connect(fixture->path);
        countdown = n;
        if (at_statements)
            sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
        else
            sqlite3_progress_handler(db, 5, on_progress, NULL);
        _exit(migrate(db, fixture->path, steps, 2, fixture->log, &err) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 9);
    return WEXITSTATUS(status) == 9;
}

static bool has_new_schema(const struct fixture *fixture)
{
    char *version = fixture_ask(fixture->path, "PRAGMA user_version");
    bool is_new = strcmp(version, "2") == 0;
    free(version);
    return is_new;
}

static void remove_recording(const struct fixture *fixture)
{
    const char *const suffixes[] = {
        "", "-wal", "-shm", ".v1-backup", ".v1-backup.part", ".v1-backup.part-journal"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char *path = mem_printf("%s%s", fixture->path, suffixes[i]);
        unlink(path);
        free(path);
    }
}

static void die_everywhere(struct fixture *fixture, bool at_statements, int at_least)
{
    bool has_died = true;
    int n = 0;
    for (; has_died; n++) {
        make_old(fixture);
        has_died = migrate_and_die(fixture, n, at_statements);
        assert_answer(fixture->path, "PRAGMA integrity_check", "ok");
        if (has_new_schema(fixture)) {
            assert_schema(fixture->path, NEW_SCHEMA);
            assert_answer(fixture->path, "SELECT group_concat(z, ' ') FROM b", "10 20 30");
        } else {
            assert_true(has_died);
            assert_schema(fixture->path, OLD_SCHEMA);
            // And the next start does it.
            assert_false(migrate_and_die(fixture, 1 << 30, at_statements));
            assert_schema(fixture->path, NEW_SCHEMA);
        }
        remove_recording(fixture);
    }
    assert_true(n > at_least);
}

static void test_death_at_any_statement_leaves_old_or_new(void **state)
{
    die_everywhere(*state, true, 10);
}

static void test_death_within_any_statement_leaves_old_or_new(void **state)
{
    die_everywhere(*state, false, 50);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_empty, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_new_file_gets_all_steps_and_no_copy),
        CASE(test_old_file_is_copied_before_it_changes),
        CASE(test_current_file_is_left_alone),
        CASE(test_failing_step_leaves_the_version_before_it),
        CASE(test_copy_that_a_dead_process_left_half_done_is_replaced),
        CASE(test_death_at_any_statement_leaves_old_or_new),
        CASE(test_death_within_any_statement_leaves_old_or_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
