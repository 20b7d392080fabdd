// SPDX-License-Identifier: MIT
// The body of POST /api/v1/replay, with any text in it.
#include "fuzz.h"

#include "control/replay_body.h"

static void check(const struct replay_options *options)
{
    struct err err = {0};
    assert(replay_check_options(options, &err) == 0);
    assert((options->range_count > 0) != (options->filter != NULL));
    for (size_t i = 0; i < options->range_count; i++)
        assert(options->ranges[i].first > 0 && options->ranges[i].last > 0 &&
               options->ranges[i].last < INT64_MAX);
    assert(options->command != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct replay_body body = {0};
    struct err err = {0};
    char *text = fuzz_text(data, size);
    enum replay_body_result result = replay_body_read(&body, text, strlen(text), &err);
    assert(err.is_set == (result != REPLAY_BODY_READ));
    if (result == REPLAY_BODY_READ)
        check(&body.options);
    replay_body_fini(&body);
    free(text);
    return 0;
}
