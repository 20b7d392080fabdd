// SPDX-License-Identifier: MIT
// The recorder over a real recording: what is committed and said to whom, how its queue slows the
// traffic down, and what happens while the file is busy or the disk is full.
//
// The writer thread is held where a test wants it by an `on_written` that waits (a gate). A full
// disk is a limit on the size of files (RLIMIT_FSIZE).
#include "proxy/recorder.h"
#include "store_fixture.h"

#include "hark/clock.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

#define DEADLINE_US   ((int64_t)20000000)
#define SEGMENT_BYTES CHUNK_MAX_BYTES

// Holds the writer thread between the commit of a record and its leaving the queue.
struct gate {
    sem_t reached;
    sem_t open;
};

struct setting {
    struct gate gates[2];
    struct fixture *store;
    struct recorder *recorder;
    atomic_int rooms;            // calls of on_room
    atomic_size_t room_at_bytes; // what was queued at the last of them
};

static void get_status(struct setting *setting, struct server_status *status)
{
    recorder_get_status(setting->recorder, status);
}

static void on_room(void *ctx)
{
    struct setting *setting = ctx;
    struct server_status status;
    get_status(setting, &status);
    atomic_store(&setting->room_at_bytes, (size_t)status.queue_bytes);
    atomic_fetch_add(&setting->rooms, 1);
}

static int set_up(void **state)
{
    struct setting *setting = mem_calloc(1, sizeof(*setting));
    for (size_t i = 0; i < 2; i++) {
        sem_init(&setting->gates[i].reached, 0, 0);
        sem_init(&setting->gates[i].open, 0, 0);
    }
    fixture_set_up((void **)&setting->store);
    *state = setting;
    return 0;
}

static void allow_any_size(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    allow_any_size();
    // After a failed test the writer thread may still stand at one.
    for (size_t i = 0; i < 2; i++)
        sem_post(&setting->gates[i].open);
    recorder_destroy(setting->recorder);
    fixture_tear_down((void **)&setting->store);
    free(setting);
    return 0;
}

static void start_patient(struct setting *setting, size_t limit_bytes, bool is_prompt,
                          int64_t busy_patience_us)
{
    struct recorder_options options = {
        .writer = setting->store->writer,
        .queue_limit_bytes = limit_bytes,
        .busy_patience_us = busy_patience_us,
        .is_prompt = is_prompt,
        .on_room = on_room,
        .ctx = setting,
        .log = setting->store->log,
    };
    struct err err = {0};
    setting->recorder = recorder_create(&options, &err);
    if (setting->recorder == NULL)
        fail_msg("%s", err.text);
}

static void start(struct setting *setting, size_t limit_bytes, bool is_prompt)
{
    start_patient(setting, limit_bytes, is_prompt, 0);
}

// Writes what is queued and closes the recording.
static void finish(struct setting *setting)
{
    recorder_destroy(setting->recorder);
    setting->recorder = NULL;
    fixture_close(setting->store);
}

static bool has_passed(int64_t deadline_us)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    nanosleep(&moment, NULL);
    return clock_monotonic_us() > deadline_us;
}

