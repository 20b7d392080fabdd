// SPDX-License-Identifier: MIT
// Bare LF is taken for a line end, as many servers do.
#include "redact_multipart.h"

#include "redact_names.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MAX_BYTES ((size_t)64 * 1024)

enum stage {
    STAGE_CONTENT, // of a part, or what stands before the first
    STAGE_LINE,    // the rest of a delimiter's line
    STAGE_HEAD,    // of a part
    STAGE_EPILOGUE
};

// --- parameters of header fields ---------------------------------------------------------------

// The next ';' that is not in quotes. NULL: there is none.
static const char *find_semicolon(const char *at)
{
    bool is_quoted = false;
    for (; *at != '\0'; at++) {
        if (*at == ';' && !is_quoted)
            return at;
        if (*at == '"')
            is_quoted = !is_quoted;
        else if (*at == '\\' && is_quoted && at[1] != '\0')
            at++;
    }
    return NULL;
}

// The value of a parameter without its quotes, in `value`; false if there is none.
static bool find_parameter(const char *field, const char *name, struct buffer *value)
{
    size_t length = strlen(name);
    const char *at = field;
    while ((at = find_semicolon(at)) != NULL) {
        at += 1 + strspn(at + 1, " \t\r\n");
        if (strncasecmp(at, name, length) != 0)
            continue;
        const char *equals = at + length + strspn(at + length, " \t");
        if (*equals != '=')
            continue;
        at = equals + 1 + strspn(equals + 1, " \t");
        buffer_clear(value);
        buffer_append_text(value, "");
        if (*at != '"') {
            buffer_append(value, at, strcspn(at, "; \t\r\n"));
            return true;
        }
        for (at++; *at != '\0' && *at != '"'; at++) {
            if (*at == '\\' && at[1] != '\0')
                at++;
            buffer_append_char(value, *at);
        }
        return true;
    }
    return false;
}

// --- a part ------------------------------------------------------------------------------------

// The value of a field of a part's head, folded lines and all; NULL if there is none.
static const char *find_field(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = head; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, length) == 0) {
            const char *colon = line + length + strspn(line + length, " \t");
            if (*colon == ':')
                return colon + 1;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return NULL;
}

// Up to the end of its line, unless the next one goes on.
static void copy_value(const char *value, struct buffer *out)
{
    buffer_clear(out);
    buffer_append_text(out, "");
    for (; *value != '\0'; value++) {
        if (*value == '\n' && value[1] != ' ' && value[1] != '\t')
            break;
        buffer_append_char(out, *value);
    }
}

static bool begins_with(const char *text, const char *start)
{
    return strncasecmp(text, start, strlen(start)) == 0;
}

// A field of a form whose name cannot be read may be any.
static bool is_listed(const struct redact_multipart *multipart, const char *head)
{
    const struct config_list *listed = multipart->rules->form;
    const char *disposition = find_field(head, "Content-Disposition");
    if (disposition == NULL || listed->count == 0)
        return false;
    struct buffer value = {0};
    struct buffer name = {0};
    copy_value(disposition, &value);
    bool is_listed = begins_with(value.data + strspn(value.data, " \t"), "form-data");
    if (find_parameter(value.data, "name", &name)) {
        bool is_quoted =
            name.length >= 2 && name.data[0] == '\'' && name.data[name.length - 1] == '\'';
        is_listed =
            redact_names_have_parameter(listed, name.data + is_quoted, name.length - 2 * is_quoted);
    }
    buffer_fini(&name);
    buffer_fini(&value);
    return is_listed;
}

static bool may_be_text(const char *type)
{
    return type == NULL || begins_with(type, "text/") ||
           begins_with(type, "application/octet-stream");
}

// Heads, and bodies of any kind, in which nothing would be found.
static bool is_container(const char *type)
{
    return begins_with(type, "multipart/") || begins_with(type, "message/") ||
           begins_with(type, "application/http");
}

static void begin_part(struct redact_multipart *multipart, const char *head)
{
    const struct redaction *rules = multipart->rules;
    struct buffer value = {0};
    const char *type = find_field(head, "Content-Type");
    if (type != NULL) {
        copy_value(type, &value);
        type = value.data + strspn(value.data, " \t");
    }
    bool is_json = type != NULL && strcasestr(type, "json") != NULL;
    multipart->is_hiding = is_listed(multipart, head) || (type != NULL && is_container(type));
    multipart->is_searching =
        !multipart->is_hiding && rules->json->count > 0 && (is_json || may_be_text(type));
    if (multipart->is_hiding)
        redact_mark_begin(&multipart->mark, rules->key);
    if (multipart->is_searching)
        redact_json_init(&multipart->json, rules->json, rules->key, is_json);
    buffer_fini(&value);
}

