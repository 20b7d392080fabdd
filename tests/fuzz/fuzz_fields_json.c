// SPDX-License-Identifier: MIT
// Header lists in their stored form: reading any text, and writing any bytes.
#include "fuzz.h"

#include "hark/fields.h"
#include "hark/utf8.h"

// A text that was not UTF-8 has become its bytes as characters.
static void check_text(const char *text, size_t length, const char *read, size_t read_length)
{
    bool is_latin1 = !utf8_is_valid(text, length);
    struct buffer expected = {0};
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_latin1 && c >= 0x80)
            buffer_append_char(&expected, c < 0xc0 ? '\xc2' : '\xc3');
        buffer_append_char(&expected, (char)(is_latin1 && c >= 0xc0 ? c - 0x40 : c));
    }
    assert(read_length == expected.length);
    assert(read_length == 0 || memcmp(read, expected.data, read_length) == 0);
    buffer_fini(&expected);
}

static void check_round_trip(const struct fields *fields, struct arena *arena)
{
    struct buffer json = {0};
    struct fields read = {0};
    struct err err = {0};
    fields_to_json(fields, &json);
    assert(utf8_is_valid(json.data, json.length));
    int result = fields_from_json(&read, arena, json.data, &err);
    assert(result == 0 && read.count == fields->count);
    for (size_t i = 0; i < read.count; i++) {
        const struct field *before = &fields->items[i];
        const struct field *after = &read.items[i];
        check_text(before->name, before->name_length, after->name, after->name_length);
        check_text(before->value, before->value_length, after->value, after->value_length);
    }
    buffer_fini(&json);
}

static void read_text(const char *text)
{
    struct arena arena = {0};
    struct fields fields = {0};
    struct err err = {0};
    int result = fields_from_json(&fields, &arena, text, &err);
    assert(err.is_set == (result != 0));
    if (result == 0)
        check_round_trip(&fields, &arena);
    arena_fini(&arena);
}

// The first half of the input as a name, the second as a value.
static void write_bytes(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct fields fields = {0};
    const char *bytes = (const char *)data;
    fields_add(&fields, &arena, bytes, size / 2, bytes + size / 2, size - size / 2);
    check_round_trip(&fields, &arena);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    read_text(text);
    free(text);
    write_bytes(data, size);
    return 0;
}
