// SPDX-License-Identifier: MIT
// The recorder while its file is busy or the disk is full.
#include "recorder_fixture.h"

#include <dirent.h>
#include <signal.h>

// --- a busy file -------------------------------------------------------------------------------

// How often the writer thread has gone to sleep, and so how often it has tried again.
static long sleeps_of_writer(void)
{
    long sleeps = -1;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        char path[300];
        char line[128];
        bool is_writer = false;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "re");
        while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
            is_writer = is_writer || strcmp(line, "Name:\thark-writer\n") == 0;
            if (is_writer)
                sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
        }
        if (status != NULL)
            fclose(status);
    }
    closedir(tasks);
    return sleeps;
}

static void test_busy_file_is_waited_for_and_nothing_is_lost(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, true);
    sqlite3 *other = fixture_connect(setting->store->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");

    struct waiter waiter = {0};
    long sleeps = sleeps_of_writer();
    assert_true(sleeps >= 0);
    push_awaited(setting, whole_record(1, 10), &waiter);
    push(setting, whole_record(2, 200000));
    // SQLite waits in a dozen naps before it gives up; so it has done that more than once.
    WAIT_UNTIL(sleeps_of_writer() > sleeps + 40 || atomic_load(&waiter.calls) > 0);
    assert_int_equal(atomic_load(&waiter.calls), 0);
    assert_true(is_recording(setting));
    assert_false(recorder_is_failing(setting->recorder));
    assert_false(recorder_has_room(setting->recorder)); // the traffic waits, too

    fixture_exec(other, "COMMIT");
    sqlite3_close(other);
    WAIT_UNTIL(atomic_load(&waiter.calls) == 1);
    assert_false(waiter.is_lost);
    finish(setting);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "2");
    assert_answer(setting->store->path, "SELECT lost_exchanges, lost_bytes FROM session", "0|0");
}

// As with a full disk: the traffic goes on, and what is lost is counted.
static void test_file_that_stays_busy_counts_as_one_that_refuses(void **state)
{
    struct setting *setting = *state;
    start_patient(setting, 100000, false, 300000);
    sqlite3 *other = fixture_connect(setting->store->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    push(setting, whole_record(1, 10));
    WAIT_UNTIL(recorder_is_failing(setting->recorder));
    assert_false(is_recording(setting));
    struct server_status status;
    get_status(setting, &status);
    assert_contains(status.problem, "by another program");
    push(setting, whole_record(2, 200000));
    assert_true(recorder_has_room(setting->recorder));
    WAIT_UNTIL(lost_exchanges(setting) == 1);

    fixture_exec(other, "COMMIT");
    sqlite3_close(other);
    WAIT_UNTIL(is_recording(setting));
    push(setting, whole_record(3, 10));
    finish(setting);
    assert_answer(setting->store->path, "SELECT group_concat(id, ' ') FROM exchange", "1 3");
    assert_answer(setting->store->path, "SELECT lost_exchanges FROM session", "1");
}

static void test_file_that_stays_busy_lets_nobody_wait_for_a_commit(void **state)
{
    struct setting *setting = *state;
    start_patient(setting, 100000, true, 300000);
    sqlite3 *other = fixture_connect(setting->store->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    struct waiter waiter = {0};
    push_awaited(setting, whole_record(1, 10), &waiter);
    WAIT_UNTIL(atomic_load(&waiter.calls) == 1);
    assert_true(waiter.is_lost);
    assert_true(recorder_is_failing(setting->recorder));
    fixture_exec(other, "COMMIT");
    sqlite3_close(other);
    WAIT_UNTIL(is_recording(setting));
    finish(setting);
}

static void *let_go(void *other)
{
    int64_t deadline_us = clock_monotonic_us() + DEADLINE_US;
    long sleeps = sleeps_of_writer();
    while (sleeps_of_writer() <= sleeps + 20 && !has_passed(deadline_us))
        ;
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

static struct record *withdrawn_record(int64_t id)
{
    struct record *record = record_create(id);
    record->is_final = true;
    record->is_withdrawn = true;
    return record;
}

static void test_what_is_withdrawn_goes_at_the_end_though_the_file_is_busy(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, false);
    struct gate *gate = &setting->gates[0];
    push(setting, first_record(1, 10));
    push(setting, withdrawn_record(1));
    push_gated(setting, whole_record(2, 10), gate);
    wait_at(gate);
    sqlite3 *other = fixture_connect(setting->store->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
    open_gate(gate);
    finish(setting);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    assert_answer(setting->store->path, "SELECT id FROM exchange", "2");
}

static void test_end_waits_for_a_busy_file(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, false);
    sqlite3 *other = fixture_connect(setting->store->path);
    fixture_exec(other, "BEGIN EXCLUSIVE");
    push(setting, whole_record(1, 10));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
    finish(setting);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "1");
}

// --- a full disk -------------------------------------------------------------------------------

static rlim_t size_of_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 ? (rlim_t)status.st_size : 0;
}

