// SPDX-License-Identifier: MIT
// JSON that is written as it grows: commas are put where they belong, and what has been made goes
// out in pieces, so that texts of any size pass through a small buffer.
//
// In an object each value has a key, in an array NULL stands for it.
#ifndef HARK_JSON_OUT_H
#define HARK_JSON_OUT_H

#include "hark/base64.h"
#include "hark/buffer.h"
#include "hark/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// `out` is set by the user, who ends it with json_out_fini(). Without it all stays in `line`.
struct json_out {
    FILE *out;
    struct buffer line; // made, not yet written
    bool wants_comma;
};

void json_out_fini(struct json_out *json);
// Writes what is held. -1 if `out` has failed.
int json_out_flush(struct json_out *json);
// The same, once enough is held.
int json_out_flush_if_full(struct json_out *json);

void json_put_open(struct json_out *json, const char *key, char bracket); // '{' or '['
void json_put_close(struct json_out *json, char bracket);                 // '}' or ']'
void json_put_newline(struct json_out *json);                             // between values

void json_put_text(struct json_out *json, const char *key, const char *text); // NULL gives null
void json_put_text_n(struct json_out *json, const char *key, const char *text, size_t length);
void json_put_integer(struct json_out *json, const char *key, int64_t value);
// A number that is null where nothing is known.
void json_put_optional(struct json_out *json, const char *key, int64_t value, int64_t null);
// Thousandths of what the number counts: microseconds as milliseconds, 1500 as 1.5.
void json_put_thousandths(struct json_out *json, const char *key, int64_t value);
// Any other number, in its digits.
void json_put_number(struct json_out *json, const char *key, const char *digits);
void json_put_bool(struct json_out *json, const char *key, bool value);
// A text that is JSON itself; anything else becomes a string, NULL null.
void json_put_literal(struct json_out *json, const char *key, const char *text);
void json_put_fields(struct json_out *json, const char *key, const struct fields *fields);

// A string that comes in pieces: UTF-8, which the pieces may cut anywhere, or bytes as base64.
// Zero-initialised but for `json` and `is_base64`. Owner: whoever declared it.
struct json_stream {
    struct json_out *json;
    bool is_base64;
    struct base64_stream base64;
    char cut[4]; // the beginning of a character
    size_t cut_length;
};
void json_stream_begin(struct json_stream *stream, const char *key);
int json_stream_add(struct json_stream *stream, const void *data, size_t length);
void json_stream_end(struct json_stream *stream);

// Bytes in one string, whole.
int json_put_base64(struct json_out *json, const char *key, const void *data, size_t length);

#endif
