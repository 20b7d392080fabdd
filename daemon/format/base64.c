// SPDX-License-Identifier: MIT
// Three bytes make four letters; what is no multiple of three waits for the next piece.
#include "hark/base64.h"

#include <string.h>

static void append_group(struct buffer *out, const unsigned char *bytes, size_t length)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned group = (unsigned)bytes[0] << 16;
    if (length > 1)
        group |= (unsigned)bytes[1] << 8;
    if (length > 2)
        group |= bytes[2];
    char *to = buffer_reserve(out, 4);
    to[0] = letters[group >> 18];
    to[1] = letters[group >> 12 & 63];
    to[2] = length > 1 ? letters[group >> 6 & 63] : '=';
    to[3] = length > 2 ? letters[group & 63] : '=';
    to[4] = '\0';
    out->length += 4;
}

void base64_stream_append(struct base64_stream *stream, struct buffer *out, const void *data,
                          size_t length)
{
    const unsigned char *bytes = data;
    while (stream->pending_length > 0 && stream->pending_length < 3 && length > 0) {
        stream->pending[stream->pending_length++] = *bytes++;
        length--;
    }
    if (stream->pending_length == 3) {
        append_group(out, stream->pending, 3);
        stream->pending_length = 0;
    }
    for (; length >= 3; bytes += 3, length -= 3)
        append_group(out, bytes, 3);
    memcpy(stream->pending + stream->pending_length, bytes, length);
    stream->pending_length += length;
}

void base64_stream_finish(struct base64_stream *stream, struct buffer *out)
{
    if (stream->pending_length > 0)
        append_group(out, stream->pending, stream->pending_length);
    stream->pending_length = 0;
}

void base64_append(struct buffer *out, const void *data, size_t length)
{
    struct base64_stream stream = {0};
    base64_stream_append(&stream, out, data, length);
    base64_stream_finish(&stream, out);
}
