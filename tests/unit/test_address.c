// SPDX-License-Identifier: MIT
// Which addresses are loopback, and which range has which address.

#include "hark/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct address parsed(const char *text)
{
    struct address address;
    if (address_parse(text, &address) != 0)
        fail_msg("%s", text);
    return address;
}

static bool is_loopback(const char *text)
{
    struct address address = parsed(text);
    return address_is_loopback(&address);
}

static bool is_in(const char *range, const char *text)
{
    struct address address = parsed(text);
    struct cidr cidr;
    if (cidr_parse(range, &cidr) != 0)
        fail_msg("%s", range);
    return cidr_has(&cidr, &address);
}

static void test_loopback_is_127_and_1_and_the_mapped_form(void **state)
{
    (void)state;
    assert_true(is_loopback("127.0.0.1:0"));
    assert_true(is_loopback("127.9.9.9:65535"));
    assert_true(is_loopback("[::1]:80"));
    assert_true(is_loopback("[::ffff:127.0.0.1]:80"));
    assert_false(is_loopback("0.0.0.0:80"));
    assert_false(is_loopback("[::]:80"));
    assert_false(is_loopback("192.168.1.1:80"));
    assert_false(is_loopback("[2001:db8::7f00:1]:80"));
}

static void test_range_has_the_addresses_with_its_prefix(void **state)
{
    (void)state;
    assert_true(is_in("10.0.0.0/8", "10.255.0.1:1"));
    assert_false(is_in("10.0.0.0/8", "11.0.0.1:1"));
    assert_true(is_in("192.168.1.128/25", "192.168.1.200:1"));
    assert_false(is_in("192.168.1.128/25", "192.168.1.127:1"));
    assert_true(is_in("192.168.1.7", "192.168.1.7:1"));
    assert_false(is_in("192.168.1.7", "192.168.1.6:1"));
    assert_true(is_in("0.0.0.0/0", "8.8.8.8:1"));
    assert_false(is_in("0.0.0.0/0", "[2001:db8::1]:1"));
    assert_true(is_in("fd00::/8", "[fdab::1]:1"));
    assert_false(is_in("fd00::/8", "[fe00::1]:1"));
    assert_true(is_in("::/0", "[2001:db8::1]:1"));
}

static void test_ipv4_client_on_an_ipv6_socket_is_in_its_ipv4_range(void **state)
{
    (void)state;
    assert_true(is_in("10.0.0.0/8", "[::ffff:10.1.2.3]:1"));
    assert_false(is_in("10.0.0.0/8", "[::ffff:11.1.2.3]:1"));
}

static void test_range_of_ipv6_has_no_ipv4_in_it(void **state)
{
    (void)state;
    assert_false(is_in("::/0", "192.0.2.2:1"));
    assert_false(is_in("::/0", "[::ffff:192.0.2.2]:1"));
    assert_false(is_in("::/80", "192.0.2.2:1"));
    assert_true(is_in("::ffff:0:0/96", "192.0.2.2:1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loopback_is_127_and_1_and_the_mapped_form),
        cmocka_unit_test(test_range_has_the_addresses_with_its_prefix),
        cmocka_unit_test(test_ipv4_client_on_an_ipv6_socket_is_in_its_ipv4_range),
        cmocka_unit_test(test_range_of_ipv6_has_no_ipv4_in_it),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
