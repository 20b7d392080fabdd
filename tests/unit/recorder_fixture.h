// SPDX-License-Identifier: MIT
// A recorder over a real recording.
//
// The writer thread is held where a test wants it by an `on_written` that waits (a gate). A full
// disk is a limit on the size of files (RLIMIT_FSIZE).
#ifndef HARK_TESTS_RECORDER_FIXTURE_H
#define HARK_TESTS_RECORDER_FIXTURE_H

#include "proxy/recorder.h"
#include "store_fixture.h"

#include "hark/clock.h"

#include <pthread.h>
#include <semaphore.h>
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

static inline void get_status(struct setting *setting, struct server_status *status)
{
    recorder_get_status(setting->recorder, status);
}

static inline void on_room(void *ctx)
{
    struct setting *setting = ctx;
    struct server_status status;
    get_status(setting, &status);
    atomic_store(&setting->room_at_bytes, (size_t)status.queue_bytes);
    atomic_fetch_add(&setting->rooms, 1);
}

static inline int set_up(void **state)
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

static inline void allow_any_size(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static inline int tear_down(void **state)
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

static inline void start_patient(struct setting *setting, size_t limit_bytes, bool is_prompt,
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

static inline void start(struct setting *setting, size_t limit_bytes, bool is_prompt)
{
    start_patient(setting, limit_bytes, is_prompt, 0);
}

// Writes what is queued and closes the recording.
static inline void finish(struct setting *setting)
{
    recorder_destroy(setting->recorder);
    setting->recorder = NULL;
    fixture_close(setting->store);
}

static inline bool has_passed(int64_t deadline_us)
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

static inline int64_t queue_bytes(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.queue_bytes;
}

static inline bool is_recording(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.is_recording;
}

static inline int64_t lost_exchanges(struct setting *setting)
{
    struct server_status status;
    get_status(setting, &status);
    return status.lost_exchanges;
}

// --- records -----------------------------------------------------------------------------------

// The only record of an exchange, with a body of `body_bytes` in segments.
static inline struct record *whole_record(int64_t id, size_t body_bytes)
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
static inline struct record *first_record(int64_t id, size_t body_bytes)
{
    struct record *record = whole_record(id, body_bytes);
    record->row->state = ROW_STATE_PENDING;
    record->row->status = 0;
    record->is_final = false;
    return record;
}

// The last record of such an exchange.
static inline struct record *last_record(int64_t id)
{
    struct record *record = whole_record(id, 0);
    record->is_update = true;
    return record;
}

static inline void push(struct setting *setting, struct record *record)
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

static inline void on_written(struct record *record)
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

static inline void push_awaited(struct setting *setting, struct record *record,
                                struct waiter *waiter)
{
    waiter->path = setting->store->path;
    record->on_written = on_written;
    record->waiter = waiter;
    push(setting, record);
}

static inline void on_written_wait(struct record *record)
{
    struct gate *gate = record->waiter;
    record_destroy(record);
    sem_post(&gate->reached);
    sem_wait(&gate->open);
}

static inline void push_gated(struct setting *setting, struct record *record, struct gate *gate)
{
    record->on_written = on_written_wait;
    record->waiter = gate;
    push(setting, record);
}

static inline void wait_at(struct gate *gate)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_US / 1000000;
    assert_int_equal(sem_timedwait(&gate->reached, &until), 0);
}

static inline void open_gate(struct gate *gate)
{
    sem_post(&gate->open);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
