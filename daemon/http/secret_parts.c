// SPDX-License-Identifier: MIT
#include "secret_parts.h"

#include <string.h>
#include <strings.h>

struct parts {
    secret_part_fn replace;
    void *ctx;
    struct buffer *out;
};

static void replace(const struct parts *parts, const char *text, size_t length)
{
    parts->replace(parts->ctx, text, length, parts->out);
}

// "Bearer abc": the scheme stays. A value of one word has none.
static void take_credentials(const struct parts *parts, const char *value)
{
    size_t scheme_length = strcspn(value, " \t");
    size_t kept = scheme_length + strspn(value + scheme_length, " \t");
    if (value[kept] == '\0')
        kept = 0;
    buffer_append(parts->out, value, kept);
    replace(parts, value + kept, strlen(value + kept));
}

// "name=value" up to `length`; a value without a name is secret as well.
static void take_cookie(const struct parts *parts, const char *pair, size_t length)
{
    const char *equals = memchr(pair, '=', length);
    size_t kept = equals != NULL ? (size_t)(equals - pair) + 1 : 0;
    buffer_append(parts->out, pair, kept);
    replace(parts, pair + kept, length - kept);
}

static void take_cookies(const struct parts *parts, const char *value)
{
    while (*value != '\0') {
        size_t gap = strspn(value, "; \t");
        buffer_append(parts->out, value, gap);
        value += gap;
        size_t length = strcspn(value, ";");
        take_cookie(parts, value, length);
        value += length;
    }
}

// The attributes stay.
static void take_set_cookie(const struct parts *parts, const char *value)
{
    size_t length = strcspn(value, ";");
    take_cookie(parts, value, length);
    buffer_append_text(parts->out, value + length);
}

void secret_parts_of_field(const char *name, const char *value, secret_part_fn replace_part,
                           void *ctx, struct buffer *out)
{
    const struct parts parts = {.replace = replace_part, .ctx = ctx, .out = out};
    if (strcasecmp(name, "Authorization") == 0 || strcasecmp(name, "Proxy-Authorization") == 0)
        take_credentials(&parts, value);
    else if (strcasecmp(name, "Cookie") == 0)
        take_cookies(&parts, value);
    else if (strcasecmp(name, "Set-Cookie") == 0)
        take_set_cookie(&parts, value);
    else
        replace(&parts, value, strlen(value));
}
