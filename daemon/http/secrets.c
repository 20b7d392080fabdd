// SPDX-License-Identifier: MIT
// Names decide: of header fields, of cookies (all of them), of parameters. A name is compared in
// lower case without "-" and "_", so that X-Api-Key, x_api_key and apiKey are one.
#include "hark/secrets.h"

#include "hark/redact.h"
#include "secret_parts.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 64 // of a name, so much is looked at

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// --- names --------------------------------------------------------------------------------------

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The name as it is compared: percent-decoded, lower case, without "-" and "_".
static void fold_name(const char *name, size_t length, char folded[NAME_MAX_BYTES + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < length && used < NAME_MAX_BYTES; i++) {
        char c = name[i];
        if (c == '%' && i + 2 < length && hex_value(name[i + 1]) >= 0 &&
            hex_value(name[i + 2]) >= 0) {
            c = (char)(hex_value(name[i + 1]) * 16 + hex_value(name[i + 2]));
            i += 2;
        }
        if (c != '-' && c != '_' && c != '\0')
            folded[used++] = (char)tolower((unsigned char)c);
    }
    folded[used] = '\0';
}

// "token", but not "max_tokens": those are counted, not kept.
static bool has_token_word(const char *folded)
{
    static const char word[] = "token";
    for (const char *at = folded; (at = strstr(at, word)) != NULL; at++)
        if (at[strlen(word)] != 's')
            return true;
    return false;
}

static bool has_secret_word(const char *folded)
{
    static const char *const words[] = {
        "secret",     "password",        "passwd",       "passphrase", "credential",
        "apikey",     "accesskey",       "authkey",      "privatekey", "signature",
        "sessionkey", "subscriptionkey", "functionskey", "sessionid",
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(folded, words[i]) != NULL)
            return true;
    return has_token_word(folded);
}

static bool is_one_of(const char *folded, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(folded, names[i]) == 0)
            return true;
    return false;
}

bool secret_is_parameter(const char *name, size_t length)
{
    static const char *const names[] = {
        "key", "sig",     "code", "auth", "pwd",           "pass",
        "sid", "session", "jwt",  "otp",  "authorization", "assertion",
    };
    char folded[NAME_MAX_BYTES + 1];
    fold_name(name, length, folded);
    return is_one_of(folded, names, COUNT_OF(names)) || has_secret_word(folded);
}

static bool is_secret_field(const char *name)
{
    static const char *const names[] = {"xauth", "xauthorization", "xsession", "xjwt"};
    char folded[NAME_MAX_BYTES + 1];
    fold_name(name, strlen(name), folded);
    return is_one_of(folded, names, COUNT_OF(names)) || has_secret_word(folded);
}

// --- texts --------------------------------------------------------------------------------------

// A value. What is empty stays, and so does what gives no access: a mask, or the mark with which it
// was recorded.
static bool mask_value(const char *value, size_t length, struct buffer *out)
{
    bool is_masked = length == strlen(SECRET_MASK) && memcmp(value, SECRET_MASK, length) == 0;
    if (length == 0 || is_masked || redact_is_mark(value, length)) {
        buffer_append(out, value, length);
        return false;
    }
    buffer_append_text(out, SECRET_MASK);
    return true;
}

// "name=value", cut off from what follows it.
static bool mask_parameter(const char *pair, size_t length, struct buffer *out)
{
    const char *equals = memchr(pair, '=', length);
    if (equals == NULL || !secret_is_parameter(pair, (size_t)(equals - pair))) {
        buffer_append(out, pair, length);
        return false;
    }
    size_t name_length = (size_t)(equals - pair);
    buffer_append(out, pair, name_length + 1);
    return mask_value(equals + 1, length - name_length - 1, out);
}

static bool mask_parameters(const char *text, size_t length, struct buffer *out)
{
    bool has_secret = false;
    for (size_t at = 0; at <= length; at++) {
        const char *end = memchr(text + at, '&', length - at);
        size_t pair_length = end != NULL ? (size_t)(end - text) - at : length - at;
        has_secret |= mask_parameter(text + at, pair_length, out);
        at += pair_length;
        if (at < length)
            buffer_append_char(out, '&');
    }
    return has_secret;
}

