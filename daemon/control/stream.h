// SPDX-License-Identifier: MIT
// The bytes of an answer on their way from the thread that makes them to libmicrohttpd's thread,
// which sends them: a bounded queue.
//
// The maker waits while the queue is full. libmicrohttpd's thread never waits: while it has nothing
// to send, the connection is suspended.
#ifndef HARK_CONTROL_STREAM_H
#define HARK_CONTROL_STREAM_H

#include "hark/buffer.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// More may be in it: what was written at once stays together.
#define STREAM_BYTES ((size_t)256 * 1024)

// Owner: counted references. Thread: as each function says.
struct stream;

// With one reference.
struct stream *stream_create(struct MHD_Connection *connection);
struct stream *stream_ref(struct stream *stream);
void stream_unref(struct stream *stream); // takes NULL

// --- libmicrohttpd's thread ---------------------------------------------------------------------

// Suspends the connection until stream_begin(); false if that has been called already.
bool stream_await_begin(struct stream *stream);
// A content reader (MHD_ContentReaderCallback) whose ctx is the stream.
ssize_t stream_read(void *ctx, uint64_t position, char *data, size_t size);
// The connection is gone: nobody will read. Thread: any.
void stream_abandon(struct stream *stream);

// --- the thread that makes the answer -----------------------------------------------------------

// The head of the answer is made. The first bytes of its content (may be NULL) are taken. What is
// written or ended begins by that, too.
void stream_begin(struct stream *stream, struct buffer *content);
// Waits for room. -1 once nobody reads any more.
int stream_write(struct stream *stream, const void *data, size_t length);

enum stream_result {
    STREAM_TAKEN,
    STREAM_FULL, // nothing was taken
    STREAM_GONE  // nobody reads any more
};
// The same without waiting. An empty stream takes any length.
enum stream_result stream_offer(struct stream *stream, const void *data, size_t length);
// Has everything been sent, or is about to be?
bool stream_is_empty(struct stream *stream);
// What has been sent in all: grows as long as the client reads.
uint64_t stream_sent_bytes(struct stream *stream);
// There will be no more; `is_whole`: and nothing is missing. Otherwise the connection is cut, so
// that the client knows.
void stream_end(struct stream *stream, bool is_whole);
// Has the client gone away? Also found out while nothing is sent to it.
bool stream_is_unwanted(struct stream *stream);

#endif