// What stands before the first delimiter or behind the last is nothing (RFC 2046 section 5.1.1), or
// parts that have another boundary than the type says.
static int take_outside(const char *data, size_t length, struct buffer *out, struct err *err)
{
    size_t space = 0;
    while (space < length && data[space] != '\0' && strchr(" \t\r\n", data[space]) != NULL)
        space++;
    buffer_append(out, data, space);
    return space == length ? 0 : err_set(err, "there is something outside of its parts");
}

static int take_content(struct redact_multipart *multipart, const char *data, size_t length,
                        struct buffer *out, struct err *err)
{
    if (multipart->is_preamble)
        return take_outside(data, length, out, err);
    if (multipart->is_searching)
        return redact_json_write(&multipart->json, data, length, out, err);
    if (multipart->is_hiding)
        redact_mark_add(&multipart->mark, data, length);
    else
        buffer_append(out, data, length);
    return 0;
}

static void end_part(struct redact_multipart *multipart, struct buffer *out)
{
    if (multipart->is_hiding)
        redact_mark_end(&multipart->mark, out);
    if (multipart->is_searching) {
        redact_json_finish(&multipart->json, out);
        redact_json_fini(&multipart->json);
    }
    multipart->is_hiding = false;
    multipart->is_searching = false;
}

// --- the body ----------------------------------------------------------------------------------

static char *held_data(const struct redact_multipart *multipart)
{
    return multipart->held.data + multipart->held_at;
}

static size_t held_length(const struct redact_multipart *multipart)
{
    return multipart->held.length - multipart->held_at;
}

// A delimiter may follow at once: its line break is the one that was passed on.
static void hold_break(struct redact_multipart *multipart)
{
    assert(multipart->held_at > 0);
    multipart->held_at--;
    *held_data(multipart) = '\n';
    multipart->has_break = true;
}

int redact_multipart_init(struct redact_multipart *multipart, const struct redaction *rules,
                          const char *content_type, struct err *err)
{
    struct buffer boundary = {0};
    *multipart =
        (struct redact_multipart){.rules = rules, .stage = STAGE_CONTENT, .is_preamble = true};
    bool is_usable = content_type != NULL && find_parameter(content_type, "boundary", &boundary) &&
                     boundary.length > 0 && boundary.length <= REDACT_BOUNDARY_MAX_BYTES;
    if (is_usable) {
        multipart->delimiter_length = boundary.length + 3;
        memcpy(multipart->delimiter, "\n--", 3);
        memcpy(multipart->delimiter + 3, boundary.data, boundary.length);
        buffer_append_char(&multipart->held, '\n');
        multipart->has_break = true;
    }
    buffer_fini(&boundary);
    return is_usable ? 0
                     : err_set(err, "its Content-Type has no boundary of 1 to %d bytes",
                               REDACT_BOUNDARY_MAX_BYTES);
}

static void drop_held(struct redact_multipart *multipart, size_t length)
{
    multipart->held_at += length;
}

static void pass_held(struct redact_multipart *multipart, size_t length, struct buffer *out)
{
    buffer_append(out, held_data(multipart), length);
    drop_held(multipart, length);
}

static void compact_held(struct redact_multipart *multipart)
{
    struct buffer *held = &multipart->held;
    size_t length = held_length(multipart);
    memmove(held->data, held_data(multipart), length);
    held->data[length] = '\0';
    held->length = length;
    multipart->held_at = 0;
}

// Each of these returns 1 if it got on, 0 if it needs more, -1 if nothing can be found any more.

static int fail_head(struct err *err)
{
    return err_set(err, "the head of a part of it has no end");
}

