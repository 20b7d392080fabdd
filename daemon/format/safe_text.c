// SPDX-License-Identifier: MIT
// Recorded text, one character at a time: what a terminal would obey is shown as an escape.
//
// Besides the controls (C0, DEL, C1) that is what changes the direction of writing (a line could
// show other text than it has), line and paragraph separators, and what has no glyph.
#include "hark/terminal.h"

#include <string.h>
#include <wchar.h>

static bool is_reordering(wchar_t c)
{
    return (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x061c;
}

static void escape_byte(struct safe_char *out, unsigned char byte)
{
    snprintf(out->escape, sizeof out->escape, "\\x%02x", byte);
    out->taken = 1;
}

static void escape_wide(struct safe_char *out, wchar_t c, size_t taken)
{
    snprintf(out->escape, sizeof out->escape, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
    out->taken = taken;
}

// Line ends and tabs where they may pass. False if `text` begins with none of them.
static bool take_white_space(struct safe_char *out, const char *text, size_t length,
                             bool is_partial)
{
    if (*text == '\n' || *text == '\t') {
        out->taken = 1;
        return true;
    }
    if (*text != '\r')
        return false;
    if (length == 1 && is_partial) {
        out->taken = 0;
        return true;
    }
    if (length == 1 || text[1] != '\n')
        return false;
    out->taken = 2;
    return true;
}

static void escape_control(struct safe_char *out, char c)
{
    const char *short_form = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    if (!short_form) {
        escape_byte(out, (unsigned char)c);
        return;
    }
    strcpy(out->escape, short_form);
    out->taken = 1;
}

// Anything but ASCII. Returns whether it was escaped.
static bool take_wide(struct safe_char *out, const char *text, size_t length, bool is_partial)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t taken = mbrtowc(&wide, text, length, &state);
    if (taken == (size_t)-2 && is_partial) {
        out->taken = 0;
        return false;
    }
    if (taken == (size_t)-1 || taken == (size_t)-2) {
        escape_byte(out, (unsigned char)*text);
        return true;
    }
    int columns = wcwidth(wide);
    if (columns < 0 || is_reordering(wide)) {
        escape_wide(out, wide, taken);
        return true;
    }
    out->taken = taken;
    out->columns = (size_t)columns;
    return false;
}

void safe_char_next(struct safe_char *out, const char *text, size_t length, enum safe_text mode,
                    bool is_partial)
{
    unsigned char first = (unsigned char)*text;
    if (first >= 0x20 && first < 0x7f) {
        out->text = text;
        out->length = out->columns = out->taken = 1;
        out->is_escaped = false;
        return;
    }
    out->columns = 0;
    out->is_escaped = false;
    if (first >= 0x80) {
        out->is_escaped = take_wide(out, text, length, is_partial);
    } else if (mode != SAFE_LINES || !take_white_space(out, text, length, is_partial)) {
        escape_control(out, *text);
        out->is_escaped = true;
    }
    out->text = out->is_escaped ? out->escape : text;
    out->length = out->is_escaped ? strlen(out->escape) : out->taken;
    if (out->is_escaped)
        out->columns = out->length;
}

size_t safe_text_columns(const char *text, size_t length)
{
    size_t columns = 0;
    struct safe_char next;
    for (; length > 0; text += next.taken, length -= next.taken) {
        safe_char_next(&next, text, length, SAFE_LINE, false);
        columns += next.columns;
    }
    return columns;
}

size_t safe_text_write_cut(FILE *out, const char *text, size_t length, size_t columns)
{
    size_t written = 0;
    struct safe_char next;
    for (; length > 0; text += next.taken, length -= next.taken) {
        safe_char_next(&next, text, length, SAFE_LINE, false);
        // The last column is for "…", unless this is all there is.
        bool is_last = next.taken == length;
        if (written + next.columns + !is_last > columns &&
            safe_text_columns(text, length) > columns - written) {
            if (written < columns) {
                fputs("…", out);
                written++;
            }
            return written;
        }
        fwrite(next.text, 1, next.length, out);
        written += next.columns;
    }
    return written;
}

void safe_text_write(FILE *out, const char *text, size_t length, enum safe_text mode)
{
    struct safe_char next;
    for (; length > 0; text += next.taken, length -= next.taken) {
        safe_char_next(&next, text, length, mode, false);
        fwrite(next.text, 1, next.length, out);
    }
}

// Writes what is whole and returns how many bytes that took.
static size_t write_whole(FILE *out, const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        // Runs of plain characters are the rule; they go out in one piece.
        size_t run = at;
        while (run < length && ((text[run] >= 0x20 && text[run] < 0x7f) || text[run] == '\n'))
            run++;
        fwrite(text + at, 1, run - at, out);
        at = run;
        if (at == length)
            break;
        struct safe_char next;
        safe_char_next(&next, text + at, length - at, SAFE_LINES, true);
        if (next.taken == 0)
            break;
        fwrite(next.text, 1, next.length, out);
        at += next.taken;
    }
    return at;
}

void safe_stream_write(struct safe_stream *stream, FILE *out, const char *text, size_t length)
{
    if (length == 0)
        return;
    stream->ends_line = text[length - 1] == '\n';
    while (stream->pending_length > 0 && length > 0) {
        stream->pending[stream->pending_length++] = *text++;
        length--;
        size_t written = write_whole(out, stream->pending, stream->pending_length);
        stream->pending_length -= written;
        memmove(stream->pending, stream->pending + written, stream->pending_length);
    }
    size_t written = write_whole(out, text, length);
    if (written < length) {
        stream->pending_length = length - written;
        memcpy(stream->pending, text + written, stream->pending_length);
    }
}

void safe_stream_finish(struct safe_stream *stream, FILE *out)
{
    safe_text_write(out, stream->pending, stream->pending_length, SAFE_LINES);
    stream->pending_length = 0;
}
