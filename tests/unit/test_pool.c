// SPDX-License-Identifier: MIT
// The threads that read the recording for whoever asks.
#include "control/pool.h"
#include "store_fixture.h"
#include "stream_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#define LONG_MAX_AT_ONCE 16
#define QUEUED_MAX       64
#define JOBS_MAX         200

// What the jobs of a test share. Thread: any.
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t is_changed;
    bool is_open;
    atomic_int running;
    atomic_int most; // that ran at once
    atomic_int ran;
    atomic_int cancelled;
    atomic_int released;
};

struct work {
    struct pool_job job;
    struct gate *gate;
    bool waits;
    bool had_reader;
    struct err err;
    int64_t rows;
};

static struct gate *gate_create(void)
{
    struct gate *gate = mem_calloc(1, sizeof(*gate));
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->is_changed, NULL);
    return gate;
}

static void gate_destroy(struct gate *gate)
{
    pthread_cond_destroy(&gate->is_changed);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->is_changed);
    pthread_mutex_unlock(&gate->mutex);
}

static void gate_pass(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (!gate->is_open)
        pthread_cond_wait(&gate->is_changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    (void)values;
    ++*(int64_t *)ctx;
    return 0;
}

static void on_run(struct pool_job *job, struct store_reader *reader, const struct err *err)
{
    struct work *work = (struct work *)job;
    struct gate *gate = work->gate;
    int running = atomic_fetch_add(&gate->running, 1) + 1;
    if (running > atomic_load(&gate->most))
        atomic_store(&gate->most, running);
    work->had_reader = reader != NULL;
    work->err = *err;
    if (reader != NULL)
        store_list_traffic(reader, &(struct store_list_options){0}, NULL, on_row, &work->rows,
                           &work->err);
    if (work->waits)
        gate_pass(gate);
    atomic_fetch_sub(&gate->running, 1);
    atomic_fetch_add(&gate->ran, 1);
}

static void on_cancel(struct pool_job *job)
{
    struct gate *gate = ((struct work *)job)->gate;
    atomic_fetch_add(&gate->cancelled, 1);
    gate_open(gate);
}

static void on_release(struct pool_job *job)
{
    atomic_fetch_add(&((struct work *)job)->gate->released, 1);
}

static struct work make(struct gate *gate, enum pool_lane lane, bool waits)
{
    return (struct work){
        .job = {.run = on_run, .cancel = on_cancel, .release = on_release, .lane = lane},
        .gate = gate,
        .waits = waits,
    };
}

static void run_alone(struct pool *pool, struct work *work)
{
    int before = atomic_load(&work->gate->released);
    assert_true(pool_submit(pool, &work->job));
    WAIT_UNTIL(atomic_load(&work->gate->released) == before + 1);
}

static void put(struct fixture *fixture, int64_t id)
{
    struct exchange_row *row = fixture_row(id);
    fixture_put(fixture, row);
    row_destroy(row);
}

static void end(struct pool *pool, struct gate *gate)
{
    pool_stop(pool);
    pool_destroy(pool);
    gate_destroy(gate);
}

static void test_a_job_reads_the_recording(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    struct pool *pool = pool_create(fixture->path);
    put(fixture, 1);
    struct work work = make(gate, POOL_QUICK, false);
    run_alone(pool, &work);
    assert_true(work.had_reader);
    assert_false(work.err.is_set);
    assert_int_equal(work.rows, 1);
    end(pool, gate);
}

static void test_a_recording_that_cannot_be_read_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    char *path = mem_printf("%s/none.db", fixture->folder);
    struct pool *pool = pool_create(path);
    struct work work = make(gate, POOL_LONG, false);
    run_alone(pool, &work);
    assert_false(work.had_reader);
    assert_true(work.err.is_set);
    end(pool, gate);
    free(path);
}

static void set_aside(struct fixture *fixture)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    fixture_close(fixture);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char *path = mem_printf("%s%s", fixture->path, suffixes[i]);
        char *aside = mem_printf("%s/aside.db%s", fixture->folder, suffixes[i]);
        rename(path, aside);
        free(path);
        free(aside);
    }
    fixture_open(fixture);
}

