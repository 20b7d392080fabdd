// SPDX-License-Identifier: MIT
// Who is let in: the Host field, the token and its file, the socket file.
#include "control/endpoint.h"
#include "control/host_check.h"
#include "control/metrics.h"
#include "control/peer.h"
#include "control/token.h"
#include "hark/address.h"
#include "hark/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static int set_up(void **state)
{
    struct folder *folder = mem_calloc(1, sizeof *folder);
    strcpy(folder->path, "/tmp/hark-control-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    *state = folder;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *folder = *state;
    char *command = mem_printf("rm -r '%s'", folder->path);
    assert_int_equal(system(command), 0);
    free(command);
    free(folder);
    return 0;
}

static char *path_in(const struct folder *folder, const char *name)
{
    return mem_printf("%s/%s", folder->path, name);
}

static mode_t mode_of(const char *path)
{
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode & 07777;
}

// --- the Host field ----------------------------------------------------------------------------

static void test_host_is_loopback_or_the_page_with_its_port(void **state)
{
    (void)state;
    static const char *const ours[] = {"127.0.0.1:4276", "localhost:4276", "LocalHost:4276",
                                       "[::1]:4276"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!host_is_ours(ours[i], "127.0.0.1:4276"))
            fail_msg("refused: %s", ours[i]);
    assert_true(host_is_ours("10.1.2.3:4276", "10.1.2.3:4276"));
}

static void test_other_hosts_and_ports_are_refused(void **state)
{
    (void)state;
    static const char *const others[] = {NULL,
                                         "",
                                         ":4276",
                                         "127.0.0.1",
                                         "localhost",
                                         "127.0.0.1:4275",
                                         "evil.example:4276",
                                         "127.0.0.1.evil.example:4276",
                                         "localhost.:4276",
                                         "10.1.2.3:4276",
                                         "127.0.0.1:4276:4276",
                                         "user@127.0.0.1:4276",
                                         "127.0.0.1:04276"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (host_is_ours(others[i], "127.0.0.1:4276"))
            fail_msg("let in: %s", others[i] ? others[i] : "(none)");
}

static void test_a_page_on_all_addresses_is_asked_by_any_address_but_no_name(void **state)
{
    (void)state;
    assert_true(host_is_ours("10.1.2.3:4276", "0.0.0.0:4276"));
    assert_true(host_is_ours("[fd00::1]:4276", "[::]:4276"));
    assert_false(host_is_ours("evil.example:4276", "0.0.0.0:4276"));
}

// --- the token ---------------------------------------------------------------------------------

static void test_the_token_is_made_private_and_kept(void **state)
{
    struct folder *folder = *state;
    struct token first, second;
    struct err err = {0};
    assert_int_equal(token_load(folder->path, &first, &err), 0);
    assert_int_equal(token_load(folder->path, &second, &err), 0);
    assert_string_equal(first.text, second.text);
    assert_int_equal(strlen(first.text), TOKEN_LENGTH);
    char *path = path_in(folder, "token");
    assert_int_equal(mode_of(path), 0600);
    free(path);
}

static void test_a_token_that_others_could_read_is_replaced(void **state)
{
    struct folder *folder = *state;
    struct token first, second;
    struct err err = {0};
    char *path = path_in(folder, "token");
    assert_int_equal(token_load(folder->path, &first, &err), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(token_load(folder->path, &second, &err), 0);
    assert_string_not_equal(first.text, second.text);
    assert_int_equal(mode_of(path), 0600);
    free(path);
}

static void test_a_file_without_a_token_is_replaced(void **state)
{
    struct folder *folder = *state;
    char *path = path_in(folder, "token");
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "short\n", 6), 6);
    close(fd);
    struct token token;
    struct err err = {0};
    assert_int_equal(token_load(folder->path, &token, &err), 0);
    assert_int_equal(strlen(token.text), TOKEN_LENGTH);
    free(path);
}

static void test_only_the_whole_token_is_granted(void **state)
{
    (void)state;
    struct token token = {0};
    memset(token.text, 'a', TOKEN_LENGTH);
    char field[TOKEN_LENGTH + 16];
    snprintf(field, sizeof field, "Bearer %s", token.text);
    assert_true(token_is_granted(&token, field));
    memcpy(field, "bearer", 6);
    assert_true(token_is_granted(&token, field));

    field[strlen(field) - 1] = 'b';
    assert_false(token_is_granted(&token, field));
    field[strlen(field) - 1] = '\0';
    assert_false(token_is_granted(&token, field));
    snprintf(field, sizeof field, "Bearer %sa", token.text);
    assert_false(token_is_granted(&token, field));
    snprintf(field, sizeof field, "Basic %s", token.text);
    assert_false(token_is_granted(&token, field));
    assert_false(token_is_granted(&token, "Bearer "));
    assert_false(token_is_granted(&token, NULL));
}

static void test_the_token_for_the_page_is_another_one_for_each_peer(void **state)
{
    (void)state;
    struct token token = {0};
    memset(token.text, 'a', TOKEN_LENGTH);
    const struct token mine = token_for_page(&token, "user 1000");
    const struct token theirs = token_for_page(&token, "user 1001");
    char cookie[TOKEN_LENGTH + 32];
    snprintf(cookie, sizeof cookie, "a=b; " TOKEN_COOKIE "=%s", mine.text);
    assert_int_equal(strlen(mine.text), TOKEN_LENGTH);
    assert_true(token_is_in_cookie(&mine, cookie));
    assert_false(token_is_in_cookie(&theirs, cookie));
    assert_false(token_is_in_cookie(&token, cookie));
}

// --- the peer ----------------------------------------------------------------------------------

// A connection over loopback: `ends` gets both.
static void connect_pair(const char *address_text, int ends[2])
{
    struct address address;
    assert_int_equal(address_parse(address_text, &address), 0);
    struct sockaddr *place = (struct sockaddr *)&address.storage;
    int listener = socket(address.storage.ss_family, SOCK_STREAM, 0);
    ends[1] = socket(address.storage.ss_family, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, place, address.length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, place, &address.length), 0);
    assert_int_equal(connect(ends[1], place, address.length), 0);
    ends[0] = accept(listener, NULL, NULL);
    assert_true(ends[0] >= 0);
    close(listener);
}