// From now on no file grows beyond what the recording has, so a segment does not fit any more.
static void fill_disk(struct setting *setting)
{
    char *wal_path = mem_printf("%s-wal", setting->store->path);
    rlim_t db_bytes = size_of_file(setting->store->path);
    rlim_t wal_bytes = size_of_file(wal_path);
    free(wal_path);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = db_bytes > wal_bytes ? db_bytes : wal_bytes;
    assert_in_range(limit.rlim_cur, 1, SEGMENT_BYTES);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// A relaxed recorder that the disk has refused the exchange 1, which waits to be written.
static void start_and_fail(struct setting *setting, size_t limit_bytes)
{
    start(setting, limit_bytes, false);
    fill_disk(setting);
    push(setting, whole_record(1, SEGMENT_BYTES));
    WAIT_UNTIL(recorder_is_failing(setting->recorder));
}

static bool has_logged(struct setting *setting, const char *text)
{
    char *log = fixture_log_text(setting->store);
    bool result = strstr(log, text) != NULL;
    free(log);
    return result;
}

static void assert_loss(struct setting *setting, int64_t exchanges, int64_t bytes)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "%lld|%lld", (long long)exchanges, (long long)bytes);
    assert_answer(setting->store->path, "SELECT lost_exchanges, lost_bytes FROM session", expected);
}

static void test_full_disk_is_told(void **state)
{
    struct setting *setting = *state;
    start_and_fail(setting, 100 * SEGMENT_BYTES);
    struct server_status status;
    get_status(setting, &status);
    assert_false(status.is_recording);
    assert_contains(status.problem, setting->store->path);
    WAIT_UNTIL(has_logged(setting, "not recording"));
}

static void test_what_fits_in_the_queue_outlasts_a_full_disk(void **state)
{
    struct setting *setting = *state;
    start_and_fail(setting, 100 * SEGMENT_BYTES);
    for (int64_t id = 2; id <= 10; id++)
        push(setting, whole_record(id, SEGMENT_BYTES));
    long sleeps = sleeps_of_writer();
    WAIT_UNTIL(sleeps_of_writer() > sleeps + 3); // it tries again, in vain
    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    WAIT_UNTIL(has_logged(setting, "recording again"));
    struct server_status status;
    WAIT_UNTIL((get_status(setting, &status), status.problem[0] == '\0'));
    finish(setting);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "10");
    assert_answer(setting->store->path, "SELECT count(*) FROM body", "10");
    assert_loss(setting, 0, 0);
}

static void test_full_disk_does_not_slow_the_traffic_down(void **state)
{
    struct setting *setting = *state;
    start(setting, SEGMENT_BYTES, false);
    struct gate *gate = &setting->gates[0];
    push_gated(setting, whole_record(1, 0), gate);
    wait_at(gate);
    fill_disk(setting);
    push(setting, whole_record(2, 2 * SEGMENT_BYTES));
    assert_false(recorder_has_room(setting->recorder));
    open_gate(gate);
    // Whoever paused for the full queue is woken.
    WAIT_UNTIL(atomic_load(&setting->rooms) == 1);
    assert_true(recorder_is_failing(setting->recorder));
    assert_true(recorder_has_room(setting->recorder));
    assert_true(queue_bytes(setting) > (int64_t)SEGMENT_BYTES);
}

static void test_every_exchange_is_in_the_file_or_counted_as_lost(void **state)
{
    enum {
        EXCHANGES = 60
    };
    struct setting *setting = *state;
    start_and_fail(setting, 4 * SEGMENT_BYTES);
    int64_t pushed_bytes = SEGMENT_BYTES;
    for (int64_t id = 2; id <= EXCHANGES; id++) {
        // Some in one record, some in two, some small.
        size_t bytes = id % 3 == 0 ? 100 : 2 * SEGMENT_BYTES - (size_t)id;
        pushed_bytes += (int64_t)bytes;
        push(setting, id % 2 == 0 ? whole_record(id, bytes) : first_record(id, bytes));
        if (id % 2 != 0)
            push(setting, last_record(id));
    }
    WAIT_UNTIL(lost_exchanges(setting) > 0);
    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    WAIT_UNTIL(queue_bytes(setting) == 0);
    struct server_status status;
    get_status(setting, &status);
    finish(setting);

    assert_loss(setting, status.lost_exchanges, status.lost_bytes);
    char expected[64];
    snprintf(expected, sizeof(expected), "%lld", (long long)(EXCHANGES - status.lost_exchanges));
    assert_answer(setting->store->path,
                  "SELECT count(*) FROM exchange WHERE state = 'done' AND NOT body_truncated",
                  expected);
    snprintf(expected, sizeof(expected), "%lld", (long long)(pushed_bytes - status.lost_bytes));
    assert_answer(setting->store->path, "SELECT sum(length(data)) FROM body", expected);
}

