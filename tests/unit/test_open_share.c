// SPDX-License-Identifier: MIT
#include "proxy/open_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PIECE 10

// Gives the bodies pieces in turn until none gets any more; how much all have then.
static int64_t fill(struct open_share *share, int64_t *bodies, size_t count)
{
    int64_t all = 0;
    for (bool has_grown = true; has_grown;) {
        has_grown = false;
        for (size_t i = 0; i < count; i++) {
            if (!open_share_has_room(share, bodies[i], PIECE))
                continue;
            open_share_count(share, PIECE);
            bodies[i] += PIECE;
            all += PIECE;
            has_grown = true;
        }
    }
    return all;
}

static void test_without_a_limit_there_is_always_room(void **state)
{
    (void)state;
    struct open_share share;
    open_share_init(&share);
    open_share_count(&share, (int64_t)1 << 60);
    assert_true(open_share_has_room(&share, (int64_t)1 << 60, PIECE));
}

static void test_one_alone_takes_half(void **state)
{
    (void)state;
    struct open_share share;
    int64_t body = 0;
    open_share_init(&share);
    open_share_set_limit(&share, 1000);
    assert_int_equal(fill(&share, &body, 1), 500);
}

static void test_many_leave_room_for_a_small_one(void **state)
{
    (void)state;
    struct open_share share;
    int64_t bodies[9] = {0};
    open_share_init(&share);
    open_share_set_limit(&share, 1000);
    assert_int_equal(fill(&share, bodies, 9), 900);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(bodies[i], 100);
    assert_true(open_share_has_room(&share, 0, 100));
    assert_false(open_share_has_room(&share, 100, 1));
}

static void test_what_has_ended_makes_room(void **state)
{
    (void)state;
    struct open_share share;
    int64_t bodies[2] = {0};
    open_share_init(&share);
    open_share_set_limit(&share, 900);
    assert_int_equal(fill(&share, bodies, 2), 600);
    open_share_count(&share, -bodies[0]);
    assert_int_equal(fill(&share, &bodies[1], 1), 150);
}

static void test_a_lower_limit_counts_at_once(void **state)
{
    (void)state;
    struct open_share share;
    int64_t body = 0;
    open_share_init(&share);
    open_share_set_limit(&share, 1000);
    fill(&share, &body, 1);
    open_share_set_limit(&share, 100);
    assert_false(open_share_has_room(&share, 0, 1));
    open_share_set_limit(&share, 0);
    open_share_count(&share, -body);
    assert_false(open_share_has_room(&share, 0, 1));
}

static void test_cuts_are_counted_and_said_once(void **state)
{
    (void)state;
    struct open_share share;
    open_share_init(&share);
    assert_true(open_share_note_cut(&share));
    assert_false(open_share_note_cut(&share));
    assert_int_equal(atomic_load(&share.cuts), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_limit_there_is_always_room),
        cmocka_unit_test(test_one_alone_takes_half),
        cmocka_unit_test(test_many_leave_room_for_a_small_one),
        cmocka_unit_test(test_what_has_ended_makes_room),
        cmocka_unit_test(test_a_lower_limit_counts_at_once),
        cmocka_unit_test(test_cuts_are_counted_and_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
