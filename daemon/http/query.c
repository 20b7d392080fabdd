// SPDX-License-Identifier: MIT
// Queries. Names are compared decoded, since "a%62" and "ab" are the same parameter; what does not
// change is copied, not spelt anew.
#include "hark/query.h"

#include "hark/buffer.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One octet of the text, decoded; `at` is moved past it.
static unsigned char decode(const char **at, const char *end)
{
    const char *text = *at;
    bool is_coded =
        text[0] == '%' && end - text >= 3 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0;
    *at += is_coded ? 3 : 1;
    if (is_coded)
        return (unsigned char)(hex_digit(text[1]) << 4 | hex_digit(text[2]));
    return text[0] == '+' ? ' ' : (unsigned char)text[0];
}

static bool is_name(const char *text, size_t length, const char *name)
{
    const char *end = text + length;
    while (text < end && *name != '\0')
        if (decode(&text, end) != (unsigned char)*name++)
            return false;
    return text == end && *name == '\0';
}

// What may stand in a value as it is (RFC 3986 section 3.4), less what means something in a list.
static void append_encoded(struct buffer *out, const char *text, const char *plain)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x80 && (isalnum(c) || strchr(plain, c) != NULL))
            buffer_append_char(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static void append_separator(struct buffer *out, bool *is_first)
{
    if (!*is_first)
        buffer_append_char(out, '&');
    *is_first = false;
}

static void append_value(struct buffer *out, const char *value)
{
    buffer_append_char(out, '=');
    append_encoded(out, value, "-._~!$'()*,;:@/?=");
}

const char *query_set(struct arena *arena, const char *query, const char *name, const char *value)
{
    struct buffer out = {0};
    bool is_first = true;
    bool is_set = false;
    const char *at = query;
    while (at != NULL) {
        size_t length = strcspn(at, "&");
        size_t name_length = strcspn(at, "&=");
        bool is_named = is_name(at, name_length, name);
        if (!is_named || !is_set) {
            append_separator(&out, &is_first);
            buffer_append(&out, at, is_named ? name_length : length);
        }
        if (is_named && !is_set)
            append_value(&out, value);
        is_set |= is_named;
        at = at[length] == '&' ? at + length + 1 : NULL;
    }
    if (!is_set) {
        if (out.length > 0)
            append_separator(&out, &is_first);
        append_encoded(&out, name, "-._~!$'()*,;:@/?");
        append_value(&out, value);
    }
    const char *result = arena_strdup(arena, out.data);
    buffer_fini(&out);
    return result;
}

static void append_decoded(struct buffer *out, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end)
        buffer_append_char(out, (char)decode(&text, end));
}

void query_parse(struct fields *parameters, struct arena *arena, const char *query)
{
    struct buffer name = {0};
    struct buffer value = {0};
    const char *at = query;
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, "&");
        size_t name_length = strcspn(at, "&=");
        size_t value_at = name_length < length ? name_length + 1 : length;
        buffer_clear(&name);
        buffer_clear(&value);
        append_decoded(&name, at, name_length);
        append_decoded(&value, at + value_at, length - value_at);
        if (length > 0)
            fields_add(parameters, arena, name.length > 0 ? name.data : "", name.length,
                       value.length > 0 ? value.data : "", value.length);
        at = at[length] == '&' ? at + length + 1 : NULL;
    }
    buffer_fini(&name);
    buffer_fini(&value);
}