static void test_exchange_that_lost_a_part_is_counted_once_and_marked(void **state)
{
    struct setting *setting = *state;
    start_and_fail(setting, SEGMENT_BYTES + SEGMENT_BYTES / 2);
    push(setting, first_record(7, SEGMENT_BYTES));
    WAIT_UNTIL(lost_exchanges(setting) == 1);
    struct record *segment = whole_record(7, SEGMENT_BYTES);
    row_destroy(segment->row);
    segment->row = NULL;
    segment->is_final = false;
    segment->segments[0].seq = 1;
    push(setting, segment);
    struct server_status status;
    WAIT_UNTIL((get_status(setting, &status), status.lost_bytes == 2 * (int64_t)SEGMENT_BYTES));
    assert_int_equal(status.lost_exchanges, 1);

    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    struct record *update = first_record(7, 0);
    update->is_update = true;
    push(setting, update);
    WAIT_UNTIL(queue_bytes(setting) == 0);
    push(setting, last_record(7));
    push(setting, whole_record(8, 10));
    finish(setting);
    assert_answer(setting->store->path,
                  "SELECT id, state, body_truncated FROM exchange ORDER BY id",
                  "1|done|0\n7|done|1\n8|done|0");
    assert_answer(setting->store->path, "SELECT exchange_id FROM body ORDER BY 1", "1\n8");
    assert_loss(setting, 1, 2 * (int64_t)SEGMENT_BYTES);
}

static void test_who_waits_for_a_commit_is_told_of_the_full_disk(void **state)
{
    struct setting *setting = *state;
    start(setting, 100 * SEGMENT_BYTES, true);
    fill_disk(setting);
    struct waiter waiter = {0};
    push_awaited(setting, whole_record(1, SEGMENT_BYTES), &waiter);
    WAIT_UNTIL(atomic_load(&waiter.calls) == 1);
    assert_true(waiter.is_lost);
    assert_int_equal(waiter.rows, 0);
    assert_true(recorder_is_failing(setting->recorder));
    assert_int_equal(lost_exchanges(setting), 1);

    // Space is noticed by itself, and the loss is written then.
    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    assert_loss(setting, 1, SEGMENT_BYTES);
    struct waiter second = {0};
    push_awaited(setting, whole_record(2, SEGMENT_BYTES), &second);
    WAIT_UNTIL(atomic_load(&second.calls) == 1);
    assert_false(second.is_lost);
    finish(setting);
    assert_answer(setting->store->path, "SELECT id FROM exchange", "2");
    assert_loss(setting, 1, SEGMENT_BYTES);
}

static void test_loss_is_written_once_over_several_full_disks(void **state)
{
    struct setting *setting = *state;
    start(setting, 100 * SEGMENT_BYTES, true);
    for (int64_t id = 1; id <= 3; id++) {
        fill_disk(setting);
        struct waiter waiter = {0};
        push_awaited(setting, whole_record(id, 2 * SEGMENT_BYTES), &waiter);
        WAIT_UNTIL(atomic_load(&waiter.calls) == 1);
        assert_true(waiter.is_lost);
        allow_any_size();
        WAIT_UNTIL(is_recording(setting));
        assert_loss(setting, id, id * 2 * (int64_t)SEGMENT_BYTES);
    }
}

static void test_recorder_ends_while_the_disk_is_full(void **state)
{
    struct setting *setting = *state;
    start_and_fail(setting, 100 * SEGMENT_BYTES);
    struct waiter waiter = {0};
    push_awaited(setting, whole_record(2, SEGMENT_BYTES), &waiter);
    recorder_destroy(setting->recorder);
    setting->recorder = NULL;
    assert_int_equal(atomic_load(&waiter.calls), 1);
    assert_true(waiter.is_lost);
    assert_true(has_logged(setting, "giving up"));
}

