// SPDX-License-Identifier: MIT
// Flows: what the peer reads, which pieces go to the recording, and when the source has to pause.
#include "proxy/flow.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_US ((int64_t)1000000000)

struct fixture {
    struct flow flow;
    struct chunk *recorded[16]; // what on_sealed got
    size_t count;
};

static void on_sealed(void *ctx, struct chunk *chunk)
{
    struct fixture *fixture = ctx;
    assert_true(chunk->is_sealed);
    assert_true(chunk->length > 0);
    assert_true(fixture->count < sizeof(fixture->recorded) / sizeof(fixture->recorded[0]));
    fixture->recorded[fixture->count++] = chunk_ref(chunk);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    flow_init(&fixture->flow, EPOCH_US, on_sealed, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    flow_fini(&fixture->flow);
    for (size_t i = 0; i < fixture->count; i++)
        chunk_unref(fixture->recorded[i]);
    free(fixture);
    return 0;
}

// `at_us` after the epoch.
static void append_at(struct fixture *fixture, const char *text, int64_t at_us)
{
    flow_append(&fixture->flow, text, strlen(text), 0, EPOCH_US + at_us);
}

// Bytes in which each position can be told from those around it.
static unsigned char byte_at(size_t position)
{
    return (unsigned char)(position * 31 + position / 251);
}

static void append_bytes(struct fixture *fixture, size_t length)
{
    unsigned char *bytes = malloc(length);
    size_t begin = (size_t)fixture->flow.total_bytes;
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(begin + i);
    flow_append(&fixture->flow, bytes, length, 0, EPOCH_US);
    free(bytes);
}

static void assert_read(struct fixture *fixture, size_t size, const char *expected)
{
    char bytes[64];
    assert_true(size <= sizeof(bytes));
    size_t length = flow_read(&fixture->flow, bytes, size);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(bytes, expected, length);
}

static void discard(struct fixture *fixture, size_t length)
{
    char *bytes = malloc(length);
    assert_int_equal(flow_read(&fixture->flow, bytes, length), length);
    free(bytes);
}

static void assert_recorded(const struct fixture *fixture, size_t index, const char *text,
                            int64_t at_us)
{
    assert_true(index < fixture->count);
    const struct chunk *chunk = fixture->recorded[index];
    assert_int_equal(chunk->length, strlen(text));
    assert_memory_equal(chunk->data, text, chunk->length);
    assert_int_equal(chunk->at_us, at_us);
}

// --- reading -----------------------------------------------------------------------------------

static void test_what_arrives_can_be_read_at_once(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "abc", 0);
    assert_read(fixture, 2, "ab");
    append_at(fixture, "de", 1);
    assert_read(fixture, 10, "cde");
    assert_read(fixture, 10, "");
    append_at(fixture, "f", 2);
    assert_read(fixture, 10, "f");
    assert_int_equal(fixture->count, 0);
    flow_end(&fixture->flow);
    assert_recorded(fixture, 0, "abcdef", 0);
}

static void test_reading_goes_on_over_the_ends_of_chunks(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 100000);
    append_at(fixture, "three", 200000);
    assert_read(fixture, 4, "onet");
    assert_read(fixture, 4, "woth");
    append_at(fixture, "four", 300000);
    assert_read(fixture, 20, "reefour");
    flow_end(&fixture->flow);
    assert_read(fixture, 20, "");
    assert_true(flow_is_drained(&fixture->flow));
}

static void test_chunk_sealed_after_it_was_read_is_left_behind(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    assert_read(fixture, 10, "one");
    append_at(fixture, "two", 100000); // seals the first, of which nothing is left
    assert_read(fixture, 10, "two");
}

static void test_reading_goes_on_after_the_flow_ran_dry(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    flow_tick(&fixture->flow, EPOCH_US + FLOW_AGE_US);
    assert_read(fixture, 10, "one");
    append_at(fixture, "two", FLOW_AGE_US + 1);
    assert_read(fixture, 10, "two");
}

