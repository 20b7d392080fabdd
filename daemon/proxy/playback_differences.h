// SPDX-License-Identifier: MIT
// In what two requests differ: weighed, to find the closest, or told as part of a sentence.
#ifndef HARK_PROXY_PLAYBACK_DIFFERENCES_H
#define HARK_PROXY_PLAYBACK_DIFFERENCES_H

#include "hark/buffer.h"
#include "hark/fields.h"

#include <stdbool.h>
#include <stddef.h>

#define DIFFERENCES_SHOWN_MAX 8

// Which key of the configuration would have made what is recorded as a mark equal.
enum redact_key {
    REDACT_NOTHING,
    REDACT_HEADERS,
    REDACT_QUERY,
    REDACT_JSON,
    REDACT_FORM,
    REDACT_KEY_COUNT
};

// Owner: whoever declared it.
struct differences {
    struct buffer *out; // NULL: they are only weighed
    int count;
    int weight;
    bool wants[REDACT_KEY_COUNT]; // keys that the recording was made with, and that are not set
};

// Owner: whoever tells it.
struct difference {
    int weight;
    enum redact_key key;
    const char *what;
    const char *here; // NULL: there is none
    const char *there;
};

void differences_add(struct differences *differences, const struct difference *difference);
void differences_compare_texts(struct differences *differences, int weight, const char *what,
                               const char *here, const char *there);
// Names with values; the n-th of a name is compared with the n-th.
void differences_compare_lists(struct differences *differences, enum redact_key key,
                               const struct fields *here, const struct fields *there);

// A value in quotes, in one line, cut if it is long.
void differences_append_value(struct buffer *out, const char *value, size_t length);

#endif
