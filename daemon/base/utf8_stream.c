// SPDX-License-Identifier: MIT
// Each piece is checked up to its last whole character; the rest waits for the next piece.
#include "hark/utf8_stream.h"

#include "hark/utf8.h"

#include <string.h>

// How long the character is that begins with this byte; 1 for anything else.
static size_t char_length(char first)
{
    unsigned char byte = (unsigned char)first;
    return byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t utf8_cut_length(const char *text, size_t length)
{
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        char c = text[length - back];
        if (!is_continuation(c))
            return char_length(c) > back ? back : 0;
    }
    return 0;
}

static void check(struct utf8_stream *stream, const char *text, size_t length)
{
    if (!utf8_is_valid(text, length))
        stream->is_broken = true;
}

void utf8_stream_add(struct utf8_stream *stream, const char *text, size_t length)
{
    while (stream->pending_length > 0 && length > 0) {
        if (!is_continuation(*text)) {
            stream->is_broken = true;
            break;
        }
        stream->pending[stream->pending_length++] = *text++;
        length--;
        if (stream->pending_length == char_length(stream->pending[0])) {
            check(stream, stream->pending, stream->pending_length);
            stream->pending_length = 0;
        }
    }
    if (length == 0 || stream->is_broken)
        return;
    size_t cut = utf8_cut_length(text, length);
    check(stream, text, length - cut);
    memcpy(stream->pending, text + length - cut, cut);
    stream->pending_length = cut;
}

bool utf8_stream_is_valid(const struct utf8_stream *stream)
{
    return !stream->is_broken && stream->pending_length == 0;
}
