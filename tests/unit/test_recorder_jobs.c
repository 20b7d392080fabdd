// SPDX-License-Identifier: MIT
// Jobs on the writer thread: they are done between batches, and hold none up.
#include "proxy/recorder.h"
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>

struct setting {
    struct fixture *store;
    struct recorder *recorder;
};

static void on_room(void *ctx)
{
    (void)ctx;
}

static int set_up(void **state)
{
    struct setting *setting = mem_calloc(1, sizeof(*setting));
    fixture_set_up((void **)&setting->store);
    struct recorder_options options = {.writer = setting->store->writer,
                                       .queue_limit_bytes = 1000000,
                                       .on_room = on_room,
                                       .log = setting->store->log};
    struct err err = {0};
    setting->recorder = recorder_create(&options, &err);
    assert_non_null(setting->recorder);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    recorder_destroy(setting->recorder);
    fixture_tear_down((void **)&setting->store);
    free(setting);
    return 0;
}

static void put_exchange(struct setting *setting, int64_t id, void (*on_written)(struct record *),
                         void *waiter)
{
    struct record *record = record_create(id);
    record->row = fixture_row(id);
    record->is_final = true;
    record->on_written = on_written;
    record->waiter = waiter;
    recorder_push(setting->recorder, record);
}

// A job in as many slices as are asked for.
struct work {
    int slices;
    enum store_step last;
    int busy; // how often the file is busy first
    int calls;
};

static enum store_step work_step(void *ctx, struct store_writer *writer, struct err *err)
{
    struct work *work = ctx;
    assert_non_null(writer);
    work->calls++;
    if (work->busy > 0) {
        work->busy--;
        return STEP_BUSY;
    }
    if (--work->slices > 0)
        return STEP_MORE;
    if (work->last == STEP_FAILED)
        err_set(err, "it broke");
    return work->last;
}

static void test_job_is_done_slice_by_slice(void **state)
{
    struct setting *setting = *state;
    struct work work = {.slices = 5, .last = STEP_DONE};
    struct err err = {0};
    assert_int_equal(recorder_run_job(setting->recorder, work_step, &work, &err), 0);
    assert_int_equal(work.calls, 5);
}

static void test_job_that_fails_says_why(void **state)
{
    struct setting *setting = *state;
    struct work work = {.slices = 2, .last = STEP_FAILED};
    struct err err = {0};
    assert_int_equal(recorder_run_job(setting->recorder, work_step, &work, &err), -1);
    assert_string_equal(err.text, "it broke");
}

static void test_busy_file_is_waited_for(void **state)
{
    struct setting *setting = *state;
    struct work work = {.slices = 1, .busy = 3, .last = STEP_DONE};
    struct err err = {0};
    assert_int_equal(recorder_run_job(setting->recorder, work_step, &work, &err), 0);
    assert_int_equal(work.calls, 4);
}

// Goes on until the exchange that its first slice pushed is in the file.
struct endless {
    struct setting *setting;
    bool has_pushed;
    sem_t written;
    int slices_meanwhile;
};

static void on_written_post(struct record *record)
{
    sem_post(record->waiter);
    record_destroy(record);
}

static enum store_step endless_step(void *ctx, struct store_writer *writer, struct err *err)
{
    (void)writer;
    (void)err;
    struct endless *endless = ctx;
    if (!endless->has_pushed) {
        endless->has_pushed = true;
        put_exchange(endless->setting, 1, on_written_post, &endless->written);
        return STEP_MORE;
    }
    endless->slices_meanwhile++;
    return sem_trywait(&endless->written) == 0 ? STEP_DONE : STEP_MORE;
}

static void test_batch_waits_for_no_more_than_a_slice(void **state)
{
    struct setting *setting = *state;
    struct endless endless = {.setting = setting};
    sem_init(&endless.written, 0, 0);
    struct err err = {0};
    assert_int_equal(recorder_run_job(setting->recorder, endless_step, &endless, &err), 0);
    assert_int_equal(endless.slices_meanwhile, 1);
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "1");
}

#define THREADS 4

struct asker {
    struct setting *setting;
    struct work work;
    pthread_t thread;
    int result;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct err err = {0};
    asker->result = recorder_run_job(asker->setting->recorder, work_step, &asker->work, &err);
    return NULL;
}

static void test_several_threads_may_ask(void **state)
{
    struct setting *setting = *state;
    struct asker askers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i] =
            (struct asker){.setting = setting, .work = {.slices = 50 + i, .last = STEP_DONE}};
        pthread_create(&askers[i].thread, NULL, ask, &askers[i]);
    }
    for (int64_t id = 1; id <= 100; id++)
        put_exchange(setting, id, NULL, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        assert_int_equal(askers[i].result, 0);
        assert_int_equal(askers[i].work.calls, 50 + i);
    }
}

// --- while it cannot be done -------------------------------------------------------------------

struct stuck {
    struct setting *setting;
    sem_t reached;
    int result;
    struct err err;
};

static enum store_step stuck_step(void *ctx, struct store_writer *writer, struct err *err)
{
    (void)writer;
    (void)err;
    struct stuck *stuck = ctx;
    sem_post(&stuck->reached);
    return STEP_BUSY;
}

static void *ask_for_what_is_stuck(void *arg)
{
    struct stuck *stuck = arg;
    stuck->result = recorder_run_job(stuck->setting->recorder, stuck_step, stuck, &stuck->err);
    return NULL;
}

static void test_end_does_not_wait_for_a_job(void **state)
{
    struct setting *setting = *state;
    struct stuck stuck = {.setting = setting};
    sem_init(&stuck.reached, 0, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, ask_for_what_is_stuck, &stuck);
    sem_wait(&stuck.reached);
    put_exchange(setting, 1, NULL, NULL);
    recorder_destroy(setting->recorder);
    setting->recorder = NULL;
    pthread_join(thread, NULL);
    assert_int_equal(stuck.result, -1);
    assert_contains(stuck.err.text, "hark is ending");
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "1");
}

// A full disk is a limit on the size of files.
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static enum store_step room_step(void *ctx, struct store_writer *writer, struct err *err)
{
    (void)writer;
    (void)err;
    limit_file_size(RLIM_INFINITY);
    *(bool *)ctx = true;
    return STEP_DONE;
}

static void test_job_goes_on_while_the_disk_is_full_and_makes_room(void **state)
{
    struct setting *setting = *state;
    limit_file_size(1);
    put_exchange(setting, 1, NULL, NULL);
    while (!recorder_is_failing(setting->recorder))
        sched_yield();
    bool is_done = false;
    struct err err = {0};
    assert_int_equal(recorder_run_job(setting->recorder, room_step, &is_done, &err), 0);
    assert_true(is_done);
    recorder_destroy(setting->recorder);
    setting->recorder = NULL;
    assert_answer(setting->store->path, "SELECT count(*) FROM exchange", "1");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(test_job_is_done_slice_by_slice),
        TEST(test_job_that_fails_says_why),
        TEST(test_busy_file_is_waited_for),
        TEST(test_batch_waits_for_no_more_than_a_slice),
        TEST(test_several_threads_may_ask),
        TEST(test_end_does_not_wait_for_a_job),
        TEST(test_job_goes_on_while_the_disk_is_full_and_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
