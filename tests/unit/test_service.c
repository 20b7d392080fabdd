// SPDX-License-Identifier: MIT
// What a service manager passes in and is told. Each test with sockets runs in a child, whose
// descriptors from 3 on are the test's alone.
#include "cli/activation.h"
#include "cli/notify.h"
#include "hark/address.h"
#include "hark/mem.h"

// cmocka wants these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// --- activation --------------------------------------------------------------------------------

struct passed {
    const char *addresses[3]; // NULL ends them; "unix" and "silent" are no TCP listeners
    const char *names;        // LISTEN_FDNAMES; NULL: not set
    const char *allow;
    const char *failure; // what activation_take() says; NULL: it succeeds
    size_t proxy_count;
    int ui;
    bool is_for_another_process;
};

static int open_socket(const char *text)
{
    struct address address;
    if (strcmp(text, "unix") == 0)
        return socket(AF_UNIX, SOCK_STREAM, 0);
    if (strcmp(text, "silent") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (address_parse(text, &address) != 0)
        return -1;
    int fd = socket(address.storage.ss_family, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address.storage, address.length) != 0 || listen(fd, 1) != 0)
        return -1;
    return fd;
}

static void set_environment(const struct passed *passed, int count)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", count);
    setenv("LISTEN_FDS", number, 1);
    snprintf(number, sizeof(number), "%d", getpid() + (passed->is_for_another_process ? 1 : 0));
    setenv("LISTEN_PID", number, 1);
    if (passed->names != NULL)
        setenv("LISTEN_FDNAMES", passed->names, 1);
}

static struct config *load_config(const char *allow)
{
    char set[64];
    snprintf(set, sizeof(set), "allow=%s", allow == NULL ? "" : allow);
    const char *const sets[] = {set};
    struct err err = {0};
    const struct config_sources sources = {.file = "/dev/null", .sets = sets, .set_count = 1};
    return config_load(&sources, &err);
}

// In the child: 0 if all is as the test says.
static int take_passed(const struct passed *passed)
{
    int count = 0;
    closefrom(3);
    for (; passed->addresses[count] != NULL; count++)
        if (open_socket(passed->addresses[count]) != 3 + count)
            return 10;
    set_environment(passed, count);
    struct activation activation;
    struct err err = {0};
    struct config *config = load_config(passed->allow);
    int result = activation_take(&activation, config, &err);
    config_release(config);
    if (passed->failure != NULL)
        return result == -1 && strstr(err.text, passed->failure) != NULL ? 0 : 11;
    if (result != 0 || activation.proxy_count != passed->proxy_count || activation.ui != passed->ui)
        return 12;
    bool must_be_ready = passed->proxy_count > 0;
    return must_be_ready && fcntl(activation.proxies[0], F_GETFD) != FD_CLOEXEC ? 13 : 0;
}

static void assert_takes(const struct passed *passed)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(take_passed(passed));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_sockets_are_told_apart_by_name(void **state)
{
    (void)state;
    assert_takes(&(struct passed){
        .addresses = {"127.0.0.1:0", "[::1]:0"}, .names = "ui:proxy", .proxy_count = 1, .ui = 3});
    assert_takes(&(struct passed){
        .addresses = {"127.0.0.1:0", "127.0.0.1:0"}, .names = "proxy:proxy", .proxy_count = 2});
}

static void test_sockets_without_names_are_the_proxys(void **state)
{
    (void)state;
    assert_takes(&(struct passed){.addresses = {"127.0.0.1:0", "127.0.0.1:0"}, .proxy_count = 2});
}

static void test_sockets_for_another_process_are_left_alone(void **state)
{
    (void)state;
    assert_takes(&(struct passed){.addresses = {"127.0.0.1:0"}, .is_for_another_process = true});
}

static void test_unknown_name_is_refused(void **state)
{
    (void)state;
    assert_takes(
        &(struct passed){.addresses = {"127.0.0.1:0"},
                         .names = "web",
                         .failure = "socket activation: descriptor 3 (web): hark knows the names"});
    assert_takes(&(struct passed){.addresses = {"127.0.0.1:0", "127.0.0.1:0"},
                                  .names = "ui:ui",
                                  .failure = "descriptor 4 (ui): there is another one"});
}

static void test_what_does_not_listen_is_refused(void **state)
{
    (void)state;
    assert_takes(&(struct passed){.addresses = {"unix"}, .failure = "no listening TCP socket"});
    assert_takes(&(struct passed){.addresses = {"silent"}, .failure = "no listening TCP socket"});
}

static void test_other_machines_need_allow(void **state)
{
    (void)state;
    assert_takes(
        &(struct passed){.addresses = {"0.0.0.0:0"}, .failure = "other machines can reach"});
    assert_takes(&(struct passed){
        .addresses = {"0.0.0.0:0"}, .names = "ui", .failure = "other machines can reach"});
    assert_takes(
        &(struct passed){.addresses = {"0.0.0.0:0"}, .allow = "10.0.0.0/8", .proxy_count = 1});
}

// --- notify ------------------------------------------------------------------------------------

// A manager's socket; its name without the @ of the abstract namespace.
static int listen_as_manager(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path + 1, name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    return fd;
}

static void test_manager_is_told_and_says_how_often(void **state)
{
    (void)state;
    char name[64];
    char number[16];
    snprintf(name, sizeof(name), "@hark-test-%d", getpid());
    snprintf(number, sizeof(number), "%d", getpid());
    int manager = listen_as_manager(name + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", number, 1);

    struct notify notify;
    notify_open(&notify);
    assert_int_equal(notify.watchdog_us, 3000000);
    notify_send(&notify, "READY=1\nSTATUS=%s\n", "well");
    char got[64] = "";
    assert_true(recv(manager, got, sizeof(got) - 1, 0) > 0);
    assert_string_equal(got, "READY=1\nSTATUS=well\n");
    close(manager);
    notify_send(&notify, "WATCHDOG=1"); // nobody is there: no harm
    notify_close(&notify);
}

static void test_watchdog_of_another_process_does_not_count(void **state)
{
    (void)state;
    int manager = listen_as_manager("hark-test-other");
    setenv("NOTIFY_SOCKET", "@hark-test-other", 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct notify notify;
    notify_open(&notify);
    assert_int_equal(notify.watchdog_us, 0);
    assert_true(notify.fd >= 0);
    notify_close(&notify);
    close(manager);
}

static void test_nothing_is_sent_without_a_manager(void **state)
{
    (void)state;
    const char *const names[] = {"", "relative", "/nonexistent/notify", "@hark-test-nobody"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct notify notify;
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open(&notify);
        assert_int_equal(notify.fd, -1);
        notify_send(&notify, "READY=1");
        notify_close(&notify);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sockets_are_told_apart_by_name),
        cmocka_unit_test(test_sockets_without_names_are_the_proxys),
        cmocka_unit_test(test_sockets_for_another_process_are_left_alone),
        cmocka_unit_test(test_unknown_name_is_refused),
        cmocka_unit_test(test_what_does_not_listen_is_refused),
        cmocka_unit_test(test_other_machines_need_allow),
        cmocka_unit_test(test_manager_is_told_and_says_how_often),
        cmocka_unit_test(test_watchdog_of_another_process_does_not_count),
        cmocka_unit_test(test_nothing_is_sent_without_a_manager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
