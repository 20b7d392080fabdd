// SPDX-License-Identifier: MIT
// What output goes to, and writing recorded text there safely: no byte of a recording may move the
// cursor, colour the screen or reorder a line.
//
// Thread: any, but for writing to one FILE at a time. Needs a UTF-8 LC_CTYPE.
#ifndef HARK_TERMINAL_H
#define HARK_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct terminal {
    bool is_terminal; // somebody looks at it: tables, relative times, cut to the width
    bool has_color;
    size_t columns; // width; SIZE_MAX where nothing is to be cut
};

// Looks at the descriptor and at TERM, NO_COLOR, CLICOLOR_FORCE and COLUMNS.
struct terminal terminal_of(int fd);

enum color {
    COLOR_NONE,
    COLOR_BOLD,
    COLOR_DIM,
    COLOR_RED,
    COLOR_GREEN,
    COLOR_YELLOW,
    COLOR_BLUE,
    COLOR_CYAN,
};

// What switches a colour on, and every colour off; empty strings without colours.
const char *terminal_color(const struct terminal *terminal, enum color color);
const char *terminal_reset(const struct terminal *terminal);

// The colour of a status code: 2xx green, 3xx cyan, 4xx yellow, 5xx red.
enum color color_of_status(int status);

// --- recorded text -----------------------------------------------------------------------------

enum safe_text {
    SAFE_LINE,  // newlines and tabs are escaped, too
    SAFE_LINES, // newlines, tabs and CRLF pass
};

// One character as it is shown: itself, or its escape ("\x1b", "\u202e"; a byte that is not UTF-8
// is "\xff").
struct safe_char {
    const char *text; // in the input or in `escape`
    size_t length;
    size_t columns;
    size_t taken; // bytes of the input
    bool is_escaped;
    char escape[12];
};

// The first character of `text` (at least one byte). With `is_partial` a character cut off at the
// end takes 0 bytes; else its bytes are escaped.
void safe_char_next(struct safe_char *out, const char *text, size_t length, enum safe_text mode,
                    bool is_partial);

size_t safe_text_columns(const char *text, size_t length);
// Writes at most `columns` columns as one line; what is longer ends in "…". Returns the columns
// written.
size_t safe_text_write_cut(FILE *out, const char *text, size_t length, size_t columns);
void safe_text_write(FILE *out, const char *text, size_t length, enum safe_text mode);

// A text that comes in pieces, which may cut characters. Zero-initialised is the start.
struct safe_stream {
    char pending[8];
    size_t pending_length;
    bool ends_line; // the last thing written was a newline
};

void safe_stream_write(struct safe_stream *stream, FILE *out, const char *text, size_t length);
void safe_stream_finish(struct safe_stream *stream, FILE *out);

#endif
