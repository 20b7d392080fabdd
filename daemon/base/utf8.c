// SPDX-License-Identifier: MIT
// Well-formed UTF-8 by the table of RFC 3629 section 4: no overlong forms, no surrogates, nothing
// above U+10FFFF. Runs of ASCII are skipped eight bytes at a time, since most bodies are ASCII.
#include "hark/utf8.h"

#include <stdint.h>
#include <string.h>

static size_t ascii_run(const unsigned char *at, size_t left)
{
    size_t run = 0;
    while (left - run >= 8) {
        uint64_t word;
        memcpy(&word, at + run, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        run += 8;
    }
    while (run < left && at[run] < 0x80)
        run++;
    return run;
}

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

// The length of the sequence that begins at `at`, or 0 if it is ill-formed.
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char first = at[0];
    if (first >= 0xc2 && first <= 0xdf)
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
            return 0;
        bool is_overlong = first == 0xe0 && at[1] < 0xa0;
        bool is_surrogate = first == 0xed && at[1] > 0x9f;
        return is_overlong || is_surrogate ? 0 : 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) ||
            !is_continuation(at[3]))
            return 0;
        bool is_overlong = first == 0xf0 && at[1] < 0x90;
        bool is_too_large = first == 0xf4 && at[1] > 0x8f;
        return is_overlong || is_too_large ? 0 : 4;
    }
    return 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t i = 0;
    for (;;) {
        i += ascii_run(at + i, length - i);
        if (i == length)
            return true;
        size_t step = sequence_length(at + i, length - i);
        if (step == 0)
            return false;
        i += step;
    }
}

size_t utf8_missing_bytes(const char *text, size_t length)
{
    size_t back = 0;
    while (back < 3 && back < length && is_continuation((unsigned char)text[length - 1 - back]))
        back++;
    if (back == length)
        return 0;
    unsigned char lead = (unsigned char)text[length - 1 - back];
    size_t whole = lead >= 0xf0 && lead <= 0xf4   ? 4
                   : lead >= 0xe0 && lead <= 0xef ? 3
                   : lead >= 0xc2 && lead <= 0xdf ? 2
                                                  : 1;
    return whole > back + 1 ? whole - back - 1 : 0;
}

// The two bytes at `at` as the one of U+0080 to U+00FF that they stand for; -1 if they do not.
static int latin1_of(const unsigned char *at, size_t left)
{
    bool is_latin1 = left >= 2 && (at[0] == 0xc2 || at[0] == 0xc3) && is_continuation(at[1]);
    return is_latin1 ? (at[0] & 0x03) << 6 | (at[1] & 0x3f) : -1;
}

const char *utf8_from_bytes(struct arena *arena, const char *text, size_t *length)
{
    if (utf8_is_valid(text, *length))
        return text;
    char *mapped = arena_alloc(arena, *length * 2 + 1);
    size_t used = 0;
    for (size_t i = 0; i < *length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80) {
            mapped[used++] = (char)c;
        } else {
            mapped[used++] = (char)(0xc0 | (c >> 6));
            mapped[used++] = (char)(0x80 | (c & 0x3f));
        }
    }
    mapped[used] = '\0';
    *length = used;
    return mapped;
}

const char *utf8_restore_bytes(struct arena *arena, const char *text, size_t *length)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t ascii = ascii_run(at, *length);
    if (ascii == *length)
        return text;
    char *bytes = arena_strndup(arena, text, *length);
    size_t count = ascii;
    for (size_t i = ascii; i < *length; i++) {
        int c = at[i] < 0x80 ? at[i] : latin1_of(at + i, *length - i);
        if (c < 0)
            return text;
        i += at[i] >= 0x80;
        bytes[count++] = (char)c;
    }
    // What is UTF-8 would have been stored as it is.
    if (utf8_is_valid(bytes, count))
        return text;
    bytes[count] = '\0';
    *length = count;
    return bytes;
}
