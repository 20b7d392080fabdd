// SPDX-License-Identifier: MIT
// Some servers take ";" for a separator, others for a part of the value. So a name may begin behind
// one, but a value that is hidden does not end there. The same goes for "?" and "#", behind which
// stand the parameters of a URL that is a value.
#include "redact_pairs.h"

#include "redact_names.h"

#include <ctype.h>
#include <string.h>

void redact_pairs_init(struct redact_pairs *pairs, const struct config_list *names,
                       const unsigned char *key, bool has_urls)
{
    *pairs = (struct redact_pairs){.names = names,
                                   .key = key,
                                   .has_urls = has_urls,
                                   .is_in_pairs = !has_urls,
                                   .is_in_name = !has_urls};
}

// --- percent encoding --------------------------------------------------------------------------

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_escape(const char *text)
{
    return text[0] == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0;
}

static char decode_escape(const char *text)
{
    return (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
}

static size_t decode_name(char *name, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        bool is_escaped = i + 2 < length && is_escape(name + i);
        name[used++] = is_escaped ? decode_escape(name + i) : name[i] == '+' ? ' ' : name[i];
        i += is_escaped ? 2 : 0;
    }
    return used;
}

// --- the value that is hidden ------------------------------------------------------------------

// What began like an escape and is none.
static void give_up_escape(struct redact_pairs *pairs)
{
    redact_mark_add(&pairs->mark, pairs->escape, pairs->escape_length);
    pairs->escape_length = 0;
}

static void hide(struct redact_pairs *pairs, char c)
{
    if (c == '%')
        give_up_escape(pairs);
    if (c == '%' || pairs->escape_length > 0) {
        pairs->escape[pairs->escape_length++] = c;
        if (pairs->escape_length < sizeof(pairs->escape))
            return;
        if (is_escape(pairs->escape)) {
            char decoded = decode_escape(pairs->escape);
            pairs->escape_length = 0;
            redact_mark_add(&pairs->mark, &decoded, 1);
        }
        give_up_escape(pairs);
        return;
    }
    redact_mark_add(&pairs->mark, c == '+' ? " " : &c, 1);
}

static void end_value(struct redact_pairs *pairs, struct buffer *out)
{
    give_up_escape(pairs);
    redact_mark_end(&pairs->mark, out);
    pairs->is_hiding = false;
}

// --- the text ----------------------------------------------------------------------------------

// An apostrophe may stand in a URL as it is (RFC 3986 section 2.2).
static bool ends_url(char c)
{
    return c == '\0' || strchr(" \t\r\n\"<>", c) != NULL;
}

static bool ends_value(const struct redact_pairs *pairs, char c)
{
    return c == '&' || (pairs->has_urls && (c == '#' || ends_url(c)));
}

// Who puts a URL where a name is expected ("?/cb?token=…") means what stands behind its "?".
static bool is_listed(const struct redact_pairs *pairs, const char *name, size_t length)
{
    size_t start = length;
    while (start > 0 && name[start - 1] != '?' && name[start - 1] != '#')
        start--;
    return redact_names_have_parameter(pairs->names, name, length) ||
           (start < length &&
            redact_names_have_parameter(pairs->names, name + start, length - start));
}

// The name is complete: its value is hidden if it is listed.
static void end_name(struct redact_pairs *pairs)
{
    struct buffer *name = &pairs->name;
    bool is_long = name->length > REDACT_NAME_MAX_BYTES;
    size_t length = is_long ? name->length : decode_name(name->data, name->length);
    pairs->is_in_name = false;
    pairs->is_hiding = name->length > 0 && is_listed(pairs, name->data, length);
    if (pairs->is_hiding)
        redact_mark_begin(&pairs->mark, pairs->key);
}

static bool begins_name(const struct redact_pairs *pairs, char c)
{
    if (c == '?' || c == '#')
        return !pairs->is_in_name; // in a name, they may belong to it
    return pairs->is_in_pairs && (c == '&' || c == ';');
}

static void take_plain(struct redact_pairs *pairs, char c)
{
    if (pairs->has_urls && ends_url(c)) {
        pairs->is_in_pairs = false;
        pairs->is_in_name = false;
    } else if (begins_name(pairs, c)) {
        pairs->is_in_pairs = true;
        pairs->is_in_name = true;
        buffer_clear(&pairs->name);
    } else if (pairs->is_in_name && c == '=') {
        end_name(pairs);
    } else if (pairs->is_in_name && pairs->name.length <= REDACT_NAME_MAX_BYTES) {
        buffer_append_char(&pairs->name, c);
    }
}

void redact_pairs_write(struct redact_pairs *pairs, const char *text, size_t length,
                        struct buffer *out)
{
    size_t kept = 0; // up to here the text is in `out`, or hidden
    for (size_t i = 0; i < length; i++) {
        if (pairs->is_hiding && !ends_value(pairs, text[i])) {
            hide(pairs, text[i]);
            kept = i + 1;
            continue;
        }
        if (pairs->is_hiding)
            end_value(pairs, out);
        take_plain(pairs, text[i]);
        if (pairs->is_hiding) {
            buffer_append(out, text + kept, i + 1 - kept);
            kept = i + 1;
        }
    }
    buffer_append(out, text + kept, length - kept);
}

void redact_pairs_finish(struct redact_pairs *pairs, struct buffer *out)
{
    if (pairs->is_hiding)
        end_value(pairs, out);
}

void redact_pairs_fini(struct redact_pairs *pairs)
{
    redact_mark_fini(&pairs->mark);
    buffer_fini(&pairs->name);
}