#define WAIT_UNTIL(condition)                                     \
    do {                                                          \
        int64_t deadline_us = clock_monotonic_us() + DEADLINE_US; \
        while (!(condition))                                      \
            if (has_passed(deadline_us))                          \
                fail_msg("never: %s", #condition);                \
    } while (0)

static int64_t queue_bytes(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.queue_bytes;
}

static bool is_recording(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.is_recording;
}

static int64_t lost_exchanges(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.lost_exchanges;
}

// --- records -----------------------------------------------------------------------------------

// The only record of an exchange, with a body of `body_bytes` in segments.
static struct record *whole_record(int64_t id, size_t body_bytes)
{
    struct record *record = record_create(id);
    record->row = fixture_row(id);
    record->is_final = true;
    for (int64_t seq = 0; body_bytes > 0; seq++) {
        size_t length = body_bytes < SEGMENT_BYTES ? body_bytes : SEGMENT_BYTES;
        struct chunk *chunk = chunk_create(length, 0);
        memset(chunk->data, 'b', length);
        chunk->length = length;
        chunk_seal(chunk);
        record_add_segment(record, chunk, BODY_RESPONSE, seq);
        chunk_unref(chunk);
        body_bytes -= length;
    }
    return record;
}

// The first record of an exchange that goes on, with one segment.
static struct record *first_record(int64_t id, size_t body_bytes)
{
    struct record *record = whole_record(id, body_bytes);
    record->row->state = ROW_STATE_PENDING;
    record->row->status = 0;
    record->is_final = false;
    return record;
}

// The last record of such an exchange.
static struct record *last_record(int64_t id)
{
    struct record *record = whole_record(id, 0);
    record->is_update = true;
    return record;
}

static void push(struct setting *setting, struct record *record)
{
    recorder_push(setting->recorder, record);
}

// Who waits for a record. Lives on the test's stack until `calls` is 1.
struct waiter {
    const char *path;
    struct record *record; // what came back
    bool is_lost;
    int64_t rows; // in the file at that moment, as another connection sees it
    atomic_int calls;
};

static void on_written(struct record *record)
{
    struct waiter *waiter = record->waiter;
    waiter->record = record;
    waiter->is_lost = record->is_lost;
    char *rows = fixture_ask(waiter->path, "SELECT count(*) FROM exchange");
    waiter->rows = atoll(rows);
    free(rows);
    record_destroy(record);
    atomic_fetch_add(&waiter->calls, 1);
}

static void push_awaited(struct setting *setting, struct record *record, struct waiter *waiter)
{
    waiter->path = setting->store->path;
    record->on_written = on_written;
    record->waiter = waiter;
    push(setting, record);
}

static void on_written_wait(struct record *record)
{
    struct gate *gate = record->waiter;
    record_destroy(record);
    sem_post(&gate->reached);
    sem_wait(&gate->open);
}

static void push_gated(struct setting *setting, struct record *record, struct gate *gate)
{
    record->on_written = on_written_wait;
    record->waiter = gate;
    push(setting, record);
}

static void wait_at(struct gate *gate)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_US / 1000000;
    assert_int_equal(sem_timedwait(&gate->reached, &until), 0);
}

static void open_gate(struct gate *gate)
{
    sem_post(&gate->open);
}

// --- what is recorded --------------------------------------------------------------------------

static void test_rows_and_bodies_are_in_the_file_in_the_end(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, false);
    for (int64_t id = 1; id <= 100; id++)
        push(setting, whole_record(id, (size_t)id));
    finish(setting);
    assert_int_equal(atomic_load(&setting->rooms), 0); // there always was
    assert_answer(setting->store->path, "SELECT count(*), sum(id) FROM exchange", "100|5050");
    assert_answer(setting->store->path,
                  "SELECT count(*), sum(length(data)), sum(exchange_id = length(data)) FROM body",
                  "100|5050|100");
}

static void test_exchange_is_written_as_it_goes_on(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, false);
    push(setting, first_record(1, 10));
    WAIT_UNTIL(queue_bytes(setting) == 0);
    assert_answer(setting->store->path, "SELECT state, status FROM exchange", "pending|NULL");
    assert_answer(setting->store->path, "SELECT length(data) FROM body", "10");

    struct record *segment = record_create(1);
    struct chunk *chunk = fixture_chunk("more", 4, 77);
    record_add_segment(segment, chunk, BODY_RESPONSE, 1);
    chunk_unref(chunk);
    push(setting, segment);
    push(setting, last_record(1));
    finish(setting);
    assert_answer(setting->store->path, "SELECT state, status, body_truncated FROM exchange",
                  "done|200|0");
    assert_answer(setting->store->path,
                  "SELECT side, seq, at_us, length(data) FROM body ORDER BY seq",
                  "response|0|0|10\nresponse|1|77|4");
}

static void test_record_comes_back_when_it_is_committed(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, true);
    struct waiter waiter = {0};
    struct record *record = whole_record(1, 10);
    push_awaited(setting, record, &waiter);
    WAIT_UNTIL(atomic_load(&waiter.calls) == 1);
    assert_ptr_equal(waiter.record, record);
    assert_false(waiter.is_lost);
    assert_int_equal(waiter.rows, 1);
    finish(setting);
    assert_int_equal(atomic_load(&waiter.calls), 1);
}

