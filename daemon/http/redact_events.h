// SPDX-License-Identifier: MIT
// An event stream (text/event-stream) that comes in pieces: the data of each event is searched as
// JSON if it looks like it, however many lines it has.
//
// Owner: whoever declared it. Thread: one at a time.
#ifndef HARK_HTTP_REDACT_EVENTS_H
#define HARK_HTTP_REDACT_EVENTS_H

#include "redact_json.h"

struct redact_events {
    struct redact_json json; // of the event being read
    int part;                // enum part
    size_t name_length;      // of the line's field
    bool is_data;            // so far its name is that of data
    bool was_cr;             // the byte before
    bool is_begun;           // behind the byte order mark
    size_t mark_length;      // of it, so far
};

void redact_events_init(struct redact_events *events, const struct config_list *names,
                        const unsigned char *key);
int redact_events_write(struct redact_events *events, const char *data, size_t length,
                        struct buffer *out, struct err *err);
void redact_events_finish(struct redact_events *events, struct buffer *out);
void redact_events_fini(struct redact_events *events);

#endif
