// SPDX-License-Identifier: MIT
// Raw request heads. One walk over the lines; a line is everything up to CRLF, and a CR or LF
// anywhere else is an error, since the next recipient may take it for a line end.
#include "hark/raw_head.h"

#include <string.h>

static size_t skip_empty_lines(const char *bytes, size_t length)
{
    size_t at = 0;
    while (length - at >= 2 && bytes[at] == '\r' && bytes[at + 1] == '\n')
        at += 2;
    return at;
}

size_t raw_head_length(const char *bytes, size_t length)
{
    size_t begin = skip_empty_lines(bytes, length);
    // With bare line feeds as line ends, too: such a head is complete, and will be refused.
    for (size_t i = begin; i < length; i++) {
        if (bytes[i] != '\n')
            continue;
        size_t next = i + 1;
        if (next < length && bytes[next] == '\r')
            next++;
        if (next < length && bytes[next] == '\n')
            return next + 1;
    }
    return 0;
}

static bool find_line_end(const char *bytes, size_t length, size_t *line_length)
{
    const char *end = memchr(bytes, '\r', length);
    if (end == NULL || end + 1 == bytes + length || end[1] != '\n')
        return false;
    *line_length = (size_t)(end - bytes);
    return memchr(bytes, '\n', *line_length) == NULL;
}

// Up to whatever may be meant as a line end.
static size_t line_bytes(const char *bytes, size_t length)
{
    size_t count = 0;
    while (count < length && bytes[count] != '\r' && bytes[count] != '\n')
        count++;
    return count;
}

static size_t word_length(const char *text, size_t length)
{
    const char *space = memchr(text, ' ', length);
    return space == NULL ? length : (size_t)(space - text);
}

// Method, target and version, as far as they are there.
static void split_request_line(const char *text, size_t length, struct arena *arena,
                               struct request_head *head)
{
    const char *end = text + length;
    size_t method_length = word_length(text, length);
    const char *target = text + method_length;
    target += target < end;
    size_t target_length = word_length(target, (size_t)(end - target));
    const char *version = target + target_length;
    version += version < end;
    head->method = arena_strndup(arena, text, method_length);
    head->target = arena_strndup(arena, target, target_length);
    head->version = arena_strndup(arena, version, (size_t)(end - version));
}

static bool is_visible(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < '!' || *at == 0x7f)
            return false;
    return true;
}

static int check_request_line(const struct request_head *head, size_t line_length, struct err *err)
{
    size_t method_length = strlen(head->method);
    size_t target_length = strlen(head->target);
    if (!text_is_token(head->method, method_length))
        err_set(err, "the method is no token");
    else if (target_length == 0)
        err_set(err, "the request line has no target");
    else if (!text_is_version(head->version))
        err_set(err, "the request line does not end with a version such as HTTP/1.1");
    else if (!is_visible(head->target) || method_length + target_length + 10 != line_length)
        err_set(err, "control character in the request line");
    return err->is_set ? 400 : 0;
}

static int add_field_line(const char *text, size_t length, struct arena *arena,
                          struct fields *fields, struct err *err)
{
    const char *colon = memchr(text, ':', length);
    if (text[0] == ' ' || text[0] == '\t')
        return err_set(err, "a line of the head begins with white space (obsolete folding)");
    if (colon == NULL)
        return err_set(err, "a line of the head has no colon");
    size_t name_length = (size_t)(colon - text);
    if (!text_is_token(text, name_length))
        return err_set(err, name_length > 0 && strchr(" \t", text[name_length - 1]) != NULL
                                ? "white space before the colon of a field"
                                : "a field name is empty or no token");
    const char *value = colon + 1;
    size_t value_length = length - name_length - 1;
    if (!text_is_field_value(value, value_length))
        return err_set(err, "control character in the value of %.*s", (int)name_length, text);
    while (value_length > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_length--;
    }
    while (value_length > 0 && strchr(" \t", value[value_length - 1]) != NULL)
        value_length--;
    fields_add(fields, arena, text, name_length, value, value_length);
    return 0;
}

static int parse_lines(const char *bytes, size_t length, struct arena *arena,
                       struct request_head *head, struct fields *fields, struct err *err)
{
    size_t at = skip_empty_lines(bytes, length);
    bool is_first = true;
    while (at < length) {
        size_t line_length;
        if (!find_line_end(bytes + at, length - at, &line_length)) {
            if (is_first)
                split_request_line(bytes + at, line_bytes(bytes + at, length - at), arena, head);
            return err_set(err, "a line of the head does not end with CR LF");
        }
        if (line_length == 0)
            return 0;
        if (is_first) {
            split_request_line(bytes + at, line_length, arena, head);
            if (check_request_line(head, line_length, err) != 0)
                return -1;
        } else if (add_field_line(bytes + at, line_length, arena, fields, err) != 0) {
            return -1;
        }
        is_first = false;
        at += line_length + 2;
    }
    return 0;
}

int raw_head_parse(const char *bytes, size_t length, struct arena *arena, struct request_head *head,
                   struct fields *fields, struct err *err)
{
    int64_t ignored_length;
    *head = (struct request_head){.method = "", .target = "", .version = "", .fields = fields};
    *fields = (struct fields){0};
    if (parse_lines(bytes, length, arena, head, fields, err) != 0)
        return 400;
    return request_head_check(head, &ignored_length, err);
}
