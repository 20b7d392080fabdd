// SPDX-License-Identifier: MIT
#include "secret_parts.h"

#include <stdbool.h>
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

static bool is_in(const char *const *names, size_t count, const char *text, size_t length)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncasecmp(names[i], text, length) == 0)
            return true;
    return false;
}

// IANA's registry of authentication schemes, and what large services made up.
static bool is_scheme(const char *text, size_t length)
{
    static const char *const schemes[] = {
        "Basic",         "Bearer",      "Concealed",    "Digest",
        "DPoP",          "GNAP",        "HOBA",         "Mutual",
        "Negotiate",     "OAuth",       "PrivateToken", "SCRAM-SHA-1",
        "NTLM",          "Token",       "ApiKey",       "AWS4-HMAC-SHA256",
        "SCRAM-SHA-256", "vapid",       "Api-Key",      "JWT",
        "Kerberos",      "GoogleLogin", "SharedKey",    "SharedKeyLite",
    };
    return is_in(schemes, sizeof(schemes) / sizeof(schemes[0]), text, length);
}

// "Bearer abc": the scheme stays. What is no scheme that is known may be the first word of a key.
static void take_credentials(const struct parts *parts, const char *value)
{
    size_t scheme_length = strcspn(value, " \t");
    size_t kept = scheme_length + strspn(value + scheme_length, " \t");
    if (value[kept] == '\0' || !is_scheme(value, scheme_length))
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

// RFC 6265 section 4.1.1, and what browsers added. A second cookie may stand behind a comma, as in
// "a=1; Path=/, b=2".
static bool is_attribute(const char *text, size_t length)
{
    static const char *const attributes[] = {"Domain",   "Expires",  "HttpOnly",
                                             "Max-Age",  "Path",     "Partitioned",
                                             "Priority", "SameSite", "Secure"};
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t value_length = length - name_length - (equals != NULL);
    while (name_length > 0 && strchr(" \t", text[name_length - 1]) != NULL)
        name_length--;
    return is_in(attributes, sizeof(attributes) / sizeof(attributes[0]), text, name_length) &&
           (equals == NULL || memchr(equals + 1, '=', value_length) == NULL);
}

static void take_set_cookie(const struct parts *parts, const char *value)
{
    size_t length = strcspn(value, ";");
    take_cookie(parts, value, length);
    for (value += length; *value != '\0'; value += length) {
        size_t gap = strspn(value, "; \t");
        buffer_append(parts->out, value, gap);
        value += gap;
        length = strcspn(value, ";");
        if (is_attribute(value, length))
            buffer_append(parts->out, value, length);
        else if (length > 0)
            take_cookie(parts, value, length);
    }
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
