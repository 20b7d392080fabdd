// SPDX-License-Identifier: MIT
// Bodies that are text, in whatever character set.
#include "hark/body_view.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has_ending(const char *text, const char *ending)
{
    size_t length = strlen(text);
    size_t ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(text + length - ending_length, ending) == 0;
}

// Types whose content is text although its bytes are not UTF-8.
static bool is_text_type(const char *type)
{
    return strncasecmp(type, "text/", 5) == 0 || has_ending(type, "json") ||
           has_ending(type, "xml") || has_ending(type, "javascript") ||
           strcasecmp(type, "application/x-www-form-urlencoded") == 0;
}

static bool has_wide_mark(const struct body_view *body)
{
    return body->head.length >= 2 && (memcmp(body->head.data, "\xff\xfe", 2) == 0 ||
                                      memcmp(body->head.data, "\xfe\xff", 2) == 0);
}

static void find_charset_name(const struct body_view *body, char name[CHARSET_NAME_MAX])
{
    charset_find(body->content_type, body->head.data, body->head.length, body->is_utf8, name);
}

// Is a NUL a part of a character in the set that the body is said to have?
static bool is_wide(const struct body_view *body)
{
    char name[CHARSET_NAME_MAX];
    find_charset_name(body, name);
    return strncasecmp(name, "utf-16", 6) == 0 || strncasecmp(name, "utf-32", 6) == 0 ||
           strncasecmp(name, "ucs-", 4) == 0;
}

bool body_view_is_text(const struct body_view *body)
{
    if (body->is_utf8 || has_wide_mark(body))
        return true;
    // Bytes that are still coded are no text, whatever their type will be; and nothing that has a
    // NUL is, though curl calls each file that it sends a form.
    if (body->is_undecodable || (body->has_nul && !is_wide(body)))
        return false;
    const char *given = body->content_type != NULL ? body->content_type : "";
    char *type = mem_strndup(given, strcspn(given, "; \t"));
    bool is_text = is_text_type(type);
    free(type);
    return is_text;
}

struct charset_reader *body_view_charset(const struct body_view *body, struct err *err)
{
    char name[CHARSET_NAME_MAX];
    find_charset_name(body, name);
    bool is_plain = strcasecmp(name, "utf-8") == 0 || strcasecmp(name, "utf8") == 0 ||
                    strcasecmp(name, "us-ascii") == 0;
    return is_plain && body->is_utf8 ? NULL : charset_reader_create(name, err);
}

struct conversion {
    struct charset_reader *charset;
    coding_sink_fn sink;
    void *ctx;
};

static int on_bytes(void *ctx, const void *data, size_t length)
{
    const struct conversion *conversion = ctx;
    return charset_reader_write(conversion->charset, data, length, conversion->sink,
                                conversion->ctx);
}

int body_view_walk_text(const struct body_view *body, struct charset_reader *charset,
                        coding_sink_fn sink, void *ctx, struct err *err)
{
    if (charset == NULL)
        return body_view_walk(body, sink, ctx, err);
    struct conversion conversion = {charset, sink, ctx};
    int rc = body_view_walk(body, on_bytes, &conversion, err);
    return rc == 0 ? charset_reader_finish(charset, sink, ctx) : rc;
}
