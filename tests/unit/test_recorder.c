// SPDX-License-Identifier: MIT
// What the recorder commits and says to whom, and how its queue slows the traffic down.
#include "recorder_fixture.h"

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

static void test_record_destroy_takes_null(void **state)
{
    (void)state;
    record_destroy(NULL);
}

int main(void)
{
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
        TEST(test_record_destroy_takes_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
