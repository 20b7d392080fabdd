// SPDX-License-Identifier: MIT
// What cannot be made to happen from outside: file systems that are not on this machine.
#include "cli/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_systems_of_other_machines_are_known),
        cmocka_unit_test(test_file_systems_of_this_machine_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