static void test_large_body_comes_out_as_it_went_in(void **state)
{
    struct fixture *fixture = *state;
    size_t total = 2 * CHUNK_MAX_BYTES + 12345;
    append_bytes(fixture, 1000);
    append_bytes(fixture, total - 1000);
    flow_end(&fixture->flow);
    unsigned char *bytes = malloc(total);
    size_t length = 0;
    size_t now;
    while ((now = flow_read(&fixture->flow, bytes + length, 7777)) > 0)
        length += now;
    assert_int_equal(length, total);
    for (size_t i = 0; i < total; i++)
        if (bytes[i] != byte_at(i))
            fail_msg("byte %zu differs", i);
    free(bytes);
}

static void test_read_chunk_is_let_go(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 100000);
    assert_read(fixture, 2, "on");
    assert_int_equal(atomic_load(&fixture->recorded[0]->refs), 2);
    assert_read(fixture, 1, "e");
    assert_int_equal(atomic_load(&fixture->recorded[0]->refs), 1);
}

static void test_peer_and_recording_share_the_bytes(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    flow_end(&fixture->flow);
    struct chunk *whole = flow_take_whole(&fixture->flow);
    assert_ptr_equal(whole, fixture->recorded[0]);
    chunk_unref(whole);
}

// --- sealing -----------------------------------------------------------------------------------

static void test_chunk_is_sealed_when_it_is_full(void **state)
{
    struct fixture *fixture = *state;
    append_bytes(fixture, CHUNK_MAX_BYTES - 1);
    assert_int_equal(fixture->count, 0);
    append_bytes(fixture, 1);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(fixture->recorded[0]->length, CHUNK_MAX_BYTES);
    append_bytes(fixture, 3 * CHUNK_MAX_BYTES + 1);
    assert_int_equal(fixture->count, 4);
    flow_end(&fixture->flow);
    assert_int_equal(fixture->count, 5);
    assert_int_equal(fixture->recorded[4]->length, 1);
}

static void test_bytes_after_a_gap_begin_a_chunk(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 100);
    append_at(fixture, "two", 100 + FLOW_GAP_US - 1);
    assert_int_equal(fixture->count, 0);
    append_at(fixture, "three", 100 + 2 * FLOW_GAP_US - 1);
    assert_int_equal(fixture->count, 1);
    assert_recorded(fixture, 0, "onetwo", 100);
    flow_end(&fixture->flow);
    assert_recorded(fixture, 1, "three", 100 + 2 * FLOW_GAP_US - 1);
}

static void test_chunk_is_sealed_when_it_is_old_though_bytes_keep_coming(void **state)
{
    struct fixture *fixture = *state;
    int64_t step_us = FLOW_GAP_US - 1;
    for (int64_t at_us = 0; at_us < FLOW_AGE_US; at_us += step_us)
        append_at(fixture, "x", at_us);
    assert_int_equal(fixture->count, 0);
    append_at(fixture, "y", FLOW_AGE_US);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(fixture->recorded[0]->at_us, 0);
    flow_end(&fixture->flow);
    assert_recorded(fixture, 1, "y", FLOW_AGE_US);
}

static void test_tick_seals_what_is_old_and_says_when_to_come_again(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(flow_tick(&fixture->flow, EPOCH_US), INT64_MAX);
    append_at(fixture, "one", 300);
    int64_t due_us = EPOCH_US + 300 + FLOW_AGE_US;
    assert_int_equal(flow_tick(&fixture->flow, EPOCH_US + 300), due_us);
    assert_int_equal(flow_tick(&fixture->flow, due_us - 1), due_us);
    assert_int_equal(fixture->count, 0);
    assert_int_equal(flow_tick(&fixture->flow, due_us), INT64_MAX);
    assert_recorded(fixture, 0, "one", 300);
    assert_read(fixture, 10, "one");
}

static void test_end_seals_what_is_open(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    flow_end(&fixture->flow);
    assert_int_equal(fixture->count, 1);
    assert_recorded(fixture, 0, "one", 0);
}

static void test_empty_body_makes_no_chunk(void **state)
{
    struct fixture *fixture = *state;
    flow_append(&fixture->flow, "", 0, 0, EPOCH_US);
    flow_end(&fixture->flow);
    assert_int_equal(fixture->count, 0);
    assert_true(flow_is_drained(&fixture->flow));
}

// --- marks -------------------------------------------------------------------------------------