bool secrets_mask_query(const char *query, struct buffer *out)
{
    return mask_parameters(query, strlen(query), out);
}

// "user:password@" behind "//". Returns what follows it.
static const char *mask_userinfo(const char *url, bool *has_secret, struct buffer *out)
{
    size_t before = strcspn(url, "/?#");
    if (strncmp(url + before, "//", 2) != 0) {
        *has_secret = false;
        return url;
    }
    const char *authority = url + before + 2;
    const char *at = memrchr(authority, '@', strcspn(authority, "/?#"));
    buffer_append(out, url, before + 2);
    *has_secret = at != NULL && mask_value(authority, (size_t)(at - authority), out);
    return at != NULL ? at : authority;
}

bool secrets_mask_url(const char *url, struct buffer *out)
{
    bool has_secret;
    const char *rest = mask_userinfo(url, &has_secret, out);
    size_t path_length = strcspn(rest, "?#");
    buffer_append(out, rest, path_length);
    rest += path_length;
    // Single-page applications keep parameters in the fragment as well: #access_token=…
    while (*rest != '\0') {
        buffer_append_char(out, *rest++);
        size_t length = strcspn(rest, "#");
        has_secret |= mask_parameters(rest, length, out);
        rest += length;
    }
    return has_secret;
}

static void mask_part(void *ctx, const char *text, size_t length, struct buffer *out)
{
    bool *has_secret = ctx;
    *has_secret |= mask_value(text, length, out);
}

static bool is_named(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

bool secrets_mask_field(const char *name, const char *value, struct buffer *out)
{
    static const char *const credentials[] = {"Authorization", "Proxy-Authorization", "Cookie",
                                              "Set-Cookie"};
    static const char *const urls[] = {"Referer", "Location", "Content-Location"};
    bool has_secret = false;
    if (is_named(name, credentials, COUNT_OF(credentials)) || is_secret_field(name)) {
        secret_parts_of_field(name, value, mask_part, &has_secret, out);
        return has_secret;
    }
    if (is_named(name, urls, COUNT_OF(urls)))
        return secrets_mask_url(value, out);
    buffer_append_text(out, value);
    return false;
}

// --- rows ---------------------------------------------------------------------------------------

static void mask_fields(struct fields *fields, struct arena *arena)
{
    struct buffer masked = {0};
    for (size_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        buffer_clear(&masked);
        if (!secrets_mask_field(field->name, field->value, &masked))
            continue;
        field->value = arena_strndup(arena, masked.data, masked.length);
        field->value_length = masked.length;
    }
    buffer_fini(&masked);
}

static void mask_pair(json_t *pair)
{
    const char *name = json_string_value(json_array_get(pair, 0));
    const char *value = json_string_value(json_array_get(pair, 1));
    struct buffer masked = {0};
    if (name != NULL && value != NULL && secrets_mask_field(name, value, &masked))
        json_array_set_new(pair, 1, json_stringn(masked.data, masked.length));
    buffer_fini(&masked);
}

// [{"status":103,"headers":[["Name","value"],…]},…]
static void mask_interim(struct exchange_row *row)
{
    json_t *answers = row->interim != NULL ? json_loads(row->interim, 0, NULL) : NULL;
    size_t i;
    json_t *answer;
    json_array_foreach(answers, i, answer)
    {
        size_t j;
        json_t *pair;
        json_array_foreach(json_object_get(answer, "headers"), j, pair) mask_pair(pair);
    }
    char *text = answers != NULL ? json_dumps(answers, JSON_COMPACT) : NULL;
    if (text != NULL)
        row->interim = arena_strdup(&row->arena, text);
    free(text);
    json_decref(answers);
}

static void mask_query(struct exchange_row *row)
{
    struct buffer masked = {0};
    if (row->query != NULL && secrets_mask_query(row->query, &masked))
        row->query = arena_strndup(&row->arena, masked.data, masked.length);
    buffer_fini(&masked);
}

void secrets_mask_row(struct exchange_row *row)
{
    mask_query(row);
    mask_fields(&row->request_headers, &row->arena);
    mask_fields(&row->request_trailers, &row->arena);
    mask_fields(&row->response_headers, &row->arena);
    mask_fields(&row->response_trailers, &row->arena);
    mask_interim(row);
}
