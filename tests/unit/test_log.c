// SPDX-License-Identifier: MIT
// The logger: one line an event, whatever is in the message.
#include "hark/buffer.h"
#include "hark/log.h"
#include "hark/mem.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    int fd; // a file in memory
    struct log *log;
};

static void set_up(struct fixture *fixture, enum log_level level, bool as_json)
{
    fixture->fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fixture->fd >= 0);
    fixture->log = log_create(fixture->fd, level, as_json);
}

static void tear_down(struct fixture *fixture)
{
    log_destroy(fixture->log);
    close(fixture->fd);
}

// All that was logged. The caller frees it.
static char *written(const struct fixture *fixture)
{
    struct buffer text = {0};
    char part[4096];
    ssize_t count;
    while ((count = pread(fixture->fd, part, sizeof(part), (off_t)text.length)) > 0)
        buffer_append(&text, part, (size_t)count);
    return buffer_take(&text);
}

// What stands for `message` in a line of text. The caller frees it.
static char *logged_message(const char *message)
{
    struct fixture fixture;
    set_up(&fixture, LOG_LEVEL_INFO, false);
    log_info(fixture.log, "proxy", "%s", message);
    char *line = written(&fixture);
    char *end = strchr(line, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    *end = '\0';
    char *begin = strstr(line, " info  proxy: ");
    assert_non_null(begin);
    char *result = mem_strdup(begin + strlen(" info  proxy: "));
    free(line);
    tear_down(&fixture);
    return result;
}

static void assert_logged(const char *message, const char *expected)
{
    char *logged = logged_message(message);
    assert_string_equal(logged, expected);
    free(logged);
}

// The line for `message` as an object. The caller drops it.
static json_t *logged_object(const char *message)
{
    struct fixture fixture;
    set_up(&fixture, LOG_LEVEL_INFO, true);
    log_warn(fixture.log, "store", "%s", message);
    char *line = written(&fixture);
    char *end = strchr(line, '\n');
    assert_non_null(end);
    assert_string_equal(end, "\n");
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        fail_msg("no JSON object: %s", line);
    free(line);
    tear_down(&fixture);
    return object;
}

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static void assert_time_is_now(const char *text, time_t before)
{
    struct tm utc = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    assert_non_null(rest);
    int milliseconds = -1;
    char end[2] = "";
    assert_int_equal(sscanf(rest, ".%3d%1[Z]", &milliseconds, end), 2);
    assert_in_range(timegm(&utc), before, time(NULL));
}

static void test_line_of_text_has_time_level_part_and_message(void **state)
{
    (void)state;
    time_t before = time(NULL);
    struct fixture fixture;
    set_up(&fixture, LOG_LEVEL_INFO, false);
    log_error(fixture.log, "store", "open %s: %s", "/x/hark.db", "disk full");
    char *line = written(&fixture);
    char time_text[64];
    char level[16];
    int rest = 0;
    assert_int_equal(sscanf(line, "%63s %15s %n", time_text, level, &rest), 2);
    assert_time_is_now(time_text, before);
    assert_string_equal(level, "error");
    assert_string_equal(line + rest, "store: open /x/hark.db: disk full\n");
    free(line);
    tear_down(&fixture);
}

static void test_line_of_json_has_time_level_part_and_message(void **state)
{
    (void)state;
    time_t before = time(NULL);
    json_t *object = logged_object("disk full");
    assert_int_equal(json_object_size(object), 4);
    assert_time_is_now(member(object, "time"), before);
    assert_string_equal(member(object, "level"), "warn");
    assert_string_equal(member(object, "part"), "store");
    assert_string_equal(member(object, "message"), "disk full");
    json_decref(object);
}

static void test_only_what_is_important_enough_is_written(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, LOG_LEVEL_WARN, false);
    assert_true(log_has_level(fixture.log, LOG_LEVEL_ERROR));
    assert_true(log_has_level(fixture.log, LOG_LEVEL_WARN));
    assert_false(log_has_level(fixture.log, LOG_LEVEL_INFO));
    log_info(fixture.log, "proxy", "hidden");
    log_debug(fixture.log, "proxy", "hidden");
    log_warn(fixture.log, "proxy", "shown");
    char *text = written(&fixture);
    assert_null(strstr(text, "hidden"));
    assert_non_null(strstr(text, "shown"));
    free(text);
    tear_down(&fixture);
}

static void test_level_can_be_changed(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, LOG_LEVEL_ERROR, false);
    log_set_level(fixture.log, LOG_LEVEL_DEBUG);
    log_debug(fixture.log, "proxy", "now shown");
    char *text = written(&fixture);
    assert_non_null(strstr(text, "now shown"));
    free(text);
    tear_down(&fixture);
}

static void test_text_line_ends_are_escaped(void **state)
{
    (void)state;
    assert_logged("GET /\r\nerror store: forged", "GET /\\r\\nerror store: forged");
}