// A line that only begins like a delimiter is content. NULL: there is none, or it is not known yet,
// and then `length` gets how much cannot be the beginning of one.
static const char *find_delimiter(const struct redact_multipart *multipart, size_t *length)
{
    const char *data = held_data(multipart);
    const char *end = data + held_length(multipart);
    const char *at = data;
    size_t kept = multipart->delimiter_length + 1; // with a CR before it
    size_t passed = held_length(multipart) > kept ? held_length(multipart) - kept : 0;
    *length = passed;
    while ((at = memmem(at, (size_t)(end - at), multipart->delimiter,
                        multipart->delimiter_length)) != NULL) {
        const char *next = at + multipart->delimiter_length;
        if (next == end)
            return NULL;
        *length = (size_t)(at - data);
        if (strchr("-\r\n \t", *next) != NULL && *next != '\0')
            return at;
        at = next;
        *length = passed;
    }
    return NULL;
}

static int read_content(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    const char *data = held_data(multipart);
    size_t length;
    const char *found = find_delimiter(multipart, &length);
    bool has_cr = found != NULL && length > 0 && data[length - 1] == '\r';
    length -= has_cr;
    size_t from = multipart->has_break && length > 0 ? 1 : 0;
    if (take_content(multipart, data + from, length - from, out, err) != 0)
        return -1;
    drop_held(multipart, length);
    multipart->has_break &= from == 0;
    if (found == NULL)
        return 0;
    end_part(multipart, out);
    multipart->is_preamble = false;
    drop_held(multipart, multipart->has_break);
    pass_held(multipart, multipart->delimiter_length + has_cr - multipart->has_break, out);
    multipart->has_break = false;
    multipart->stage = STAGE_LINE;
    return 1;
}

static int read_line(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    const char *data = held_data(multipart);
    size_t length = held_length(multipart);
    const char *end = memchr(data, '\n', length);
    if (length >= 2 && memcmp(data, "--", 2) == 0) {
        pass_held(multipart, 2, out);
        multipart->stage = STAGE_EPILOGUE;
        return 1;
    }
    if (end == NULL)
        return length > HEAD_MAX_BYTES ? fail_head(err) : 0;
    pass_held(multipart, (size_t)(end + 1 - data), out);
    multipart->stage = STAGE_HEAD;
    return 1;
}

// Where a part's head ends, its empty line with it; 0: it has not come.
static size_t head_length(const struct redact_multipart *multipart)
{
    const char *at = held_data(multipart);
    const char *end = at + held_length(multipart);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            return 0;
        bool is_empty = line_end == at || (line_end == at + 1 && *at == '\r');
        at = line_end + 1;
        if (is_empty)
            return (size_t)(at - held_data(multipart));
    }
    return 0;
}

static int read_head(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    size_t length = head_length(multipart);
    if (length == 0)
        return held_length(multipart) > HEAD_MAX_BYTES ? fail_head(err) : 0;
    char *head = strndup(held_data(multipart), length);
    begin_part(multipart, head);
    free(head);
    pass_held(multipart, length, out);
    hold_break(multipart);
    multipart->stage = STAGE_CONTENT;
    return 1;
}

static int read_epilogue(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    size_t length = held_length(multipart);
    int rc = take_outside(held_data(multipart), length, out, err);
    drop_held(multipart, length);
    return rc;
}

static int read_on(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    switch ((enum stage)multipart->stage) {
    case STAGE_CONTENT:
        return read_content(multipart, out, err);
    case STAGE_LINE:
        return read_line(multipart, out, err);
    case STAGE_HEAD:
        return read_head(multipart, out, err);
    case STAGE_EPILOGUE:
        return read_epilogue(multipart, out, err);
    }
    return -1;
}

int redact_multipart_write(struct redact_multipart *multipart, const char *data, size_t length,
                           struct buffer *out, struct err *err)
{
    int rc;
    buffer_append(&multipart->held, data, length);
    while ((rc = read_on(multipart, out, err)) > 0)
        ;
    compact_held(multipart);
    return rc;
}

int redact_multipart_finish(struct redact_multipart *multipart, struct buffer *out, struct err *err)
{
    struct buffer *held = &multipart->held;
    int rc = 0;
    if (multipart->stage == STAGE_CONTENT)
        rc = take_content(multipart, held->data + multipart->has_break,
                          held->length - multipart->has_break, out, err);
    else if (held->length > 0)
        rc = fail_head(err);
    buffer_clear(held);
    end_part(multipart, out);
    return rc;
}

void redact_multipart_fini(struct redact_multipart *multipart)
{
    redact_mark_fini(&multipart->mark);
    if (multipart->is_searching)
        redact_json_fini(&multipart->json);
    buffer_fini(&multipart->held);
}
