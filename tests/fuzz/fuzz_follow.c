// SPDX-License-Identifier: MIT
// Where a listener was, as it says itself (Last-Event-ID): any text. What is a position must be one
// that a follow can go on from, and tells again in the same words.
#include "recording.h"

#include "hark/store_follow.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_make_recording(NULL);
    return 0;
}

// The caller frees it.
static char *go_on_from(const char *position)
{
    struct err err = {0};
    struct buffer out = {0};
    struct store_follow_options options = {.position = position};
    struct store_follow *follow = store_follow_create(fuzz_reader, &options, &err);
    assert(follow != NULL);
    store_follow_position(follow, &out);
    store_follow_destroy(follow);
    char *told = mem_strndup((const char *)out.data, out.length);
    buffer_fini(&out);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    if (store_follow_is_position(text)) {
        char *once = go_on_from(text);
        assert(store_follow_is_position(once));
        char *twice = go_on_from(once);
        assert(strcmp(once, twice) == 0);
        free(once);
        free(twice);
    }
    free(text);
    return 0;
}
