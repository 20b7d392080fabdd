// SPDX-License-Identifier: MIT
// Three bytes make four letters; what is no multiple of three waits for the next piece.
#include "hark/base64.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Whole groups, at once: this is where large bodies pass through.
static size_t append_groups(struct buffer *out, const unsigned char *bytes, size_t length)
{
    size_t count = length / 3;
    char *to = buffer_reserve(out, count * 4);
    for (size_t i = 0; i < count; i++, bytes += 3, to += 4) {
        unsigned group = (unsigned)bytes[0] << 16 | (unsigned)bytes[1] << 8 | bytes[2];
        to[0] = letters[group >> 18];
        to[1] = letters[group >> 12 & 63];
        to[2] = letters[group >> 6 & 63];
        to[3] = letters[group & 63];
    }
    *to = '\0';
    out->length += count * 4;
    return count * 3;
}

static void append_group(struct buffer *out, const unsigned char *bytes, size_t length)
{
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
    size_t taken = append_groups(out, bytes, length);
    bytes += taken;
    length -= taken;
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

static int letter_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(struct buffer *out, const char *text, size_t length)
{
    unsigned group = 0;
    int bits = 0;
    size_t at = 0;
    for (; at < length && text[at] != '='; at++) {
        int value = letter_value(text[at]);
        if (value < 0 && (text[at] == '\0' || strchr(" \t\r\n", text[at]) == NULL))
            return -1;
        if (value < 0)
            continue;
        group = (group << 6 | (unsigned)value) & 0xffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buffer_append_char(out, (char)(group >> bits));
        }
    }
    for (; at < length; at++)
        if (strchr("= \t\r\n", text[at]) == NULL || text[at] == '\0')
            return -1;
    return bits == 6 ? -1 : 0;
}
