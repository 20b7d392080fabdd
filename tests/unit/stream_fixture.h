// SPDX-License-Identifier: MIT
// What tests of streams share: a libmicrohttpd that answers one connection with a stream, and the
// client at its other end. The test is the thread that makes the answer.
#ifndef HARK_TESTS_STREAM_FIXTURE_H
#define HARK_TESTS_STREAM_FIXTURE_H

#include "control/stream.h"
#include "hark/clock.h"
#include "hark/mem.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_US ((int64_t)20 * 1000000)

// Owner: who declared it; it stays where it is until served_end().
struct served {
    struct MHD_Daemon *mhd;
    struct stream *stream;
    sem_t has_stream;
    bool has_waited; // for the stream to begin
    int client;      // -1: it has left
    struct buffer got;
};

static inline enum MHD_Result served_on_request(void *ctx, struct MHD_Connection *connection,
                                                const char *path, const char *method,
                                                const char *version, const char *upload,
                                                size_t *upload_bytes, void **request)
{
    struct served *served = ctx;
    (void)path;
    (void)method;
    (void)version;
    (void)upload;
    (void)upload_bytes;
    if (*request == NULL) {
        *request = served;
        served->stream = stream_create(connection);
        sem_post(&served->has_stream);
        return MHD_YES;
    }
    if (!served->has_waited) {
        served->has_waited = true;
        if (stream_await_begin(served->stream))
            return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, 4096, stream_read, served->stream, NULL);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static inline void served_on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                                       enum MHD_RequestTerminationCode why)
{
    struct served *served = ctx;
    (void)connection;
    (void)request;
    (void)why;
    stream_abandon(served->stream);
}

// Small buffers: a client that does not read is felt soon.
static inline void served_connect(struct served *served)
{
    int pair[2];
    int size = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    const struct timeval patience = {.tv_sec = PATIENCE_US / 1000000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const struct sockaddr address = {.sa_family = AF_UNIX};
    assert_int_equal(MHD_add_connection(served->mhd, pair[1], &address, sizeof(address)), MHD_YES);
    served->client = pair[0];
}

// `version`: after HTTP/1.0 the content comes as it is, after HTTP/1.1 in chunks.
static inline void served_begin(struct served *served, const char *version)
{
    *served = (struct served){0};
    sem_init(&served->has_stream, 0, 0);
    served->mhd = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0,
        NULL, NULL, served_on_request, served, MHD_OPTION_NOTIFY_COMPLETED, served_on_completed,
        served, MHD_OPTION_END);
    assert_non_null(served->mhd);
    served_connect(served);
    char *request = mem_printf("GET / %s\r\nHost: h\r\n\r\n", version);
    assert_int_equal(write(served->client, request, strlen(request)), strlen(request));
    free(request);
    while (sem_wait(&served->has_stream) != 0)
        assert_int_equal(errno, EINTR);
}

static inline void served_leave(struct served *served)
{
    if (served->client >= 0)
        close(served->client);
    served->client = -1;
}

// libmicrohttpd does not stop while a connection is suspended.
static inline void served_end(struct served *served)
{
    stream_end(served->stream, true);
    served_leave(served);
    MHD_stop_daemon(served->mhd);
    stream_unref(served->stream);
    sem_destroy(&served->has_stream);
    buffer_fini(&served->got);
}

// --- the client's end ---------------------------------------------------------------------------

static inline bool served_read_some(struct served *served)
{
    char part[65536];
    ssize_t length = read(served->client, part, sizeof(part));
    assert_true(length >= 0);
    buffer_append(&served->got, part, (size_t)length);
    return length > 0;
}

// What came behind the head; NULL while that is not whole.
static inline const char *served_content(const struct served *served)
{
    const char *end =
        served->got.length > 0 ? memmem(served->got.data, served->got.length, "\r\n\r\n", 4) : NULL;
    return end == NULL ? NULL : end + 4;
}

static inline size_t served_content_bytes(const struct served *served)
{
    const char *content = served_content(served);
    return content == NULL ? 0 : (size_t)(served->got.data + served->got.length - content);
}

static inline void served_read_bytes(struct served *served, size_t count)
{
    while (served_content_bytes(served) < count)
        assert_true(served_read_some(served));
}

static inline void served_read_all(struct served *served)
{
    while (served_read_some(served))
        continue;
}

// Reads until the content ends so.
static inline void served_read_until(struct served *served, const char *end)
{
    size_t length = strlen(end);
    while (served_content_bytes(served) < length ||
           memcmp(served->got.data + served->got.length - length, end, length) != 0)
        assert_true(served_read_some(served));
}

// --- waiting ------------------------------------------------------------------------------------

// For a condition that another thread makes true; a test that waits in vain fails.
#define WAIT_UNTIL(condition)                                        \
    do {                                                             \
        int64_t until_us = clock_monotonic_us() + PATIENCE_US;       \
        while (!(condition)) {                                       \
            if (clock_monotonic_us() > until_us)                     \
                fail_msg("waited in vain for %s", #condition);       \
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); \
        }                                                            \
    } while (0)

#endif