static void test_record_is_written_though_no_other_follows(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, false);
    push(setting, whole_record(1, 0));
    WAIT_UNTIL(queue_bytes(setting) == 0);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "1");
}

static void test_what_piles_up_during_a_commit_goes_in_one_transaction(void **state)
{
    struct setting *setting = *state;
    start(setting, 1000000, true);
    struct gate *gate = &setting->gates[0];
    push_gated(setting, whole_record(1, 0), gate);
    wait_at(gate);
    for (int64_t id = 2; id <= 100; id++)
        push(setting, whole_record(id, 0));
    open_gate(gate);
    WAIT_UNTIL(queue_bytes(setting) == 0);
    struct server_status status;
    WAIT_UNTIL((get_status(setting, &status), status.commits >= 2));
    assert_int_equal(status.commits, 2);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "100");
}

#define THREADS        4
#define IDS_PER_THREAD 20000

static pthread_barrier_t all_started;

static void *take_ids(void *arg)
{
    struct recorder *recorder = arg;
    int64_t *ids = mem_calloc(IDS_PER_THREAD, sizeof(*ids));
    pthread_barrier_wait(&all_started);
    for (int i = 0; i < IDS_PER_THREAD; i++)
        ids[i] = recorder_next_id(recorder);
    return ids;
}

// A transaction of all that a large queue holds would not fit on a disk that has room for most.
static void test_what_piles_up_is_written_in_parts(void **state)
{
    enum {
        RECORDS = 48,
        BYTES = 256 * 1024
    };
    struct setting *setting = *state;
    start(setting, 100 * SEGMENT_BYTES, false);
    struct gate *gate = &setting->gates[0];
    push_gated(setting, whole_record(1, 0), gate);
    wait_at(gate);
    for (int64_t id = 2; id <= RECORDS + 1; id++)
        push(setting, whole_record(id, BYTES));
    open_gate(gate);
    WAIT_UNTIL(queue_bytes(setting) == 0);
    struct server_status status;
    get_status(setting, &status);
    assert_in_range(status.commits, 1 + RECORDS * BYTES / (4 * 1024 * 1024), RECORDS / 2);
    assert_answer(setting->store->path, "SELECT count(*) FROM body", "48");
}

static void test_ids_go_on_from_the_file_and_are_given_out_once(void **state)
{
    struct setting *setting = *state;
    struct exchange_row *row = fixture_row(41);
    fixture_put(setting->store, row);
    row_destroy(row);
    start(setting, 1000000, false);

    pthread_t threads[THREADS];
    pthread_barrier_init(&all_started, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_ids, setting->recorder), 0);
    bool *is_taken = mem_calloc(THREADS * IDS_PER_THREAD, sizeof(*is_taken));
    for (int i = 0; i < THREADS; i++) {
        void *ids = NULL;
        pthread_join(threads[i], &ids);
        for (int j = 0; j < IDS_PER_THREAD; j++) {
            int64_t index = ((int64_t *)ids)[j] - 42;
            assert_in_range(index, 0, THREADS * IDS_PER_THREAD - 1);
            assert_false(is_taken[index]);
            is_taken[index] = true;
        }
        free(ids);
    }
    free(is_taken);
    pthread_barrier_destroy(&all_started);
}

static void *push_many(void *arg)
{
    struct recorder *recorder = arg;
    for (int i = 0; i < 500; i++)
        recorder_push(recorder, whole_record(recorder_next_id(recorder), 100));
    return NULL;
}

static void test_several_threads_may_push(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, false);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, setting->recorder), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    WAIT_UNTIL(queue_bytes(setting) == 0);
    WAIT_UNTIL(recorder_has_room(setting->recorder));
    finish(setting);
    assert_answer(setting->store->path, "SELECT count(*), count(DISTINCT id) FROM exchange",
                  "2000|2000");
    assert_answer(setting->store->path, "SELECT count(*) FROM body WHERE length(data) = 100",
                  "2000");
}

