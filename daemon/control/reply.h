// SPDX-License-Identifier: MIT
// What is answered. A route sets the head, then writes the content with reply_write(); what is
// short goes out in one piece with its length, what is long is streamed while it is made.
#ifndef HARK_CONTROL_REPLY_H
#define HARK_CONTROL_REPLY_H

#include "hark/buffer.h"
#include "hark/err.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

// What a browser may do with the content (Content-Security-Policy).
enum reply_policy {
    POLICY_NONE,  // nothing
    POLICY_PAGE,  // run as hark's own page
    POLICY_RECORD // show it: it was recorded, and is not to be trusted
};

#define REPLY_HEADERS_MAX 8

struct reply_header {
    const char *name; // a literal
    char *value;
};

// Zero-initialised is an empty 200. Owner: the call. Thread: the one that runs the route, until the
// content begins to be streamed or the route has returned.
struct reply {
    unsigned status;   // 0: 200
    const char *type;  // media type; NULL without content
    const char *allow; // for 405 and OPTIONS
    bool wants_token;  // for 401: add WWW-Authenticate
    enum reply_policy policy;
    const char *cache_control; // NULL: no-store
    struct reply_header headers[REPLY_HEADERS_MAX];
    size_t header_count;

    struct buffer body; // the content so far
    const void *fixed;  // instead of `body`: content that outlives the daemon
    size_t fixed_length;
    bool has_length; // `length` is known before the content is made
    int64_t length;

    struct stream *stream; // where content goes that is long
    bool may_stream;       // it may: not on libmicrohttpd's thread, which must not wait
    struct arena arena;    // texts of the reply
    bool is_head;          // only the head will be sent
    bool is_streamed;
    bool is_handed_over; // somebody else goes on with the stream
    bool has_failed;     // the content breaks off
};

void reply_fini(struct reply *reply);

// --- the head: before any content ----------------------------------------------------------------

// Adds a field; the value is copied.
void reply_add_header(struct reply *reply, const char *name, const char *value);
// Content that is in the program itself.
void reply_set_fixed(struct reply *reply, const char *type, const void *data, size_t length);
void reply_set_length(struct reply *reply, int64_t length);

// --- content -------------------------------------------------------------------------------------

// Both return -1 once nobody wants any more; then the route returns. They wait for a slow client.
int reply_write(struct reply *reply, const void *data, size_t length);
// Lets go what was written so far, for content that comes slowly.
int reply_flush(struct reply *reply);
// The same as reply_write() of a buffer, which is empty afterwards.
int reply_write_buffer(struct reply *reply, struct buffer *buffer);
// Has the client gone? For routes that work without writing.
bool reply_is_unwanted(struct reply *reply);
// The reply is made but for its content: somebody who is given a reference to the stream after this
// begins it, and goes on after the route has returned.
void reply_hand_over(struct reply *reply);
// Nobody took it.
void reply_take_back(struct reply *reply);

void reply_text(struct reply *reply, const char *text);
// A whole answer; takes the object over.
void reply_json(struct reply *reply, const char *type, json_t *object);

// --- problems ------------------------------------------------------------------------------------

// Makes the reply a problem (RFC 9457): `title` says what is wrong, `detail` what to do.
void reply_problem(struct reply *reply, unsigned status, const char *title, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
// A mistake in a filter: 400 with its column and a suggestion.
void reply_filter_problem(struct reply *reply, const struct err *err);
// What the recording could not be read for. In the middle of the content, breaks that off.
void reply_read_problem(struct reply *reply, const struct err *err);
void reply_not_found(struct reply *reply, int64_t id);

#endif
