// SPDX-License-Identifier: MIT
// Response heads, parsed from the raw lines that libcurl hands over: libcurl's own view of them is
// more tolerant than an intermediary may be (RFC 9112 sections 4 to 6).
#include "hark/message.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t trim_end(const char *text, size_t length)
{
    while (length > 0 && memchr(" \t\r\n", text[length - 1], 4) != NULL)
        length--;
    return length;
}

static bool is_line_end(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] != '\r' && line[i] != '\n')
            return false;
    return true;
}

static int add_status_line(struct response_head *head, const char *line, size_t length,
                           struct err *err)
{
    bool is_valid = length >= 12 && strncmp(line, "HTTP/1.", 7) == 0 &&
                    isdigit((unsigned char)line[7]) && line[8] == ' ' &&
                    isdigit((unsigned char)line[9]) && isdigit((unsigned char)line[10]) &&
                    isdigit((unsigned char)line[11]) && (length == 12 || line[12] == ' ');
    if (!is_valid)
        return err_set(err, "status line \"%.*s\" is not HTTP/1.x",
                       (int)(length > 60 ? 60 : length), line);
    head->version = arena_strndup(head->arena, line, 8);
    head->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    head->reason = length > 13 ? arena_strndup(head->arena, line + 13, length - 13) : "";
    if (head->status < 100)
        return err_set(err, "status %03d is none", head->status);
    return 0;
}

// In a run of folded lines the room doubles, so that many short ones do not cost a copy each.
static void append_to_value(struct response_head *head, struct field *field, const char *text,
                            size_t length)
{
    size_t begin = field->value_length + (field->value_length > 0 ? 1 : 0);
    if (begin + length >= head->folded_capacity) {
        head->folded_capacity = 2 * (begin + length + 1);
        char *folded = arena_alloc(head->arena, head->folded_capacity);
        memcpy(folded, field->value, field->value_length);
        head->folded = folded;
        field->value = folded;
    }
    if (begin > 0)
        head->folded[begin - 1] = ' ';
    memcpy(head->folded + begin, text, length);
    head->folded[begin + length] = '\0';
    field->value_length = begin + length;
}

// obs-fold: RFC 9112 section 5.2 lets a proxy replace it by a space before forwarding.
static int continue_field(struct response_head *head, const char *line, size_t length,
                          struct err *err)
{
    if (head->fields.count == 0)
        return err_set(err, "white space before the first field");
    struct field *last = &head->fields.items[head->fields.count - 1];
    size_t skip = 0;
    while (skip < length && (line[skip] == ' ' || line[skip] == '\t'))
        skip++;
    if (!text_is_field_value(line + skip, length - skip))
        return err_set(err, "control character in the value of %s", last->name);
    if (skip < length)
        append_to_value(head, last, line + skip, length - skip);
    return 0;
}

static bool is_framing_field(const char *name, size_t length)
{
    return (length == 14 && strncasecmp(name, "Content-Length", length) == 0) ||
           (length == 17 && strncasecmp(name, "Transfer-Encoding", length) == 0);
}

static int add_field(struct response_head *head, const char *line, size_t length, struct err *err)
{
    if (head->fields.count == RESPONSE_FIELDS_MAX)
        return err_set(err, "more than %d fields", RESPONSE_FIELDS_MAX);
    const char *colon = memchr(line, ':', length);
    if (colon == NULL)
        return err_set(err, "field line without a colon: \"%.*s\"",
                       (int)(length > 60 ? 60 : length), line);
    size_t name_length = trim_end(line, (size_t)(colon - line));
    const char *value = colon + 1;
    while (value < line + length && (*value == ' ' || *value == '\t'))
        value++;
    size_t value_length = trim_end(value, (size_t)(line + length - value));
    if (!text_is_token(line, name_length))
        return err_set(err, "field name \"%.*s\" is no token",
                       (int)(name_length > 60 ? 60 : name_length), line);
    if (!text_is_field_value(value, value_length))
        return err_set(err, "control character in the value of %.*s", (int)name_length, line);
    // The space is dropped (RFC 9112 section 5.1), but where libcurl, which sees no such field,
    // would frame the content otherwise, nobody knows what was meant.
    if (line[name_length] != ':' && is_framing_field(line, name_length))
        return err_set(err, "white space before the colon of %.*s", (int)name_length, line);
    fields_add(&head->fields, head->arena, line, name_length, value, value_length);
    head->folded_capacity = 0;
    return 0;
}

int response_head_add_line(struct response_head *head, const char *line, size_t length,
                           struct err *err)
{
    bool is_folded = length > 0 && (line[0] == ' ' || line[0] == '\t');
    size_t trimmed = trim_end(line, length);
    if (head->version == NULL)
        return add_status_line(head, line, trimmed, err);
    if (is_line_end(line, length)) {
        head->is_complete = true;
        return 0;
    }
    if (is_folded)
        return continue_field(head, line, trimmed, err);
    return add_field(head, line, trimmed, err);
}

static int content_length(const struct response_head *head, int64_t *body_length, struct err *err)
{
    const char *first = NULL;
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct field *field = &head->fields.items[i];
        if (!field_is_named(field, "Content-Length"))
            continue;
        const char *value = field->value;
        if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
            return err_set(err, "Content-Length \"%s\" is no length", value);
        if (first != NULL && strcmp(first, value) != 0)
            return err_set(err, "two Content-Length fields: %s and %s", first, value);
        first = value;
    }
    if (first == NULL) {
        *body_length = BODY_LENGTH_UNTIL_CLOSE;
        return 0;
    }
    errno = 0;
    *body_length = strtoll(first, NULL, 10);
    return errno == ERANGE ? err_set(err, "Content-Length %s is too large", first) : 0;
}

int response_head_body_length(const struct response_head *head, const char *method,
                              int64_t *body_length, struct err *err)
{
    const struct field *coding = fields_find(&head->fields, "Transfer-Encoding");
    if (coding != NULL) {
        // Transfer-Encoding wins over Content-Length (RFC 9112 section 6.3).
        if (fields_count_name(&head->fields, "Transfer-Encoding") > 1 ||
            strcasecmp(coding->value, "chunked") != 0)
            return err_set(err, "Transfer-Encoding \"%s\": only chunked is understood",
                           coding->value);
        *body_length = BODY_LENGTH_CHUNKED;
    } else if (content_length(head, body_length, err) != 0) {
        return -1;
    }
    if (!status_has_body(head->status, method) && *body_length < 0)
        *body_length = 0;
    return 0;
}
