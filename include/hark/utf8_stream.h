// SPDX-License-Identifier: MIT
// Is a text that comes in pieces UTF-8? The pieces may cut characters.
#ifndef HARK_UTF8_STREAM_H
#define HARK_UTF8_STREAM_H

#include <stdbool.h>
#include <stddef.h>

// How many bytes at the end begin a character and do not end it.
size_t utf8_cut_length(const char *text, size_t length);

// Zero-initialised is the start.
struct utf8_stream {
    char pending[4]; // the beginning of a character
    size_t pending_length;
    bool is_broken;
};

void utf8_stream_add(struct utf8_stream *stream, const char *text, size_t length);
// Was all of it UTF-8, with nothing cut off at the end?
bool utf8_stream_is_valid(const struct utf8_stream *stream);

#endif
