// SPDX-License-Identifier: MIT
// Lines end with LF, CR or both (WHATWG HTML section 9.2.6).
#include "redact_events.h"

#include <string.h>

enum part {
    PART_NAME,
    PART_SPACE, // the one that may follow the colon
    PART_DATA,
    PART_OTHER
};

static const char data_word[] = "data";
static const char byte_order_mark[] = "\xef\xbb\xbf";

static void begin_line(struct redact_events *events)
{
    events->part = PART_NAME;
    events->name_length = 0;
    events->is_data = true;
}

void redact_events_init(struct redact_events *events, const struct config_list *names,
                        const unsigned char *key)
{
    *events = (struct redact_events){0};
    redact_json_init(&events->json, names, key, false);
    begin_line(events);
}

static void end_line(struct redact_events *events, struct buffer *out)
{
    bool is_empty = events->part == PART_NAME && events->name_length == 0;
    if (is_empty)
        redact_json_finish(&events->json, out);
    else if (events->part != PART_NAME && events->is_data)
        redact_json_break(&events->json, out);
    begin_line(events);
}

// Clients strip it from the beginning of the stream. What only begins like it is a name.
static bool read_byte_order_mark(struct redact_events *events, char c)
{
    if (events->is_begun)
        return false;
    if (c == byte_order_mark[events->mark_length]) {
        events->mark_length++;
        events->is_begun = events->mark_length == strlen(byte_order_mark);
        return true;
    }
    events->is_begun = true;
    events->name_length = events->mark_length;
    events->is_data = events->mark_length == 0;
    return false;
}

static void read_name(struct redact_events *events, char c)
{
    size_t at = events->name_length++;
    if (c == ':') {
        events->is_data &= at == strlen(data_word);
        events->part = events->is_data ? PART_SPACE : PART_OTHER;
    } else {
        events->is_data &= at < strlen(data_word) && c == data_word[at];
    }
}

// What of the line stands in one piece: the data, or what is no data.
static int read_rest(struct redact_events *events, const char *text, size_t length,
                     struct buffer *out, struct err *err)
{
    if (events->part == PART_DATA)
        return redact_json_write(&events->json, text, length, out, err);
    buffer_append(out, text, length);
    return 0;
}

static size_t line_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && text[at] != '\n' && text[at] != '\r')
        at++;
    return at;
}

static void read_break(struct redact_events *events, char c, struct buffer *out)
{
    bool is_second = c == '\n' && events->was_cr;
    if (!is_second)
        end_line(events, out);
    events->was_cr = c == '\r';
    buffer_append_char(out, c);
}

int redact_events_write(struct redact_events *events, const char *data, size_t length,
                        struct buffer *out, struct err *err)
{
    size_t at = 0;
    while (at < length && read_byte_order_mark(events, data[at]))
        buffer_append_char(out, data[at++]);
    while (at < length) {
        char c = data[at];
        size_t rest = line_length(data + at, length - at);
        bool is_space = events->part == PART_SPACE && c == ' ';
        if (rest == 0) {
            read_break(events, c, out);
            at++;
            continue;
        }
        events->was_cr = false;
        if (events->part == PART_NAME) {
            read_name(events, c);
        } else if (events->part == PART_SPACE) {
            events->part = PART_DATA;
        }
        if (events->part == PART_NAME || events->part == PART_SPACE || is_space ||
            (events->part == PART_OTHER && c == ':')) {
            buffer_append_char(out, c);
            at++;
            continue;
        }
        if (read_rest(events, data + at, rest, out, err) != 0)
            return -1;
        at += rest;
    }
    return 0;
}

void redact_events_finish(struct redact_events *events, struct buffer *out)
{
    redact_json_finish(&events->json, out);
}

void redact_events_fini(struct redact_events *events)
{
    redact_json_fini(&events->json);
}