static void test_record_that_is_refused_does_not_take_others_with_it(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, false);
    push(setting, whole_record(1, 10));
    WAIT_UNTIL(queue_bytes(setting) == 0);
    push(setting, whole_record(2, 10));
    push(setting, whole_record(1, 10)); // its id is taken: no file will ever have it
    push(setting, whole_record(3, 10));
    WAIT_UNTIL(lost_exchanges(setting) == 1);
    assert_true(is_recording(setting));
    push(setting, whole_record(4, 10));
    finish(setting);
    assert_answer(setting->store->path, "SELECT id FROM exchange ORDER BY id", "1\n2\n3\n4");
}

static void test_end_of_a_pending_exchange_outlasts_a_full_disk(void **state)
{
    struct setting *setting = *state;
    start(setting, SEGMENT_BYTES + SEGMENT_BYTES / 2, false);
    push(setting, first_record(1, 10));
    WAIT_UNTIL(queue_bytes(setting) == 0);
    fill_disk(setting);
    push(setting, whole_record(2, SEGMENT_BYTES));
    WAIT_UNTIL(!is_recording(setting));
    struct record *last = last_record(1);
    struct chunk *chunk = fixture_chunk("bye", 3, 0);
    record_add_message(last, &(struct store_message){.chunk = chunk, .side = BODY_RESPONSE});
    chunk_unref(chunk);
    push(setting, last);
    push(setting, whole_record(3, SEGMENT_BYTES));
    WAIT_UNTIL(lost_exchanges(setting) > 0);

    allow_any_size();
    finish(setting);
    assert_answer(setting->store->path, "SELECT state, body_truncated FROM exchange WHERE id = 1",
                  "done|1");
    assert_answer(setting->store->path, "SELECT count(*) FROM message", "0");
    assert_loss(setting, 1, SEGMENT_BYTES + 3);
}

static void test_withdrawn_exchange_goes_though_its_row_was_held_up_by_a_full_disk(void **state)
{
    struct setting *setting = *state;
    start(setting, SEGMENT_BYTES + SEGMENT_BYTES / 2, false);
    fill_disk(setting);
    push(setting, first_record(1, SEGMENT_BYTES));
    WAIT_UNTIL(!is_recording(setting));
    push(setting, withdrawn_record(1));
    push(setting, whole_record(2, SEGMENT_BYTES));
    WAIT_UNTIL(lost_exchanges(setting) > 0);
    long sleeps = sleeps_of_writer();
    WAIT_UNTIL(sleeps_of_writer() > sleeps + 3); // it tries again, in vain

    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    finish(setting);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "0");
    assert_answer(setting->store->path, "SELECT count(*) FROM body", "0");
    assert_loss(setting, 1, SEGMENT_BYTES);
}

static void test_ends_of_what_is_lost_do_not_pile_up(void **state)
{
    struct setting *setting = *state;
    start_and_fail(setting, 2 * SEGMENT_BYTES);
    for (int64_t id = 2; id <= 2000; id++) {
        push(setting, first_record(id, 10));
        push(setting, last_record(id));
    }
    WAIT_UNTIL(queue_bytes(setting) <= 2 * (int64_t)SEGMENT_BYTES);
    allow_any_size();
    WAIT_UNTIL(is_recording(setting));
    struct server_status status;
    WAIT_UNTIL((get_status(setting, &status), status.queue_bytes == 0));
    finish(setting);
    assert_loss(setting, status.lost_exchanges, status.lost_bytes);
    char expected[64];
    snprintf(expected, sizeof(expected), "%lld", (long long)(2000 - status.lost_exchanges));
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange WHERE state = 'done'",
                  expected);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_busy_file_is_waited_for_and_nothing_is_lost),
        TEST(test_file_that_stays_busy_counts_as_one_that_refuses),
        TEST(test_file_that_stays_busy_lets_nobody_wait_for_a_commit),
        TEST(test_what_is_withdrawn_goes_at_the_end_though_the_file_is_busy),
        TEST(test_end_waits_for_a_busy_file),
        TEST(test_full_disk_is_told),
        TEST(test_what_fits_in_the_queue_outlasts_a_full_disk),
        TEST(test_full_disk_does_not_slow_the_traffic_down),
        TEST(test_every_exchange_is_in_the_file_or_counted_as_lost),
        TEST(test_exchange_that_lost_a_part_is_counted_once_and_marked),
        TEST(test_who_waits_for_a_commit_is_told_of_the_full_disk),
        TEST(test_loss_is_written_once_over_several_full_disks),
        TEST(test_recorder_ends_while_the_disk_is_full),
        TEST(test_record_that_is_refused_does_not_take_others_with_it),
        TEST(test_end_of_a_pending_exchange_outlasts_a_full_disk),
        TEST(test_withdrawn_exchange_goes_though_its_row_was_held_up_by_a_full_disk),
        TEST(test_ends_of_what_is_lost_do_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