// --- the queue ---------------------------------------------------------------------------------

static void test_queue_has_room_up_to_its_limit(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, true);
    struct gate *gate = &setting->gates[0];
    push_gated(setting, whole_record(1, 0), gate);
    wait_at(gate);
    assert_true(recorder_has_room(setting->recorder));
    int64_t id = 2;
    while (recorder_has_room(setting->recorder)) {
        assert_true(queue_bytes(setting) <= 100000);
        push(setting, whole_record(id++, 1000));
    }
    // It overshoots by no more than the last record.
    assert_in_range(queue_bytes(setting), 100001, 110000);
    assert_int_equal(atomic_load(&setting->rooms), 0);
    open_gate(gate);
    WAIT_UNTIL(atomic_load(&setting->rooms) == 1);
    assert_true(recorder_has_room(setting->recorder));
    finish(setting);
    assert_int_equal(atomic_load(&setting->rooms), 1);
}

static void test_room_comes_back_well_below_the_limit_only(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, true);
    struct gate *first = &setting->gates[0];
    struct gate *second = &setting->gates[1];
    push_gated(setting, whole_record(1, 30000), first);
    wait_at(first);
    push_gated(setting, whole_record(2, 80000), second);
    assert_false(recorder_has_room(setting->recorder));
    open_gate(first);
    // The first is out of the queue; what is left is below the limit, but not by half.
    wait_at(second);
    assert_in_range(queue_bytes(setting), 50001, 99999);
    assert_int_equal(atomic_load(&setting->rooms), 0);
    assert_false(recorder_has_room(setting->recorder));
    open_gate(second);
    WAIT_UNTIL(atomic_load(&setting->rooms) == 1);
    assert_true(atomic_load(&setting->room_at_bytes) <= 50000);
    assert_true(recorder_has_room(setting->recorder));
}

static void test_stall_is_counted_once_until_there_was_room(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000, true);
    int64_t id = 1;
    for (int stall = 1; stall <= 2; stall++) {
        struct gate *gate = &setting->gates[0];
        push_gated(setting, whole_record(id++, 0), gate);
        wait_at(gate);
        for (int i = 0; i < 3; i++)
            push(setting, whole_record(id++, 200000));
        open_gate(gate);
        WAIT_UNTIL(atomic_load(&setting->rooms) == stall);
        struct server_status status;
        get_status(setting, &status);
        assert_int_equal(status.queue_stalls, stall);
    }
}

static void test_bodies_in_the_queue_are_accounted_for(void **state)
{
    struct setting *setting = *state;
    start(setting, 100000000, true);
    struct gate *gate = &setting->gates[0];
    push_gated(setting, whole_record(1, 1000), gate);
    wait_at(gate);
    int64_t before = queue_bytes(setting);
    push(setting, whole_record(2, 1000000));
    assert_in_range(queue_bytes(setting) - before, 1000000, 1010000);
    struct server_status status;
    get_status(setting, &status);
    assert_int_equal(status.queue_limit_bytes, 100000000);
    open_gate(gate);
    WAIT_UNTIL(queue_bytes(setting) == 0);
}

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

static void test_record_destroy_takes_null(void **state)
{
    (void)state;
    record_destroy(NULL);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_rows_and_bodies_are_in_the_file_in_the_end),
        TEST(test_exchange_is_written_as_it_goes_on),
        TEST(test_record_comes_back_when_it_is_committed),
        TEST(test_record_is_written_though_no_other_follows),
        TEST(test_what_piles_up_during_a_commit_goes_in_one_transaction),
        TEST(test_what_piles_up_is_written_in_parts),
        TEST(test_ids_go_on_from_the_file_and_are_given_out_once),
        TEST(test_several_threads_may_push),
        TEST(test_queue_has_room_up_to_its_limit),
        TEST(test_room_comes_back_well_below_the_limit_only),
        TEST(test_stall_is_counted_once_until_there_was_room),
        TEST(test_bodies_in_the_queue_are_accounted_for),
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
        TEST(test_record_destroy_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
