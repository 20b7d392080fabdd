// SPDX-License-Identifier: MIT
// The WebSocket messages of one direction, with the values of listed fields replaced in text that
// is JSON. Messages come in parts, as websocket_reader gives them out, and leave decompressed.
//
// Owner: whoever declared it. Thread: one at a time.
#ifndef HARK_REDACT_MESSAGES_H
#define HARK_REDACT_MESSAGES_H

#include "hark/redact.h"
#include "hark/websocket.h"

#include <stdbool.h>

struct redact_json;

struct redact_messages {
    const struct redaction *rules;
    struct websocket_inflater *inflater; // once a message was compressed
    struct redact_json *search;          // NULL: the message is no text
    bool is_compressed;                  // the message
    struct buffer *out;                  // while a part is taken
    size_t part_bytes;                   // of the part, decompressed
};

// Are messages to be searched at all?
bool redacts_messages(const struct redaction *rules);

void redact_messages_init(struct redact_messages *messages, const struct redaction *rules);
// Appends what is known of the message. -1: neither this one nor those after it can be read.
int redact_messages_take(struct redact_messages *messages, const struct websocket_part *part,
                         struct buffer *out, struct err *err);
void redact_messages_fini(struct redact_messages *messages);

#endif
