// SPDX-License-Identifier: MIT
// Cookies as RFC 6265 section 5.2 reads them, parameters as forms send them.
#include "har_cookies.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct piece {
    const char *text;
    size_t length;
};

static struct piece trimmed(const char *text, size_t length)
{
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return (struct piece){text, length};
}

// "name=value" in its two parts; what has no "=" is a name.
static void split_pair(struct piece pair, struct piece *name, struct piece *value)
{
    const char *equals = memchr(pair.text, '=', pair.length);
    size_t name_length = equals != NULL ? (size_t)(equals - pair.text) : pair.length;
    size_t rest = name_length < pair.length ? name_length + 1 : pair.length;
    *name = trimmed(pair.text, name_length);
    *value = trimmed(pair.text + rest, pair.length - rest);
}

// --- cookies ------------------------------------------------------------------------------------

static void open_cookie(struct json_out *json, struct piece pair)
{
    struct piece name;
    struct piece value;
    split_pair(pair, &name, &value);
    json_put_open(json, NULL, '{');
    json_put_text_n(json, "name", name.text, name.length);
    json_put_text_n(json, "value", value.text, value.length);
}

static void put_sent(struct json_out *json, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ";");
        struct piece pair = trimmed(text, length);
        if (pair.length > 0) {
            open_cookie(json, pair);
            json_put_close(json, '}');
        }
        text += length + (text[length] == ';');
    }
}

// HAR wants ISO 8601; a date that is none is left out.
static void put_expires(struct json_out *json, struct piece value)
{
    static const char *const formats[] = {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%Y %H:%M:%S GMT"};
    char text[64];
    if (value.length >= sizeof(text))
        return;
    memcpy(text, value.text, value.length);
    text[value.length] = '\0';
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm when = {0};
        char date[32];
        const char *end = strptime(text, formats[i], &when);
        if (end == NULL || *end != '\0' || when.tm_year < -1900 || when.tm_year > 8099)
            continue;
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &when);
        json_put_text(json, "expires", date);
        return;
    }
}

static bool is_named(struct piece name, const char *expected)
{
    return name.length == strlen(expected) && strncasecmp(name.text, expected, name.length) == 0;
}

// The attributes that HAR knows; each once, the first one counts.
struct attributes {
    struct piece path, domain, expires, same_site;
    bool is_http_only, is_secure;
};

static void read_attribute(struct attributes *attributes, struct piece pair)
{
    struct piece name;
    struct piece value;
    split_pair(pair, &name, &value);
    struct {
        const char *name;
        struct piece *place;
    } texts[] = {
        {"path", &attributes->path},
        {"domain", &attributes->domain},
        {"expires", &attributes->expires},
        {"samesite", &attributes->same_site},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (is_named(name, texts[i].name) && texts[i].place->text == NULL)
            *texts[i].place = value;
    attributes->is_http_only |= is_named(name, "httponly");
    attributes->is_secure |= is_named(name, "secure");
}

static void put_piece(struct json_out *json, const char *key, struct piece piece)
{
    if (piece.text != NULL)
        json_put_text_n(json, key, piece.text, piece.length);
}

static void put_set(struct json_out *json, const char *text)
{
    size_t length = strcspn(text, ";");
    struct attributes attributes = {0};
    open_cookie(json, trimmed(text, length));
    text += length;
    while (*text == ';') {
        length = strcspn(++text, ";");
        read_attribute(&attributes, trimmed(text, length));
        text += length;
    }
    put_piece(json, "path", attributes.path);
    put_piece(json, "domain", attributes.domain);
    if (attributes.expires.text != NULL)
        put_expires(json, attributes.expires);
    json_put_bool(json, "httpOnly", attributes.is_http_only);
    json_put_bool(json, "secure", attributes.is_secure);
    put_piece(json, "sameSite", attributes.same_site);
    json_put_close(json, '}');
}

void har_put_cookies(struct json_out *json, const struct fields *fields, enum body_side side)
{
    const char *name = side == BODY_REQUEST ? "Cookie" : "Set-Cookie";
    json_put_open(json, "cookies", '[');
    for (size_t i = 0; i < fields->count; i++) {
        if (!field_is_named(&fields->items[i], name))
            continue;
        if (side == BODY_REQUEST)
            put_sent(json, fields->items[i].value);
        else
            put_set(json, fields->items[i].value);
    }
    json_put_close(json, ']');
}

// --- parameters ---------------------------------------------------------------------------------

static int hex_value(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static void put_decoded(struct json_out *json, const char *key, struct piece piece)
{
    struct buffer decoded = {0};
    buffer_append_text(&decoded, "");
    for (size_t i = 0; i < piece.length; i++) {
        char c = piece.text[i];
        bool is_escape = c == '%' && i + 2 < piece.length &&
                         isxdigit((unsigned char)piece.text[i + 1]) &&
                         isxdigit((unsigned char)piece.text[i + 2]);
        if (is_escape) {
            c = (char)(hex_value(piece.text[i + 1]) * 16 + hex_value(piece.text[i + 2]));
            i += 2;
        }
        buffer_append_char(&decoded, !is_escape && c == '+' ? ' ' : c);
    }
    json_put_text_n(json, key, decoded.data, decoded.length);
    buffer_fini(&decoded);
}

static void put_parameter(struct json_out *json, const char *text, size_t length)
{
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - text) : length;
    size_t rest = name_length < length ? name_length + 1 : length;
    json_put_open(json, NULL, '{');
    put_decoded(json, "name", (struct piece){text, name_length});
    put_decoded(json, "value", (struct piece){text + rest, length - rest});
    json_put_close(json, '}');
}

void har_put_parameters(struct json_out *json, const char *text, size_t length)
{
    while (length > 0) {
        const char *end = memchr(text, '&', length);
        size_t now = end != NULL ? (size_t)(end - text) : length;
        if (now > 0)
            put_parameter(json, text, now);
        text += now + (end != NULL);
        length -= now + (end != NULL);
    }
}
