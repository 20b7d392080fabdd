// SPDX-License-Identifier: MIT
// Two texts, divided by the first byte 0xff: a text differs not from itself, and from another one
// whenever their lines do.
#include "fuzz.h"

#include "format/diff_private.h"

static void on_difference(void *ctx, const struct difference *difference)
{
    struct buffer *json = ctx;
    buffer_clear(json);
    difference_append_json(difference, json);
}

static bool differs(const struct buffer *first, const struct buffer *second, bool is_json)
{
    struct buffer json = {0};
    struct diff diff = {.sink = on_difference, .ctx = &json, .side = BODY_RESPONSE};
    if (is_json)
        diff_json(&diff, first, second);
    else
        diff_lines(&diff, "body", first, second);
    buffer_fini(&json);
    return diff.is_different;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *middle = size == 0 ? NULL : memchr(data, 0xff, size);
    size_t length = middle == NULL ? size : (size_t)(middle - data);
    struct buffer first = {0};
    struct buffer second = {0};
    buffer_append(&first, data, length);
    if (middle != NULL)
        buffer_append(&second, middle + 1, size - length - 1);
    buffer_append(&second, "", 0);
    bool is_equal = first.length == second.length &&
                    (first.length == 0 || memcmp(first.data, second.data, first.length) == 0);
    assert(!differs(&first, &first, true) && !differs(&second, &second, false));
    assert(differs(&first, &second, false) == !is_equal);
    assert(differs(&first, &second, true) == differs(&second, &first, true));
    buffer_fini(&first);
    buffer_fini(&second);
    return 0;
}
