// SPDX-License-Identifier: MIT
// A growing run of bytes, always followed by a NUL that does not count.
#ifndef HARK_BUFFER_H
#define HARK_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

// Owner: whoever declared it. Zero-initialised is empty.
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

// Appends `text` as a JSON string with its quotes (RFC 8259 section 7). Bytes that are not UTF-8
// are taken as Latin-1, the whole text then, so that nothing is lost; returns 1 in that case,
// else 0.
int buffer_append_json_string(struct buffer *buffer, const char *text, size_t length);

// Makes room for `length` more bytes and returns where they begin; add to `length` what was used.
char *buffer_reserve(struct buffer *buffer, size_t length);
void buffer_clear(struct buffer *buffer); // keeps the memory
void buffer_fini(struct buffer *buffer);
// Gives the bytes (NUL-terminated, free() them) to the caller and leaves the buffer empty.
char *buffer_take(struct buffer *buffer);

#endif