static void test_a_recording_begun_anew_is_read_anew(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    struct pool *pool = pool_create(fixture->path);
    put(fixture, 1);
    put(fixture, 2);
    struct work before = make(gate, POOL_QUICK, false);
    run_alone(pool, &before);
    assert_int_equal(before.rows, 2);
    set_aside(fixture);
    put(fixture, 1);
    struct work after = make(gate, POOL_QUICK, false);
    run_alone(pool, &after);
    assert_int_equal(after.rows, 1);
    end(pool, gate);
}

static void test_long_jobs_leave_threads_for_quick_ones(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    struct pool *pool = pool_create(fixture->path);
    struct work jobs[LONG_MAX_AT_ONCE + 4];
    size_t count = sizeof(jobs) / sizeof(jobs[0]);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = make(gate, POOL_LONG, true);
        assert_true(pool_submit(pool, &jobs[i].job));
    }
    WAIT_UNTIL(atomic_load(&gate->running) == LONG_MAX_AT_ONCE);
    struct work quick = make(gate, POOL_QUICK, false);
    run_alone(pool, &quick);
    assert_int_equal(atomic_load(&gate->most), LONG_MAX_AT_ONCE + 1);
    gate_open(gate);
    WAIT_UNTIL(atomic_load(&gate->released) == (int)count + 1);
    end(pool, gate);
}

static void test_a_full_queue_refuses_and_the_job_stays_the_callers(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    struct pool *pool = pool_create(fixture->path);
    static struct work jobs[JOBS_MAX];
    int taken = 0;
    while (taken < LONG_MAX_AT_ONCE) {
        jobs[taken] = make(gate, POOL_LONG, true);
        assert_true(pool_submit(pool, &jobs[taken++].job));
    }
    WAIT_UNTIL(atomic_load(&gate->running) == LONG_MAX_AT_ONCE);
    for (;; taken++) {
        assert_true(taken < JOBS_MAX);
        jobs[taken] = make(gate, POOL_LONG, false);
        if (!pool_submit(pool, &jobs[taken].job))
            break;
    }
    assert_int_equal(taken, LONG_MAX_AT_ONCE + QUEUED_MAX);
    gate_open(gate);
    WAIT_UNTIL(atomic_load(&gate->released) == taken);
    assert_int_equal(atomic_load(&gate->ran), taken);
    run_alone(pool, &jobs[taken]);
    end(pool, gate);
}

static void test_stopping_cancels_what_there_is_and_sees_it_end(void **state)
{
    struct fixture *fixture = *state;
    struct gate *gate = gate_create();
    struct pool *pool = pool_create(fixture->path);
    struct work jobs[LONG_MAX_AT_ONCE + 4];
    int count = sizeof(jobs) / sizeof(jobs[0]);
    for (int i = 0; i < count; i++) {
        jobs[i] = make(gate, POOL_LONG, true);
        assert_true(pool_submit(pool, &jobs[i].job));
    }
    WAIT_UNTIL(atomic_load(&gate->running) == LONG_MAX_AT_ONCE);
    pool_stop(pool);
    assert_int_equal(atomic_load(&gate->cancelled), count);
    assert_int_equal(atomic_load(&gate->ran), count);
    assert_int_equal(atomic_load(&gate->released), count);
    struct work late = make(gate, POOL_QUICK, false);
    assert_false(pool_submit(pool, &late.job));
    pool_destroy(pool);
    gate_destroy(gate);
}

#define POOL_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_a_job_reads_the_recording),
        POOL_TEST(test_a_recording_that_cannot_be_read_is_said),
        POOL_TEST(test_a_recording_begun_anew_is_read_anew),
        POOL_TEST(test_long_jobs_leave_threads_for_quick_ones),
        POOL_TEST(test_a_full_queue_refuses_and_the_job_stays_the_callers),
        POOL_TEST(test_stopping_cancels_what_there_is_and_sees_it_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
