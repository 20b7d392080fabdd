// SPDX-License-Identifier: MIT
// Taking out of the recording what turned out not to be wanted.
#include "proxy/withdrawals.h"
#include "store_fixture.h"

#define SLICES_MAX 1000

static void put_pending(struct fixture *fixture, int64_t id, int segments)
{
    static char data[65536];
    struct exchange_row *row = fixture_row(id);
    row->state = ROW_STATE_PENDING;
    fixture_put(fixture, row);
    row_destroy(row);
    for (int i = 0; i < segments; i++)
        fixture_put_body(fixture, id, BODY_RESPONSE, i, data, sizeof(data));
}

static int work(struct fixture *fixture, struct withdrawals *withdrawals)
{
    int slices = 0;
    while (withdrawals_is_due(withdrawals) && slices < SLICES_MAX) {
        withdrawals_step(withdrawals, fixture->writer, fixture->log);
        slices++;
    }
    return slices;
}

static void test_takes_out_these_alone_with_all_that_is_theirs(void **state)
{
    struct fixture *fixture = *state;
    struct withdrawals withdrawals = {0};
    for (int64_t id = 1; id <= 5; id++)
        put_pending(fixture, id, 3);
    withdrawals_add(&withdrawals, 2);
    withdrawals_add(&withdrawals, 4);
    withdrawals_add(&withdrawals, 99); // was never written
    assert_true(work(fixture, &withdrawals) < SLICES_MAX);
    assert_false(withdrawals_is_due(&withdrawals));
    assert_answer(fixture->path, "SELECT group_concat(id, ' ') FROM exchange", "1 3 5");
    assert_answer(fixture->path, "SELECT count(*) FROM body", "9");
    assert_answer(fixture->path, "SELECT DISTINCT state FROM exchange", "pending");
    withdrawals_fini(&withdrawals);
}

static void test_a_large_one_takes_several_slices(void **state)
{
    struct fixture *fixture = *state;
    struct withdrawals withdrawals = {0};
    put_pending(fixture, 1, 300);
    withdrawals_add(&withdrawals, 1);
    assert_true(withdrawals_step(&withdrawals, fixture->writer, fixture->log));
    assert_true(withdrawals_is_due(&withdrawals));
    assert_answer(fixture->path, "SELECT body_truncated FROM exchange", "1");
    assert_true(work(fixture, &withdrawals) < SLICES_MAX);
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "0");
    assert_answer(fixture->path, "SELECT count(*) FROM body", "0");
    withdrawals_fini(&withdrawals);
}

static void test_waits_while_another_program_holds_the_file(void **state)
{
    struct fixture *fixture = *state;
    struct withdrawals withdrawals = {0};
    put_pending(fixture, 1, 1);
    withdrawals_add(&withdrawals, 1);
    sqlite3 *other = fixture_connect(fixture->path);
    fixture_exec(other, "BEGIN IMMEDIATE");
    assert_false(withdrawals_step(&withdrawals, fixture->writer, fixture->log));
    assert_false(withdrawals_is_due(&withdrawals));
    fixture_exec(other, "ROLLBACK");
    sqlite3_close(other);
    assert_true(withdrawals_step(&withdrawals, fixture->writer, fixture->log));
    assert_answer(fixture->path, "SELECT count(*) FROM exchange", "0");
    withdrawals_fini(&withdrawals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_takes_out_these_alone_with_all_that_is_theirs,
                                        fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_one_takes_several_slices, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_waits_while_another_program_holds_the_file,
                                        fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
