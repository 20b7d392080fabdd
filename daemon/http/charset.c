// SPDX-License-Identifier: MIT
// iconv(3) as a stream: an incomplete character at the end of a write waits for the next one.
#include "hark/charset.h"

#include "hark/mem.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PENDING_MAX  16 // no set has longer characters, escape sequences included
#define OUTPUT_BYTES 4096

static const char replacement[] = "\xef\xbf\xbd";
static const char byte_order_mark[] = "\xef\xbb\xbf";

struct charset_reader {
    iconv_t converter;
    char pending[PENDING_MAX]; // bytes of an incomplete character
    size_t pending_length;
    bool is_past_start; // something came out, so that no byte order mark can follow
};

static const struct {
    const char *bytes;
    size_t length;
    const char *name;
} marks[] = {
    {"\xef\xbb\xbf", 3, "UTF-8"},
    {"\xfe\xff", 2, "UTF-16BE"},
    {"\xff\xfe", 2, "UTF-16LE"},
};

// The characters of a name that is safe to give to iconv_open(), for which / has a meaning.
static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || strchr("-_.:", c);
}

// The parameter's value, with or without quotes, as far as it is a plausible name.
static bool find_parameter(const char *content_type, char name[CHARSET_NAME_MAX])
{
    static const char key[] = "charset=";
    for (const char *at = content_type; (at = strchr(at, ';'));) {
        at++;
        at += strspn(at, " \t");
        if (strncasecmp(at, key, sizeof key - 1) != 0)
            continue;
        at += sizeof key - 1;
        at += *at == '"';
        size_t length = 0;
        while (at[length] && is_name_char(at[length]))
            length++;
        if (length == 0 || length >= CHARSET_NAME_MAX)
            return false;
        memcpy(name, at, length);
        name[length] = '\0';
        return true;
    }
    return false;
}

void charset_find(const char *content_type, const void *head, size_t head_length, bool is_utf8,
                  char name[CHARSET_NAME_MAX])
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (head_length >= marks[i].length && memcmp(head, marks[i].bytes, marks[i].length) == 0) {
            strcpy(name, marks[i].name);
            return;
        }
    }
    if (content_type && find_parameter(content_type, name))
        return;
    strcpy(name, is_utf8 ? "UTF-8" : "ISO-8859-1");
}

struct charset_reader *charset_reader_create(const char *name, struct err *err)
{
    iconv_t converter = iconv_open("UTF-8", name);
    if (converter == (iconv_t)-1) {
        err_set(err, "character set %s: %s", name,
                errno == EINVAL ? "not known to this system" : strerror(errno));
        return NULL;
    }
    struct charset_reader *reader = mem_calloc(1, sizeof *reader);
    reader->converter = converter;
    return reader;
}

void charset_reader_destroy(struct charset_reader *reader)
{
    if (!reader)
        return;
    iconv_close(reader->converter);
    free(reader);
}

static int give(struct charset_reader *reader, const char *text, size_t length, coding_sink_fn sink,
                void *ctx)
{
    size_t mark_length = sizeof byte_order_mark - 1;
    if (!reader->is_past_start && length >= mark_length &&
        memcmp(text, byte_order_mark, mark_length) == 0) {
        text += mark_length;
        length -= mark_length;
        reader->is_past_start = true;
    }
    if (length == 0)
        return 0;
    reader->is_past_start = true;
    return sink(ctx, text, length);
}

// Converts until the input ends or an incomplete character stands at its end; returns what is
// left over of the input in `length`.
static int convert(struct charset_reader *reader, const char **data, size_t *length,
                   coding_sink_fn sink, void *ctx)
{
    while (*length > 0) {
        char output[OUTPUT_BYTES];
        char *in = (char *)*data, *out = output;
        size_t room = sizeof output;
        size_t rc = iconv(reader->converter, &in, length, &out, &room);
        int why = errno;
        *data = in;
        int stop = give(reader, output, sizeof output - room, sink, ctx);
        if (stop != 0 || (rc == (size_t)-1 && why == EINVAL))
            return stop;
        if (rc == (size_t)-1 && why == EILSEQ) {
            (*data)++;
            (*length)--;
            stop = give(reader, replacement, sizeof replacement - 1, sink, ctx);
            if (stop != 0)
                return stop;
        }
    }
    return 0;
}

// Completes the waiting character with bytes of the new data.
static int convert_pending(struct charset_reader *reader, const char **data, size_t *length,
                           coding_sink_fn sink, void *ctx)
{
    while (reader->pending_length > 0 && *length > 0) {
        if (reader->pending_length == PENDING_MAX) {
            reader->pending_length = 0;
            return give(reader, replacement, sizeof replacement - 1, sink, ctx);
        }
        reader->pending[reader->pending_length++] = *(*data)++;
        (*length)--;
        const char *rest = reader->pending;
        size_t rest_length = reader->pending_length;
        int stop = convert(reader, &rest, &rest_length, sink, ctx);
        memmove(reader->pending, rest, rest_length);
        reader->pending_length = rest_length;
        if (stop != 0)
            return stop;
    }
    return 0;
}

int charset_reader_write(struct charset_reader *reader, const void *data, size_t length,
                         coding_sink_fn sink, void *ctx)
{
    const char *rest = data;
    int stop = convert_pending(reader, &rest, &length, sink, ctx);
    if (stop != 0)
        return stop;
    stop = convert(reader, &rest, &length, sink, ctx);
    if (stop != 0 || length == 0)
        return stop;
    // At most one character is left over, unless the set is one that iconv holds back more of.
    size_t kept = length < PENDING_MAX ? length : PENDING_MAX;
    memcpy(reader->pending, rest, kept);
    reader->pending_length = kept;
    return 0;
}

int charset_reader_finish(struct charset_reader *reader, coding_sink_fn sink, void *ctx)
{
    if (reader->pending_length > 0) {
        reader->pending_length = 0;
        return give(reader, replacement, sizeof replacement - 1, sink, ctx);
    }
    char output[64], *out = output;
    size_t room = sizeof output;
    iconv(reader->converter, NULL, NULL, &out, &room);
    return give(reader, output, sizeof output - room, sink, ctx);
}
