// SPDX-License-Identifier: MIT
// What the body of POST /api/v1/replay asks for.
#ifndef HARK_CONTROL_REPLAY_BODY_H
#define HARK_CONTROL_REPLAY_BODY_H

#include "hark/replay.h"

#include <jansson.h>

// Owner: whoever declared it. Zero-initialised is empty; the options borrow from it.
struct replay_body {
    json_t *json;
    struct arena arena;
    struct replay_options options;
    struct filter *filter;
};

enum replay_body_result {
    REPLAY_BODY_READ,
    REPLAY_BODY_BAD,       // err says what is wrong, and where
    REPLAY_BODY_BAD_FILTER // the same of a filter
};

// Reads the JSON text. The recording is not looked at.
enum replay_body_result replay_body_read(struct replay_body *body, const char *text, size_t length,
                                         struct err *err);
void replay_body_fini(struct replay_body *body);

#endif