static void test_a_peer_on_this_machine_is_its_user(void **state)
{
    (void)state;
    char expected[PEER_NAME_BYTES], name[PEER_NAME_BYTES];
    int ends[2];
    snprintf(expected, sizeof expected, "user %u", geteuid());
    connect_pair("127.0.0.1:0", ends);
    peer_name(ends[0], name);
    assert_string_equal(name, expected);
    close(ends[1]);
    peer_name(ends[0], name);
    assert_string_equal(name, "");
    close(ends[0]);
}

// --- the socket file ---------------------------------------------------------------------------

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    close(fd);
    return rc;
}

static void test_the_socket_is_private_and_goes_away(void **state)
{
    struct folder *folder = *state;
    struct endpoint_socket made;
    struct err err = {0};
    char *path = path_in(folder, "control.sock");
    mode_t old = umask(0);
    assert_int_equal(endpoint_listen_socket(folder->path, &made, &err), 0);
    umask(old);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(connect_to(path), 0);
    endpoint_socket_fini(&made);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

struct starter {
    pthread_barrier_t *together;
    const char *folder;
    struct endpoint_socket made;
    bool is_listening;
};

static void *start_together(void *arg)
{
    struct starter *starter = arg;
    struct err ignored = {0};
    pthread_barrier_wait(starter->together);
    starter->is_listening = endpoint_listen_socket(starter->folder, &starter->made, &ignored) == 0;
    return NULL;
}

// One that has bound its socket and does not listen yet is not a dead one.
static void test_of_many_that_begin_at_once_one_listens(void **state)
{
    enum {
        ROUNDS = 300,
        STARTERS = 4
    };
    struct folder *folder = *state;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_t together;
        pthread_t threads[STARTERS];
        struct starter starters[STARTERS];
        int listening = 0;
        pthread_barrier_init(&together, NULL, STARTERS);
        for (int i = 0; i < STARTERS; i++) {
            starters[i] = (struct starter){.together = &together, .folder = folder->path};
            pthread_create(&threads[i], NULL, start_together, &starters[i]);
        }
        for (int i = 0; i < STARTERS; i++) {
            pthread_join(threads[i], NULL);
            listening += starters[i].is_listening;
        }
        assert_int_equal(listening, 1);
        for (int i = 0; i < STARTERS; i++)
            endpoint_socket_fini(&starters[i].made);
        pthread_barrier_destroy(&together);
    }
}

