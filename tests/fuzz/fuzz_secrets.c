// SPDX-License-Identifier: MIT
// Masking of header fields and URLs. The input is a field name, a newline, and a value that is
// also taken for a URL.
#include "fuzz.h"

#include "hark/secrets.h"

// Masking again must find nothing, and say that it changed something only if it did.
static void check_field(const char *name, const char *value)
{
    struct buffer once = {0};
    struct buffer twice = {0};
    buffer_append_text(&once, "");
    buffer_append_text(&twice, "");
    bool has_secret = secrets_mask_field(name, value, &once);
    assert(has_secret == (strcmp(value, once.data) != 0));
    assert(!secrets_mask_field(name, once.data, &twice));
    assert(strcmp(once.data, twice.data) == 0);
    buffer_fini(&once);
    buffer_fini(&twice);
}

static void check_url(const char *url)
{
    struct buffer once = {0};
    struct buffer twice = {0};
    buffer_append_text(&once, "");
    secrets_mask_url(url, &once);
    assert(!secrets_mask_url(once.data, &twice));
    buffer_fini(&once);
    buffer_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char *rest = text;
    const char *name = fuzz_next_line(&rest);
    if (rest != NULL) {
        check_field(name, rest);
        check_field("Cookie", rest);
        check_field("Authorization", rest);
        check_url(rest);
    }
    free(text);
    return 0;
}
