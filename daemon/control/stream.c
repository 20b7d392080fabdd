// SPDX-License-Identifier: MIT
// One lock for all. The connection is suspended and resumed under it, so that both sides always
// agree on whether it sleeps; libmicrohttpd closes no connection that does, which makes its
// descriptor safe to look at.
#include "stream.h"

#include "hark/clock.h"
#include "hark/mem.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// How often a client is looked for that may have gone.
#define LOOK_EVERY_US 50000

struct stream {
    pthread_mutex_t mutex;
    pthread_cond_t has_room;
    int references;
    struct MHD_Connection *connection;
    int fd; // of the connection

    struct buffer data;
    size_t taken; // of `data`, from its beginning
    uint64_t sent_bytes;
    int64_t looked_us;
    bool has_begun;
    bool has_ended;
    bool is_broken;    // ended before its end
    bool is_abandoned; // nobody reads
    bool is_asleep;    // the connection is suspended
};

struct stream *stream_create(struct MHD_Connection *connection)
{
    struct stream *stream = mem_calloc(1, sizeof *stream);
    pthread_mutex_init(&stream->mutex, NULL);
    pthread_cond_init(&stream->has_room, NULL);
    stream->references = 1;
    stream->connection = connection;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    stream->fd = info ? info->connect_fd : -1;
    return stream;
}

struct stream *stream_ref(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->references++;
    pthread_mutex_unlock(&stream->mutex);
    return stream;
}

void stream_unref(struct stream *stream)
{
    if (!stream)
        return;
    pthread_mutex_lock(&stream->mutex);
    bool is_last = --stream->references == 0;
    pthread_mutex_unlock(&stream->mutex);
    if (!is_last)
        return;
    pthread_cond_destroy(&stream->has_room);
    pthread_mutex_destroy(&stream->mutex);
    buffer_fini(&stream->data);
    free(stream);
}

static size_t unread_bytes(const struct stream *stream)
{
    return stream->data.length - stream->taken;
}

static void fall_asleep(struct stream *stream)
{
    stream->is_asleep = true;
    MHD_suspend_connection(stream->connection);
}

static void wake(struct stream *stream)
{
    if (!stream->is_asleep)
        return;
    stream->is_asleep = false;
    MHD_resume_connection(stream->connection);
}

// --- libmicrohttpd's thread ----------------------------------------------------------------------

bool stream_await_begin(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool must_wait = !stream->has_begun;
    if (must_wait)
        fall_asleep(stream);
    pthread_mutex_unlock(&stream->mutex);
    return must_wait;
}

static size_t take(struct stream *stream, char *data, size_t size)
{
    size_t length = unread_bytes(stream) < size ? unread_bytes(stream) : size;
    memcpy(data, stream->data.data + stream->taken, length);
    stream->taken += length;
    stream->sent_bytes += length;
    if (unread_bytes(stream) == 0) {
        stream->taken = 0;
        buffer_fini(&stream->data);
    }
    pthread_cond_signal(&stream->has_room);
    return length;
}

ssize_t stream_read(void *ctx, uint64_t position, char *data, size_t size)
{
    (void)position;
    struct stream *stream = ctx;
    ssize_t result = 0;
    pthread_mutex_lock(&stream->mutex);
    if (unread_bytes(stream) > 0)
        result = (ssize_t)take(stream, data, size);
    else if (stream->is_broken)
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    else if (stream->has_ended)
        result = MHD_CONTENT_READER_END_OF_STREAM;
    else
        fall_asleep(stream);
    pthread_mutex_unlock(&stream->mutex);
    return result;
}

void stream_abandon(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    stream->is_abandoned = true;
    pthread_cond_signal(&stream->has_room);
    pthread_mutex_unlock(&stream->mutex);
}

// --- the thread that makes the answer ------------------------------------------------------------

void stream_begin(struct stream *stream, struct buffer *content)
{
    pthread_mutex_lock(&stream->mutex);
    stream->has_begun = true;
    if (content) {
        stream->data = *content;
        *content = (struct buffer){0};
    }
    wake(stream);
    pthread_mutex_unlock(&stream->mutex);
}

static void add(struct stream *stream, const void *data, size_t length)
{
    // What was read leaves room at the beginning.
    if (stream->taken > 0) {
        stream->data.length -= stream->taken;
        memmove(stream->data.data, stream->data.data + stream->taken, stream->data.length);
        stream->taken = 0;
    }
    buffer_append(&stream->data, data, length);
    stream->has_begun = true;
    wake(stream);
}

static bool has_room(const struct stream *stream, size_t length)
{
    return unread_bytes(stream) == 0 || unread_bytes(stream) + length <= STREAM_BYTES;
}

int stream_write(struct stream *stream, const void *data, size_t length)
{
    pthread_mutex_lock(&stream->mutex);
    while (!stream->is_abandoned && !has_room(stream, length))
        pthread_cond_wait(&stream->has_room, &stream->mutex);
    int rc = stream->is_abandoned ? -1 : 0;
    if (rc == 0)
        add(stream, data, length);
    pthread_mutex_unlock(&stream->mutex);
    return rc;
}

enum stream_result stream_offer(struct stream *stream, const void *data, size_t length)
{
    enum stream_result result = STREAM_TAKEN;
    pthread_mutex_lock(&stream->mutex);
    if (stream->is_abandoned)
        result = STREAM_GONE;
    else if (!has_room(stream, length))
        result = STREAM_FULL;
    else
        add(stream, data, length);
    pthread_mutex_unlock(&stream->mutex);
    return result;
}

bool stream_is_empty(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    bool is_empty = unread_bytes(stream) == 0;
    pthread_mutex_unlock(&stream->mutex);
    return is_empty;
}

uint64_t stream_sent_bytes(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    uint64_t sent_bytes = stream->sent_bytes;
    pthread_mutex_unlock(&stream->mutex);
    return sent_bytes;
}

void stream_end(struct stream *stream, bool is_whole)
{
    pthread_mutex_lock(&stream->mutex);
    stream->has_begun = true;
    stream->has_ended = true;
    stream->is_broken = !is_whole;
    wake(stream);
    pthread_mutex_unlock(&stream->mutex);
}

// libmicrohttpd sees by itself when a client goes, unless the connection is suspended.
static void look_for_client(struct stream *stream)
{
    int64_t now_us = clock_monotonic_us();
    if (!stream->is_asleep || now_us - stream->looked_us < LOOK_EVERY_US)
        return;
    stream->looked_us = now_us;
    struct pollfd client = {.fd = stream->fd, .events = POLLRDHUP};
    if (poll(&client, 1, 0) > 0)
        stream->is_abandoned = true;
}

bool stream_is_unwanted(struct stream *stream)
{
    pthread_mutex_lock(&stream->mutex);
    if (!stream->is_abandoned)
        look_for_client(stream);
    bool is_unwanted = stream->is_abandoned;
    pthread_mutex_unlock(&stream->mutex);
    return is_unwanted;
}
