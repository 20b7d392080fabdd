// SPDX-License-Identifier: MIT
// Request heads, from the bytes on the wire to what is decided about them.
#include "fuzz.h"

#include "hark/message.h"
#include "hark/raw_head.h"

static void check_good_head(const struct request_head *head)
{
    const struct fields *fields = head->fields;
    size_t lengths = fields_count_name(fields, "Content-Length");
    size_t codings = fields_count_name(fields, "Transfer-Encoding");
    assert(lengths + codings <= 1);
    assert(fields_count_name(fields, "Host") <= 1);
    assert(text_is_token(head->method, strlen(head->method)));
    assert(strncmp(head->version, "HTTP/1.", 7) == 0);
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        assert(text_is_token(field->name, field->name_length));
        assert(text_is_field_value(field->value, field->value_length));
        assert(strlen(field->value) == field->value_length);
        field_is_hop_by_hop(fields, field);
    }
}

static void check_body_length(const struct request_head *head, int64_t body_length)
{
    const struct field *length = fields_find(head->fields, "Content-Length");
    if (fields_find(head->fields, "Transfer-Encoding") != NULL)
        assert(body_length == BODY_LENGTH_CHUNKED);
    else if (length == NULL)
        assert(body_length == 0);
    else
        assert(body_length >= 0 && body_length == strtoll(length->value, NULL, 10));
}

static void check(const char *bytes, size_t length)
{
    struct arena arena = {0};
    struct fields fields = {0};
    struct request_head head = {.fields = &fields};
    struct err err = {0};
    int status = raw_head_parse(bytes, length, &arena, &head, &fields, &err);
    assert(err.is_set == (status != 0));
    assert(status == 0 || (status >= 400 && status <= 599));
    assert(head.method != NULL && head.target != NULL && head.version != NULL);

    head.fields = &fields;
    struct err again = {0};
    int64_t body_length = -99;
    int second = request_head_check(&head, &body_length, &again);
    assert(again.is_set == (second != 0));
    if (status == 0) {
        assert(second == 0);
        check_good_head(&head);
        check_body_length(&head, body_length);
    }
    media_type(&fields, &arena);
    content_encoding(&fields, &arena);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length = raw_head_length((const char *)data, size);
    assert(length <= size);
    if (length == 0)
        return 0;
    // In memory of its own, so that nothing looks behind the head.
    char *head = mem_calloc(1, length);
    memcpy(head, data, length);
    assert(raw_head_length(head, length) == length);
    check(head, length);
    free(head);
    return 0;
}
