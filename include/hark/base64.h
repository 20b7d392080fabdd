// SPDX-License-Identifier: MIT
// Base64 with padding (RFC 4648 section 4), as a stream.
#ifndef HARK_BASE64_H
#define HARK_BASE64_H

#include "hark/buffer.h"

#include <stddef.h>

void base64_append(struct buffer *out, const void *data, size_t length);
// Appends what it stands for. White space is skipped, padding may be missing; -1 for anything else.
int base64_decode(struct buffer *out, const char *text, size_t length);

// Bytes that come in pieces. Zero-initialised is the start.
struct base64_stream {
    unsigned char pending[3];
    size_t pending_length;
};

void base64_stream_append(struct base64_stream *stream, struct buffer *out, const void *data,
                          size_t length);
void base64_stream_finish(struct base64_stream *stream, struct buffer *out);

#endif
