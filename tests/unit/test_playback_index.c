// SPDX-License-Identifier: MIT
// The index of playback: order, the last one repeating, moving from one key to another.
#include "proxy/playback_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = playback_index_create();
    return 0;
}

static int tear_down(void **state)
{
    playback_index_destroy(*state);
    return 0;
}

static void test_ids_come_in_their_order_and_the_last_repeats(void **state)
{
    struct playback_index *index = *state;
    playback_index_add(index, 7, 1, 0);
    playback_index_add(index, 8, 2, 0);
    playback_index_add(index, 7, 3, 0);
    assert_int_equal(playback_index_take(index, 7), 1);
    assert_int_equal(playback_index_take(index, 8), 2);
    assert_int_equal(playback_index_take(index, 7), 3);
    assert_int_equal(playback_index_take(index, 7), 3);
    assert_int_equal(playback_index_take(index, 8), 2);
    playback_index_add(index, 7, 9, 0);
    assert_int_equal(playback_index_take(index, 7), 3);
    assert_int_equal(playback_index_take(index, 7), 9);
}

static void test_unknown_key_has_nothing(void **state)
{
    struct playback_index *index = *state;
    assert_int_equal(playback_index_take(index, 1), 0);
    assert_false(playback_index_has(index, 1));
    assert_int_equal(playback_index_count(index), 0);
}

static void test_key_of_zero_is_a_key(void **state)
{
    struct playback_index *index = *state;
    assert_false(playback_index_has(index, 0));
    playback_index_add(index, 0, 5, 0);
    assert_int_equal(playback_index_take(index, 0), 5);
}

static void test_popped_ids_leave_their_key_known(void **state)
{
    struct playback_index *index = *state;
    uint32_t place = 0;
    playback_index_add(index, 1, 10, 77);
    playback_index_add(index, 1, 11, 78);
    assert_true(playback_index_is_waiting(index, 1));
    assert_int_equal(playback_index_pop(index, 1, &place), 10);
    assert_int_equal(place, 77);
    assert_int_equal(playback_index_pop(index, 1, &place), 11);
    assert_int_equal(playback_index_pop(index, 1, &place), 0);
    assert_false(playback_index_is_waiting(index, 1));
    assert_true(playback_index_has(index, 1));
    playback_index_add(index, 1, 12, 79);
    assert_int_equal(playback_index_take(index, 1), 12);
}

static void test_many_keys_are_all_found(void **state)
{
    struct playback_index *index = *state;
    for (uint64_t i = 0; i < 100000; i++)
        playback_index_add(index, i * UINT64_C(0x9e3779b97f4a7c15), (int64_t)i + 1, (uint32_t)i);
    for (uint64_t i = 0; i < 100000; i++)
        assert_int_equal(playback_index_take(index, i * UINT64_C(0x9e3779b97f4a7c15)), i + 1);
}

static void test_near_gives_the_newest_of_a_place(void **state)
{
    struct playback_index *index = *state;
    int64_t ids[2];
    for (int64_t id = 1; id <= 4; id++)
        playback_index_add(index, (uint64_t)id, id, id == 4 ? 6 : 5);
    assert_int_equal(playback_index_near(index, 5, ids, 2), 2);
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[1], 2);
    assert_int_equal(playback_index_near(index, 9, ids, 2), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids_come_in_their_order_and_the_last_repeats),
        TEST(test_unknown_key_has_nothing),
        TEST(test_key_of_zero_is_a_key),
        TEST(test_popped_ids_leave_their_key_known),
        TEST(test_many_keys_are_all_found),
        TEST(test_near_gives_the_newest_of_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