static void test_text_controls_are_escaped(void **state)
{
    (void)state;
    assert_logged("\x1b[2J\t\x01\x7f", "\\x1b[2J\\x09\\x01\\x7f");
    // None that is there gets through, whichever it is.
    char controls[0x20];
    for (int c = 1; c < 0x20; c++)
        controls[c - 1] = (char)c;
    controls[0x1f] = '\0';
    char *logged = logged_message(controls);
    for (const char *at = logged; *at != '\0'; at++)
        assert_in_range(*at, 0x20, 0x7e);
    free(logged);
}

// U+0080 to U+009F are controls, too: U+0085 is a line end, U+009B begins a terminal's command.
static void test_text_controls_above_ascii_are_escaped(void **state)
{
    (void)state;
    assert_logged("a\xc2\x9b"
                  "2Jb\xc2\x85",
                  "a\\xc2\\x9b2Jb\\xc2\\x85");
    assert_logged("\xc2\x80\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9f\xc2\xa0");
}

static void test_text_bytes_that_are_not_utf8_are_escaped(void **state)
{
    (void)state;
    assert_logged("a\x9b"
                  "2J",
                  "a\\x9b2J");
    assert_logged("\xff\xc2", "\\xff\\xc2");
}

static void test_text_other_characters_stay(void **state)
{
    (void)state;
    assert_logged("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6 \\ \"",
                  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6 \\ \"");
    assert_logged("", "");
}

static void test_json_message_loses_nothing(void **state)
{
    (void)state;
    const char *message = "GET /\r\n\"\\\x1b[2J\x7f\xc3\xa9";
    json_t *object = logged_object(message);
    assert_string_equal(member(object, "message"), message);
    json_decref(object);
    object = logged_object("");
    assert_string_equal(member(object, "message"), "");
    json_decref(object);
}

static void test_json_bytes_that_are_not_utf8_make_valid_json(void **state)
{
    (void)state;
    json_t *object = logged_object("caf\xe9");
    assert_string_equal(member(object, "message"), "caf\xc3\xa9");
    json_decref(object);
}

#define THREADS          4
#define LINES_PER_THREAD 200
#define MESSAGE_BYTES    3000

static void *write_lines(void *log)
{
    char message[MESSAGE_BYTES + 1];
    memset(message, 'm', MESSAGE_BYTES);
    message[MESSAGE_BYTES] = '\0';
    for (int i = 0; i < LINES_PER_THREAD; i++)
        log_info((struct log *)log, "proxy", "%s", message);
    return NULL;
}

static void test_lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    char path[] = "/tmp/hark-log-XXXXXX";
    struct fixture fixture;
    fixture.fd = mkostemp(path, O_APPEND | O_CLOEXEC);
    assert_true(fixture.fd >= 0);
    unlink(path);
    fixture.log = log_create(fixture.fd, LOG_LEVEL_INFO, false);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, fixture.log), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    char *text = written(&fixture);
    int lines = 0;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        const char *message = strstr(line, " info  proxy: ");
        assert_non_null(message);
        assert_int_equal(strspn(message + strlen(" info  proxy: "), "m"), MESSAGE_BYTES);
        assert_int_equal(strlen(message), strlen(" info  proxy: ") + MESSAGE_BYTES);
    }
    assert_int_equal(lines, THREADS * LINES_PER_THREAD);
    free(text);
    tear_down(&fixture);
}

static void test_a_command_speaks_as_in_its_other_messages(void **state)
{
    (void)state;
    struct fixture fixture = {.fd = memfd_create("log", MFD_CLOEXEC)};
    fixture.log = log_create_for_command(fixture.fd, LOG_LEVEL_WARN, "import");
    log_info(fixture.log, "store", "it is open");
    log_warn(fixture.log, "serve", "others may look into it\n");
    char *lines = written(&fixture);
    assert_string_equal(lines, "hark import: others may look into it\\n\n");
    free(lines);
    tear_down(&fixture);
}

// A log whose descriptor is the journal's, as far as JOURNAL_STREAM says.
static char *logged_to_journal(bool is_same_file, bool as_json)
{
    struct fixture fixture;
    struct stat info;
    fixture.fd = memfd_create("log", MFD_CLOEXEC);
    assert_int_equal(fstat(fixture.fd, &info), 0);
    char stream[64];
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)info.st_dev,
             (unsigned long long)info.st_ino + (is_same_file ? 0 : 1));
    setenv("JOURNAL_STREAM", stream, 1);
    fixture.log = log_create(fixture.fd, LOG_LEVEL_DEBUG, as_json);
    unsetenv("JOURNAL_STREAM");
    log_error(fixture.log, "proxy", "it broke");
    log_debug(fixture.log, "store", "it goes on");
    char *lines = written(&fixture);
    tear_down(&fixture);
    return lines;
}

static void test_journal_gets_priorities_and_no_time(void **state)
{
    (void)state;
    char *lines = logged_to_journal(true, false);
    assert_string_equal(lines, "<3>proxy: it broke\n<7>store: it goes on\n");
    free(lines);
}