static void test_flow_is_full_from_the_high_mark_on(void **state)
{
    struct fixture *fixture = *state;
    append_bytes(fixture, FLOW_HIGH_BYTES - 1);
    assert_false(flow_is_full(&fixture->flow));
    append_bytes(fixture, 1);
    assert_true(flow_is_full(&fixture->flow));
    discard(fixture, 1);
    assert_false(flow_is_full(&fixture->flow));
}

static void test_flow_has_room_from_the_low_mark_down(void **state)
{
    struct fixture *fixture = *state;
    append_bytes(fixture, FLOW_HIGH_BYTES);
    discard(fixture, FLOW_HIGH_BYTES - FLOW_LOW_BYTES - 1);
    assert_false(flow_has_room(&fixture->flow));
    discard(fixture, 1);
    assert_true(flow_has_room(&fixture->flow));
}

static void test_full_flow_still_takes_everything(void **state)
{
    struct fixture *fixture = *state;
    append_bytes(fixture, FLOW_HIGH_BYTES);
    append_bytes(fixture, FLOW_HIGH_BYTES);
    assert_int_equal(fixture->flow.unread_bytes, 2 * FLOW_HIGH_BYTES);
    assert_int_equal(fixture->flow.total_bytes, 2 * FLOW_HIGH_BYTES);
    discard(fixture, 2 * FLOW_HIGH_BYTES);
}

static void test_flow_is_drained_when_ended_and_read(void **state)
{
    struct fixture *fixture = *state;
    assert_false(flow_is_drained(&fixture->flow));
    append_at(fixture, "one", 0);
    assert_read(fixture, 10, "one");
    assert_false(flow_is_drained(&fixture->flow));
    append_at(fixture, "two", 0);
    flow_end(&fixture->flow);
    assert_false(flow_is_drained(&fixture->flow));
    assert_read(fixture, 10, "two");
    assert_true(flow_is_drained(&fixture->flow));
}

// --- taking it whole ---------------------------------------------------------------------------

static void test_ended_flow_of_one_chunk_is_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 1);
    flow_end(&fixture->flow);
    struct chunk *whole = flow_take_whole(&fixture->flow);
    assert_non_null(whole);
    assert_int_equal(whole->length, 6);
    assert_memory_equal(whole->data, "onetwo", 6);
    assert_true(flow_is_drained(&fixture->flow));
    assert_read(fixture, 10, "");
    assert_null(flow_take_whole(&fixture->flow));
    // The recording has one reference, the caller the other.
    assert_int_equal(atomic_load(&whole->refs), 2);
    chunk_unref(whole);
}

static void test_flow_that_goes_on_is_not_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    assert_null(flow_take_whole(&fixture->flow));
    assert_read(fixture, 10, "one");
}

static void test_flow_of_two_chunks_is_not_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 100000);
    flow_end(&fixture->flow);
    assert_null(flow_take_whole(&fixture->flow));
    assert_read(fixture, 3, "one");
    assert_null(flow_take_whole(&fixture->flow)); // the second chunk is not the whole
    assert_read(fixture, 10, "two");
}

static void test_flow_that_was_read_from_is_not_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    assert_read(fixture, 1, "o");
    flow_end(&fixture->flow);
    assert_null(flow_take_whole(&fixture->flow));
    assert_read(fixture, 10, "ne");
}

static void test_empty_flow_is_not_taken_whole(void **state)
{
    struct fixture *fixture = *state;
    flow_end(&fixture->flow);
    assert_null(flow_take_whole(&fixture->flow));
}

// --- without a reader --------------------------------------------------------------------------

static void test_bytes_for_a_reader_that_left_are_only_recorded(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 100000);
    append_at(fixture, "three", 100001);
    flow_drop_reader(&fixture->flow);
    assert_read(fixture, 10, "");
    append_at(fixture, "four", 100002);
    append_at(fixture, "five", 200000);
    assert_read(fixture, 10, "");
    flow_end(&fixture->flow);
    assert_int_equal(fixture->count, 3);
    assert_recorded(fixture, 0, "one", 0);
    assert_recorded(fixture, 1, "twothreefour", 100000);
    assert_recorded(fixture, 2, "five", 200000);
    assert_int_equal(fixture->flow.total_bytes, 19);
    for (size_t i = 0; i < fixture->count; i++)
        assert_int_equal(atomic_load(&fixture->recorded[i]->refs), 1);
}

