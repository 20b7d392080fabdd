// SPDX-License-Identifier: MIT
// Each session's hits and misses are its own.
#include "proxy/playback_tally.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_tally(struct playback_tallies *tallies, int64_t session_id, int64_t hits,
                         int64_t misses)
{
    struct playback_tally tally = playback_tallies_get(tallies, session_id);
    assert_int_equal(tally.hits, hits);
    assert_int_equal(tally.misses, misses);
}

static void test_sessions_are_counted_apart(void **state)
{
    (void)state;
    struct playback_tallies tallies;
    playback_tallies_init(&tallies);
    for (int64_t id = 1; id <= 3; id++)
        playback_tallies_open(&tallies, id);
    for (int64_t id = 1; id <= 3; id++)
        for (int64_t i = 0; i < id; i++) {
            playback_tallies_add(&tallies, id, true);
            playback_tallies_add(&tallies, 4 - id, false);
        }
    for (int64_t id = 1; id <= 3; id++)
        assert_tally(&tallies, id, id, 4 - id);
    playback_tallies_fini(&tallies);
}

static void test_a_closed_session_has_nothing_and_the_others_keep_theirs(void **state)
{
    (void)state;
    struct playback_tallies tallies;
    playback_tallies_init(&tallies);
    playback_tallies_open(&tallies, 1);
    playback_tallies_open(&tallies, 2);
    playback_tallies_add(&tallies, 1, true);
    playback_tallies_add(&tallies, 2, false);
    playback_tallies_close(&tallies, 1);
    playback_tallies_close(&tallies, 7);
    playback_tallies_add(&tallies, 1, true);
    assert_tally(&tallies, 1, 0, 0);
    assert_tally(&tallies, 2, 0, 1);
    playback_tallies_fini(&tallies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_are_counted_apart),
        cmocka_unit_test(test_a_closed_session_has_nothing_and_the_others_keep_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