static void test_json_in_the_journal_has_priorities_too(void **state)
{
    (void)state;
    char *lines = logged_to_journal(true, true);
    assert_int_equal(strncmp(lines, "<3>{\"time\":", strlen("<3>{\"time\":")), 0);
    free(lines);
}

static void test_inherited_journal_stream_of_another_file_does_not_count(void **state)
{
    (void)state;
    char *lines = logged_to_journal(false, false);
    assert_non_null(strstr(lines, " error proxy: it broke\n"));
    assert_null(strchr(lines, '<'));
    free(lines);
}

// --- a pipe that nobody reads -------------------------------------------------------------------

// What is in the pipe now. The caller frees it.
static char *drain(int fd)
{
    struct buffer text = {0};
    char part[4096];
    ssize_t count;
    buffer_append_text(&text, "");
    while ((count = read(fd, part, sizeof(part))) > 0)
        buffer_append(&text, part, (size_t)count);
    return buffer_take(&text);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void test_nobody_waits_for_a_log_that_is_not_read(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct log *log = log_create(ends[1], LOG_LEVEL_INFO, false);
    for (int i = 0; i < 5000; i++)
        log_info(log, "proxy", "line %d", i);
    char *first = drain(ends[0]);
    log_info(log, "proxy", "again");
    char *then = drain(ends[0]);
    size_t kept = count_lines(first);
    char said[64];
    snprintf(said, sizeof(said), "log: %zu lines were lost", 5000 - kept);
    assert_in_range(kept, 1, 4999);
    assert_non_null(strstr(then, said));
    assert_non_null(strstr(then, "proxy: again\n"));
    assert_int_equal(count_lines(then), 2);
    free(first);
    free(then);
    log_destroy(log);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_line_that_was_begun_is_ended_before_the_next(void **state)
{
    (void)state;
    int ends[2];
    char *message = mem_printf("%06000d", 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct log *log = log_create(ends[1], LOG_LEVEL_INFO, false);
    log_info(log, "proxy", "%s", message);
    char *first = drain(ends[0]);
    log_info(log, "proxy", "again");
    char *then = drain(ends[0]);
    assert_int_equal(count_lines(first), 0);
    assert_int_equal(then[0], '\n');
    assert_non_null(strstr(then, "log: 1 lines were lost"));
    assert_non_null(strstr(then, "proxy: again\n"));
    free(first);
    free(then);
    free(message);
    log_destroy(log);
    close(ends[0]);
    close(ends[1]);
}

// --- now and then -------------------------------------------------------------------------------

static void test_what_strangers_cause_is_said_now_and_then(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    assert_int_equal(log_limit_pass(&limit), 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_limit_pass(&limit), 0);
    limit.begun_us -= (int64_t)10000000;
    assert_int_equal(log_limit_pass(&limit), 6);
    assert_int_equal(log_limit_pass(&limit), 0);
}

static void test_some_lines_are_said_and_then_counted(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(log_limit_pass_some(&limit, 3), 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_limit_pass_some(&limit, 3), 0);
    limit.begun_us -= (int64_t)10000000;
    assert_int_equal(log_limit_pass_some(&limit, 3), 6);
    assert_int_equal(log_limit_pass_some(&limit, 3), 1);
}

int main(void)
{
    setenv("TZ", "NPT-5:45", 1); // the log is in UTC wherever it is written
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_of_text_has_time_level_part_and_message),
        cmocka_unit_test(test_line_of_json_has_time_level_part_and_message),
        cmocka_unit_test(test_only_what_is_important_enough_is_written),
        cmocka_unit_test(test_level_can_be_changed),
        cmocka_unit_test(test_text_line_ends_are_escaped),
        cmocka_unit_test(test_text_controls_are_escaped),
        cmocka_unit_test(test_text_controls_above_ascii_are_escaped),
        cmocka_unit_test(test_text_bytes_that_are_not_utf8_are_escaped),
        cmocka_unit_test(test_text_other_characters_stay),
        cmocka_unit_test(test_json_message_loses_nothing),
        cmocka_unit_test(test_json_bytes_that_are_not_utf8_make_valid_json),
        cmocka_unit_test(test_lines_of_several_threads_do_not_mix),
        cmocka_unit_test(test_a_command_speaks_as_in_its_other_messages),
        cmocka_unit_test(test_journal_gets_priorities_and_no_time),
        cmocka_unit_test(test_json_in_the_journal_has_priorities_too),
        cmocka_unit_test(test_inherited_journal_stream_of_another_file_does_not_count),
        cmocka_unit_test(test_nobody_waits_for_a_log_that_is_not_read),
        cmocka_unit_test(test_a_line_that_was_begun_is_ended_before_the_next),
        cmocka_unit_test(test_what_strangers_cause_is_said_now_and_then),
        cmocka_unit_test(test_some_lines_are_said_and_then_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
