// SPDX-License-Identifier: MIT
// JSON that comes in pieces, with the values of listed fields replaced and every other byte kept.
//
// This finds where names and values begin and end, and takes no more: libraries that read JSON in
// pieces keep each token in memory, whatever its size, and do not say where it stood. All that
// jansson reads is understood, and more (values one after the other, a comma too many).
//
// A field of the list is a name ("password": at any depth) or a path ("user.token", "/user/token":
// from the top; arrays are no steps of it).
//
// Owner: whoever declared it. Thread: one at a time. Memory: the names on the way down to a value.
#ifndef HARK_HTTP_REDACT_JSON_H
#define HARK_HTTP_REDACT_JSON_H

#include "hark/buffer.h"
#include "hark/config.h"
#include "hark/err.h"
#include "redact_mark.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redact_json_frame {
    bool is_object;
    size_t path_length; // of the names above
};

struct redact_json {
    const struct config_list *names;
    const unsigned char *key;
    bool is_declared;  // else what turns out to be no JSON is passed on
    bool is_undecided; // nothing but space and digits has come
    bool is_passing;   // it is no JSON

    int expected;  // enum expected
    int token;     // enum token
    bool is_name;  // of the string being read
    uint32_t unit; // of an escape \uXXXX
    int unit_digits;
    uint32_t high; // a surrogate that waits for its other half; 0: none
    uint64_t offset;

    struct redact_json_frame *frames;
    size_t depth;
    size_t capacity;
    struct buffer path; // names from the top, each with a NUL behind it
    struct buffer name; // the one being read

    bool must_hide; // the value that comes next
    bool is_hiding;
    bool is_hiding_text; // the hidden value is a string
    size_t hidden_depth;
    struct redact_mark mark;
};

void redact_json_init(struct redact_json *json, const struct config_list *names,
                      const unsigned char *key, bool is_declared);
// Appends what is known so far. -1: it is no JSON, and what follows cannot be searched.
int redact_json_write(struct redact_json *json, const char *data, size_t length, struct buffer *out,
                      struct err *err);
// A line break that is no part of the text: tokens end, nothing is appended.
void redact_json_break(struct redact_json *json, struct buffer *out);
// The text has ended, and another may begin.
void redact_json_finish(struct redact_json *json, struct buffer *out);
void redact_json_fini(struct redact_json *json);

#endif