static void test_flow_without_reader_is_never_full_and_soon_drained(void **state)
{
    struct fixture *fixture = *state;
    append_bytes(fixture, FLOW_HIGH_BYTES);
    flow_drop_reader(&fixture->flow);
    assert_false(flow_is_full(&fixture->flow));
    append_bytes(fixture, 2 * FLOW_HIGH_BYTES);
    assert_false(flow_is_full(&fixture->flow));
    assert_true(flow_has_room(&fixture->flow));
    flow_end(&fixture->flow);
    assert_true(flow_is_drained(&fixture->flow));
    assert_null(flow_take_whole(&fixture->flow));
}

static void test_flow_given_up_in_the_middle_frees_what_it_holds(void **state)
{
    struct fixture *fixture = *state;
    append_at(fixture, "one", 0);
    append_at(fixture, "two", 100000);
    assert_read(fixture, 1, "o");
    flow_fini(&fixture->flow);
    assert_int_equal(fixture->count, 1);
    assert_int_equal(atomic_load(&fixture->recorded[0]->refs), 1);
}

static void test_what_is_only_looked_at_stays(void **state)
{
    struct fixture *fixture = *state;
    const void *data = NULL;
    append_at(fixture, "abc", 0);
    append_at(fixture, "de", 100000);
    assert_read(fixture, 1, "a");
    assert_int_equal(flow_peek(&fixture->flow, 0, &data), 2);
    assert_memory_equal(data, "bc", 2);
    assert_int_equal(flow_peek(&fixture->flow, 3, &data), 1);
    assert_memory_equal(data, "e", 1);
    assert_int_equal(flow_peek(&fixture->flow, 4, &data), 0);
    assert_read(fixture, 10, "bcde");
}

static void test_held_flow_is_full_only_above_what_it_holds(void **state)
{
    struct fixture *fixture = *state;
    fixture->flow.hold_bytes = 2 * FLOW_HIGH_BYTES;
    append_bytes(fixture, FLOW_HIGH_BYTES);
    assert_false(flow_is_full(&fixture->flow));
    append_bytes(fixture, FLOW_HIGH_BYTES);
    assert_true(flow_is_full(&fixture->flow));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_arrives_can_be_read_at_once),
        TEST(test_reading_goes_on_over_the_ends_of_chunks),
        TEST(test_chunk_sealed_after_it_was_read_is_left_behind),
        TEST(test_reading_goes_on_after_the_flow_ran_dry),
        TEST(test_large_body_comes_out_as_it_went_in),
        TEST(test_read_chunk_is_let_go),
        TEST(test_peer_and_recording_share_the_bytes),
        TEST(test_chunk_is_sealed_when_it_is_full),
        TEST(test_bytes_after_a_gap_begin_a_chunk),
        TEST(test_chunk_is_sealed_when_it_is_old_though_bytes_keep_coming),
        TEST(test_tick_seals_what_is_old_and_says_when_to_come_again),
        TEST(test_end_seals_what_is_open),
        TEST(test_empty_body_makes_no_chunk),
        TEST(test_flow_is_full_from_the_high_mark_on),
        TEST(test_flow_has_room_from_the_low_mark_down),
        TEST(test_full_flow_still_takes_everything),
        TEST(test_flow_is_drained_when_ended_and_read),
        TEST(test_ended_flow_of_one_chunk_is_taken_whole),
        TEST(test_flow_that_goes_on_is_not_taken_whole),
        TEST(test_flow_of_two_chunks_is_not_taken_whole),
        TEST(test_flow_that_was_read_from_is_not_taken_whole),
        TEST(test_empty_flow_is_not_taken_whole),
        TEST(test_bytes_for_a_reader_that_left_are_only_recorded),
        TEST(test_flow_without_reader_is_never_full_and_soon_drained),
        TEST(test_what_is_only_looked_at_stays),
        TEST(test_held_flow_is_full_only_above_what_it_holds),
        TEST(test_flow_given_up_in_the_middle_frees_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
