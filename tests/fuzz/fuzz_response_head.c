// SPDX-License-Identifier: MIT
// Response heads, line by line as libcurl hands them over.
#include "fuzz.h"

#include "hark/message.h"

// What the arena may hold for each byte of the input: an item of the array, grown by doubling, for
// a field of three bytes.
#define ARENA_BYTES_A_BYTE 200
#define ARENA_BYTES_AT_ALL 65536

static int add_line(struct response_head *head, const uint8_t *line, size_t length)
{
    char *copy = mem_calloc(1, length + (length == 0));
    memcpy(copy, line, length);
    struct err err = {0};
    int result = response_head_add_line(head, copy, length, &err);
    assert(err.is_set == (result != 0));
    free(copy);
    return result;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void check_fields(const struct response_head *head)
{
    assert(head->fields.count <= RESPONSE_FIELDS_MAX);
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct field *field = &head->fields.items[i];
        size_t length = field->value_length;
        assert(text_is_token(field->name, field->name_length));
        assert(text_is_field_value(field->value, length));
        assert(strlen(field->value) == length);
        assert(length == 0 || !is_blank(field->value[0]));
        assert(length == 0 || !is_blank(field->value[length - 1]));
    }
}

static void check_body_length(const struct response_head *head, const char *method)
{
    struct err err = {0};
    int64_t length = -99;
    int result = response_head_body_length(head, method, &length, &err);
    assert(err.is_set == (result != 0));
    assert(result != 0 || length >= BODY_LENGTH_UNTIL_CLOSE);
    if (result == 0 && !status_has_body(head->status, method))
        assert(length >= 0);
}

// Adds line after line up to the end of the head; returns how many bytes that took, or 0 if a line
// was refused.
static size_t add_lines(struct response_head *head, const uint8_t *data, size_t size)
{
    size_t begin = 0;
    while (begin < size && !head->is_complete) {
        const uint8_t *end = memchr(data + begin, '\n', size - begin);
        size_t length = end == NULL ? size - begin : (size_t)(end - data) + 1 - begin;
        if (add_line(head, data + begin, length) != 0)
            return 0;
        begin += length;
    }
    return begin;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct response_head head = {.arena = &arena};
    size_t taken = add_lines(&head, data, size);
    const uint8_t *fields = memchr(data, '\n', taken);
    if (fields != NULL)
        assert(memchr(fields, '\0', taken - (size_t)(fields - data)) == NULL);
    check_fields(&head);
    if (head.is_complete) {
        assert(head.status >= 100 && head.status <= 999);
        assert(head.reason != NULL && strlen(head.version) == 8);
        check_body_length(&head, "GET");
        check_body_length(&head, "HEAD");
    }
    assert(arena.bytes <= size * ARENA_BYTES_A_BYTE + ARENA_BYTES_AT_ALL);
    media_type(&head.fields, &arena);
    content_encoding(&head.fields, &arena);
    arena_fini(&arena);
    return 0;
}