static void test_a_socket_that_answers_is_not_replaced(void **state)
{
    struct folder *folder = *state;
    struct endpoint_socket first, second;
    struct err err = {0};
    char *path = path_in(folder, "control.sock");
    assert_int_equal(endpoint_listen_socket(folder->path, &first, &err), 0);
    assert_int_equal(endpoint_listen_socket(folder->path, &second, &err), -1);
    assert_non_null(strstr(err.text, "another hark serves from"));
    endpoint_socket_fini(&second);
    assert_int_equal(connect_to(path), 0);
    endpoint_socket_fini(&first);
    free(path);
}

static void test_a_stale_socket_is_replaced(void **state)
{
    struct folder *folder = *state;
    struct endpoint_socket dead, made;
    struct err err = {0};
    char *path = path_in(folder, "control.sock");
    assert_int_equal(endpoint_listen_socket(folder->path, &dead, &err), 0);
    close(dead.fd);
    close(dead.folder_fd);
    assert_int_equal(endpoint_listen_socket(folder->path, &made, &err), 0);
    assert_int_equal(connect_to(path), 0);
    endpoint_socket_fini(&made);
    free(path);
}

static void test_the_folder_may_have_a_long_path(void **state)
{
    struct folder *folder = *state;
    char *deep = mem_printf("%s/%0120d", folder->path, 0);
    assert_int_equal(mkdir(deep, 0700), 0);
    struct endpoint_socket made;
    struct err err = {0};
    assert_int_equal(endpoint_listen_socket(deep, &made, &err), 0);
    endpoint_socket_fini(&made);
    free(deep);
}

static void test_metrics_have_a_type_for_every_value(void **state)
{
    (void)state;
    struct server_status status = {
        .started_us = 1500000, .exchanges_total = 7, .is_recording = true};
    struct buffer text = {0};
    struct server_counts counts = {.commits = {1, 0, 2}, .commit_us = 1500};
    counts.ended[ROW_KIND_HTTP][4] = 3;
    metrics_write(&status, &counts, &text);
    assert_non_null(strstr(text.data, "{kind=\"http\",status=\"4xx\"} 3\n"));
    assert_non_null(strstr(text.data, "hark_recorder_commit_seconds_bucket{le=\"0.0025\"} 3\n"));
    assert_non_null(strstr(text.data, "hark_recorder_commit_seconds_sum 0.001500\n"));
    assert_non_null(
        strstr(text.data, "\n# TYPE hark_exchanges_total counter\nhark_exchanges_total 7\n"));
    assert_non_null(strstr(text.data, "\nprocess_start_time_seconds 1.500000\n"));
    assert_non_null(strstr(text.data, "\nhark_recording 1\n"));
    buffer_fini(&text);
}

#define FOLDER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_is_loopback_or_the_page_with_its_port),
        cmocka_unit_test(test_other_hosts_and_ports_are_refused),
        cmocka_unit_test(test_a_page_on_all_addresses_is_asked_by_any_address_but_no_name),
        FOLDER_TEST(test_the_token_is_made_private_and_kept),
        FOLDER_TEST(test_a_token_that_others_could_read_is_replaced),
        FOLDER_TEST(test_a_file_without_a_token_is_replaced),
        cmocka_unit_test(test_only_the_whole_token_is_granted),
        cmocka_unit_test(test_the_token_for_the_page_is_another_one_for_each_peer),
        cmocka_unit_test(test_a_peer_on_this_machine_is_its_user),
        FOLDER_TEST(test_the_socket_is_private_and_goes_away),
        FOLDER_TEST(test_a_socket_that_answers_is_not_replaced),
        FOLDER_TEST(test_a_stale_socket_is_replaced),
        FOLDER_TEST(test_of_many_that_begin_at_once_one_listens),
        FOLDER_TEST(test_the_folder_may_have_a_long_path),
        cmocka_unit_test(test_metrics_have_a_type_for_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
