// SPDX-License-Identifier: MIT
// Files replaced whole, and programs run to their end.
#include "cli/file.h"
#include "cli/program.h"
#include "hark/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
    char file[80];
};

static int set_up(void **state)
{
    struct folder *folder = mem_calloc(1, sizeof *folder);
    strcpy(folder->path, "/tmp/hark-files-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/file", folder->path);
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    unlink(folder->file);
    assert_int_equal(rmdir(folder->path), 0); // nothing else was left in it
    free(folder);
    return 0;
}

static void replace(const struct folder *folder, const char *text, mode_t mode)
{
    struct buffer content = {0};
    struct err err = {0};
    buffer_append_text(&content, text);
    if (file_replace(folder->file, &content, mode, &err) != 0)
        fail_msg("%s", err.text);
    buffer_fini(&content);
}

static void assert_holds(const struct folder *folder, const char *text, mode_t mode)
{
    struct buffer content = {0};
    struct err err = {0};
    struct stat info;
    assert_int_equal(file_read(folder->file, &content, &err), 0);
    assert_string_equal(content.data, text);
    assert_int_equal(stat(folder->file, &info), 0);
    assert_int_equal(info.st_mode & 07777, mode);
    buffer_fini(&content);
}

static void test_a_file_gets_content_and_mode_whatever_the_umask(void **state)
{
    struct folder *folder = *state;
    mode_t old = umask(077);
    replace(folder, "one", 0644);
    umask(old);
    assert_holds(folder, "one", 0644);
    replace(folder, "", 0600);
    assert_holds(folder, "", 0600);
    replace(folder, "longer", 0600);
    assert_holds(folder, "longer", 0600);
}

static ino_t inode_of(const char *path)
{
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    return info.st_ino;
}

static void test_a_file_that_is_as_it_should_be_is_left_alone(void **state)
{
    struct folder *folder = *state;
    replace(folder, "one", 0644);
    ino_t inode = inode_of(folder->file);
    replace(folder, "one", 0644);
    assert_int_equal(inode_of(folder->file), inode);
    replace(folder, "two", 0644);
    assert_int_not_equal(inode_of(folder->file), inode);
}

static void test_a_symbolic_link_is_replaced_and_not_followed(void **state)
{
    struct folder *folder = *state;
    assert_int_equal(symlink("/dev/null", folder->file), 0);
    replace(folder, "one", 0644);
    assert_holds(folder, "one", 0644);
}

static void test_a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    struct buffer content = {0};
    struct err err = {0};
    assert_int_equal(file_replace("/nonexistent/file", &content, 0644, &err), -1);
    assert_string_equal(err.text, "write /nonexistent/file: No such file or directory");
}

static int run(const char *script, struct buffer *output, struct err *err)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    return program_run(argv, output, err);
}

static void test_what_a_program_says_is_collected(void **state)
{
    (void)state;
    struct buffer output = {0};
    struct err err = {0};
    assert_int_equal(run("echo out; echo err >&2; cat", &output, &err), 0);
    assert_string_equal(output.data, "out\nerr\n");
    buffer_fini(&output);
}

static void test_a_program_that_fails_is_quoted_with_its_last_line(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(run("echo first; echo the reason >&2; exit 3", NULL, &err), -1);
    assert_string_equal(err.text, "/bin/sh failed: the reason");
    err = (struct err){0};
    assert_int_equal(run("exit 1", NULL, &err), -1);
    assert_string_equal(err.text, "/bin/sh failed: it said nothing");
    err = (struct err){0};
    assert_int_equal(run("kill -9 $$", NULL, &err), -1);
    assert_string_equal(err.text, "/bin/sh died of signal 9");
    err = (struct err){0};
    const char *const missing[] = {"/nonexistent", NULL};
    assert_int_equal(program_run(missing, NULL, &err), -1);
    assert_string_equal(err.text, "run /nonexistent: No such file or directory");
}

static void test_programs_are_found_in_the_path(void **state)
{
    (void)state;
    assert_int_equal(setenv("PATH", "/nonexistent::/bin:/usr/bin", 1), 0);
    char *path = program_find("sh");
    assert_string_equal(path, "/bin/sh");
    free(path);
    assert_null(program_find("no-such-program"));
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

// --- drafts -------------------------------------------------------------------------------------

static size_t count_files(const struct folder *folder)
{
    size_t count = 0;
    DIR *entries = opendir(folder->path);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(entries);
    return count;
}

static void begin_draft(const struct folder *folder, struct file_draft *draft, const char *text)
{
    struct err err = {0};
    if (file_draft_begin(draft, folder->file, &err) != 0)
        fail_msg("%s", err.text);
    fputs(text, draft->out);
    fflush(draft->out);
}

static void test_draft_takes_its_place_when_it_is_kept(void **state)
{
    struct folder *folder = *state;
    struct file_draft draft;
    struct err err = {0};
    replace(folder, "old", 0644);
    begin_draft(folder, &draft, "new");
    assert_holds(folder, "old", 0644);
    // A process that is killed now leaves nothing of it.
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(file_draft_keep(&draft, &err), 0);
    assert_holds(folder, "new", 0600);
    assert_int_equal(count_files(folder), 1);
}

static void test_draft_that_is_discarded_is_gone(void **state)
{
    struct folder *folder = *state;
    struct file_draft draft;
    begin_draft(folder, &draft, "new");
    file_draft_discard(&draft);
    assert_int_equal(count_files(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_a_file_gets_content_and_mode_whatever_the_umask),
        FOLDER_TEST(test_a_file_that_is_as_it_should_be_is_left_alone),
        FOLDER_TEST(test_a_symbolic_link_is_replaced_and_not_followed),
        FOLDER_TEST(test_draft_takes_its_place_when_it_is_kept),
        FOLDER_TEST(test_draft_that_is_discarded_is_gone),
        cmocka_unit_test(test_a_file_that_cannot_be_written_is_named),
        cmocka_unit_test(test_what_a_program_says_is_collected),
        cmocka_unit_test(test_a_program_that_fails_is_quoted_with_its_last_line),
        cmocka_unit_test(test_programs_are_found_in_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
