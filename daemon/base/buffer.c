// SPDX-License-Identifier: MIT
// The growing buffer, doubling its memory; and JSON strings, the one place that writes them.
#include "hark/buffer.h"

#include "hark/mem.h"
#include "hark/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buffer_reserve(struct buffer *buffer, size_t length)
{
    size_t needed = buffer->length + length + 1;
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
        while (capacity < needed)
            capacity *= 2;
        buffer->data = mem_realloc(buffer->data, capacity);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    char *end = buffer_reserve(buffer, length);
    if (length > 0)
        memcpy(end, data, length);
    end[length] = '\0';
    buffer->length += length;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buffer_vprintf(buffer, format, args);
    va_end(args);
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return;
    char *end = buffer_reserve(buffer, (size_t)length);
    vsnprintf(end, (size_t)length + 1, format, args);
    buffer->length += (size_t)length;
}

static const char *short_escape(unsigned char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static void append_escaped(struct buffer *buffer, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *escape = short_escape(c);
    const char number[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    if (escape != NULL)
        buffer_append_text(buffer, escape);
    else
        buffer_append(buffer, number, sizeof(number));
}

static void append_latin1(struct buffer *buffer, unsigned char c)
{
    const char utf8[2] = {(char)(0xc0 | (c >> 6)), (char)(0x80 | (c & 0x3f))};
    buffer_append(buffer, utf8, 2);
}

int buffer_append_json_string(struct buffer *buffer, const char *text, size_t length)
{
    bool is_latin1 = !utf8_is_valid(text, length);
    buffer_append_char(buffer, '"');
    size_t plain = 0; // where the run that needs no change began
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_high = is_latin1 && c >= 0x80;
        if (!is_high && !needs_escape(c))
            continue;
        buffer_append(buffer, text + plain, i - plain);
        plain = i + 1;
        if (is_high)
            append_latin1(buffer, c);
        else
            append_escaped(buffer, c);
    }
    buffer_append(buffer, text + plain, length - plain);
    buffer_append_char(buffer, '"');
    return is_latin1 ? 1 : 0;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->data != NULL)
        buffer->data[0] = '\0';
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

char *buffer_take(struct buffer *buffer)
{
    char *data = buffer->data != NULL ? buffer->data : mem_strdup("");
    *buffer = (struct buffer){0};
    return data;
}
