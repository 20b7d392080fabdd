// SPDX-License-Identifier: MIT
// What cannot be made to happen from outside: file systems and
// managers that are not on this machine.
#include "cli/daemon_unit.h"
#include "cli/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_file_systems_of_other_machines_are_known(void **state)
{
    (void)state;
    assert_true(doctor_is_network_file_system(0x6969));              // NFS
    assert_true(doctor_is_network_file_system(0xff534d42));          // CIFS
    assert_true(doctor_is_network_file_system((int32_t)0xfe534d42)); // SMB 2, where long is short
}

static void test_file_systems_of_this_machine_are_left_alone(void **state)
{
    (void)state;
    assert_false(doctor_is_network_file_system(0xef53));     // ext4
    assert_false(doctor_is_network_file_system(0x58465342)); // XFS
    assert_false(doctor_is_network_file_system(0x9123683e)); // Btrfs
    assert_false(doctor_is_network_file_system(0x01021994)); // tmpfs
}

static void assert_unit(const char *cgroup, const char *name, bool is_user)
{
    struct daemon_unit unit;
    assert_true(daemon_unit_read(cgroup, &unit));
    assert_string_equal(unit.name, name);
    assert_int_equal(unit.is_user, is_user);
}

static void test_units_are_known_by_their_group(void **state)
{
    (void)state;
    assert_unit("0::/system.slice/hark.service\n", "hark.service", false);
    assert_unit("0::/system.slice/system-hark.slice/hark@a.service\n", "hark@a.service", false);
    assert_unit("0::/user.slice/user-1000.slice/user@1000.service/app.slice/hark.service\n",
                "hark.service", true);
    assert_unit("12:pids:/x\n1:name=systemd:/system.slice/hark.service\n0::/\n", "hark.service",
                false);
}

static void test_what_is_no_unit(void **state)
{
    (void)state;
    static const char *const groups[] = {
        "",
        "0::/\n",
        "0::/user.slice/user-0.slice/session-3.scope\n",
        "0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte.scope\n",
        "12:pids:/system.slice/hark.service\n",
        "0::relative.service\n",
        "0::/.service\n"};
    struct daemon_unit unit;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        assert_false(daemon_unit_read(groups[i], &unit));
}

static void assert_quoted(const char *word, const char *expected)
{
    char *quoted = doctor_quote(word);
    assert_string_equal(quoted, expected);
    free(quoted);
}

static void test_words_for_a_shell_are_quoted_where_they_must_be(void **state)
{
    (void)state;
    assert_quoted("/var/lib/hark-1_2.db", "/var/lib/hark-1_2.db");
    assert_quoted("", "''");
    assert_quoted("my dir", "'my dir'");
    assert_quoted("$(rm) `x` \\", "'$(rm) `x` \\'");
    assert_quoted("it's", "'it'\\''s'");
    assert_quoted("~/x", "'~/x'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_systems_of_other_machines_are_known),
        cmocka_unit_test(test_file_systems_of_this_machine_are_left_alone),
        cmocka_unit_test(test_units_are_known_by_their_group),
        cmocka_unit_test(test_what_is_no_unit),
        cmocka_unit_test(test_words_for_a_shell_are_quoted_where_they_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
