// SPDX-License-Identifier: MIT
// The line that says how far the recording is searched: on terminals, not at once, and never left
// behind.
#include "cli/progress.h"
#include "store_fixture.h"

#include "hark/clock.h"

#include <poll.h>
#include <pty.h>

#define SECOND_US ((int64_t)1000000)

// stderr is a terminal, whose other end the test reads.
struct screen {
    struct invocation invocation;
    struct command command;
    int master;
    int old_stderr;
};

static void screen_begin(struct screen *screen, struct fixture *fixture)
{
    int slave;
    screen->command = (struct command){.name = "ls"};
    screen->invocation =
        (struct invocation){.command = &screen->command, .reader = fixture_reader(fixture)};
    assert_int_equal(openpty(&screen->master, &slave, NULL, NULL, NULL), 0);
    screen->old_stderr = dup(STDERR_FILENO);
    dup2(slave, STDERR_FILENO);
    close(slave);
    setenv("TERM", "xterm", 1);
}

// What was shown. The caller frees it.
static char *screen_end(struct screen *screen)
{
    struct buffer shown = {0};
    char part[4096];
    struct pollfd there = {.fd = screen->master, .events = POLLIN};
    fflush(stderr);
    buffer_append_text(&shown, "");
    while (poll(&there, 1, 0) > 0 && (there.revents & POLLIN) != 0)
        buffer_append(&shown, part, (size_t)read(screen->master, part, sizeof(part)));
    dup2(screen->old_stderr, STDERR_FILENO);
    close(screen->old_stderr);
    close(screen->master);
    store_reader_close(screen->invocation.reader);
    return buffer_take(&shown);
}

static const char *const QUERY = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                 " WHERE i < 100000) SELECT count(*) FROM n";

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)ctx;
    (void)names;
    (void)values;
    assert_int_equal(count, 1);
    return 0;
}

// Takes SQLite long enough to be watched.
static void work(const struct screen *screen)
{
    struct err err = {0};
    if (store_query(screen->invocation.reader, QUERY, NULL, on_row, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

// As if it had begun so long ago.
static void begin(struct progress *progress, const struct screen *screen, int64_t ago_us)
{
    progress_begin(progress, &screen->invocation, NULL);
    progress->began_us = clock_monotonic_us() - ago_us;
}

static void test_what_takes_long_is_shown_and_goes_away(void **state)
{
    struct screen screen;
    struct progress progress;
    screen_begin(&screen, *state);
    begin(&progress, &screen, 3 * SECOND_US);
    work(&screen);
    bool was_shown = progress.is_shown;
    progress_end(&progress);
    progress_end(&progress);
    char *shown = screen_end(&screen);
    assert_true(was_shown);
    assert_int_equal(strncmp(shown, PROGRESS_LINE_BEGIN "hark ls: 3 s", 16), 0);
    assert_non_null(strstr(shown, " s" PROGRESS_LINE_BEGIN));
    assert_string_equal(strrchr(shown, '\r'), PROGRESS_LINE_BEGIN);
    free(shown);
}

static void test_what_is_over_soon_shows_nothing(void **state)
{
    struct screen screen;
    struct progress progress;
    screen_begin(&screen, *state);
    begin(&progress, &screen, -60 * SECOND_US);
    work(&screen);
    progress_end(&progress);
    char *shown = screen_end(&screen);
    assert_string_equal(shown, "");
    free(shown);
}

static void test_it_is_not_drawn_with_every_look(void **state)
{
    struct screen screen;
    struct progress progress;
    screen_begin(&screen, *state);
    begin(&progress, &screen, 3 * SECOND_US);
    progress.drawn_us = clock_monotonic_us() + 60 * SECOND_US;
    work(&screen);
    progress_end(&progress);
    char *shown = screen_end(&screen);
    assert_string_equal(shown, "");
    free(shown);
}

static void test_a_terminal_that_cannot_redraw_is_left_alone(void **state)
{
    struct screen screen;
    struct progress progress;
    screen_begin(&screen, *state);
    setenv("TERM", "dumb", 1);
    bool is_wanted_dumb = progress_is_wanted();
    unsetenv("TERM");
    bool is_wanted_unset = progress_is_wanted();
    begin(&progress, &screen, 3 * SECOND_US);
    work(&screen);
    progress_end(&progress);
    char *shown = screen_end(&screen);
    assert_false(is_wanted_dumb);
    assert_false(is_wanted_unset);
    assert_string_equal(shown, "");
    free(shown);
}

static void test_nothing_goes_into_a_file(void **state)
{
    struct screen screen;
    screen_begin(&screen, *state);
    bool is_wanted = progress_is_wanted();
    dup2(((struct fixture *)*state)->log_fd, STDERR_FILENO);
    bool is_wanted_in_file = progress_is_wanted();
    free(screen_end(&screen));
    assert_true(is_wanted);
    assert_false(is_wanted_in_file);
}

// The rows that a query gives, with the line shown before them.
static char *print_rows(struct screen *screen, bool is_on_stdout, bool *is_shown_then)
{
    char *printed = NULL;
    size_t length = 0;
    struct err err = {0};
    struct progress progress;
    FILE *out = open_memstream(&printed, &length);
    struct rows_printer *printer =
        rows_printer_create(&(struct rows_options){.out = out, .format = ROWS_TSV});
    progress_begin(&progress, &screen->invocation, printer);
    progress.began_us -= 3 * SECOND_US;
    progress.is_on_stdout = is_on_stdout;
    int result = store_query(screen->invocation.reader, QUERY, progress_on_columns, progress_on_row,
                             &progress, &err);
    *is_shown_then = progress.is_shown;
    progress_end(&progress);
    rows_printer_finish(printer);
    rows_printer_destroy(printer);
    fclose(out);
    assert_int_equal(result, 0);
    return printed;
}

static void test_rows_on_the_same_terminal_take_the_lines_place(void **state)
{
    for (int is_on_stdout = 0; is_on_stdout <= 1; is_on_stdout++) {
        struct screen screen;
        bool is_shown;
        screen_begin(&screen, *state);
        char *printed = print_rows(&screen, is_on_stdout, &is_shown);
        char *shown = screen_end(&screen);
        assert_string_equal(printed, "100000\n");
        assert_int_equal(is_shown, !is_on_stdout);
        assert_non_null(strstr(shown, "hark ls: "));
        assert_string_equal(strrchr(shown, '\r'), PROGRESS_LINE_BEGIN);
        free(printed);
        free(shown);
    }
}

#define PROGRESS_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROGRESS_TEST(test_what_takes_long_is_shown_and_goes_away),
        PROGRESS_TEST(test_what_is_over_soon_shows_nothing),
        PROGRESS_TEST(test_it_is_not_drawn_with_every_look),
        PROGRESS_TEST(test_a_terminal_that_cannot_redraw_is_left_alone),
        PROGRESS_TEST(test_nothing_goes_into_a_file),
        PROGRESS_TEST(test_rows_on_the_same_terminal_take_the_lines_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
