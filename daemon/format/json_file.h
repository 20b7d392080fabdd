// SPDX-License-Identifier: MIT
// A file of JSON read value by value, so that no more than one of them is in memory: jansson parses
// the values, and the user walks over what holds them together.
#ifndef HARK_FORMAT_JSON_FILE_H
#define HARK_FORMAT_JSON_FILE_H

#include "hark/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_FILE_WINDOW_BYTES ((size_t)64 * 1024)

// Owner: whoever declared it; set the first two and zero the rest.
struct json_file {
    int fd;                  // a file that can be read at any place
    int64_t value_max_bytes; // as JSON text
    int64_t at;              // the next byte
    int64_t window_at;
    size_t window_length;
    char window[JSON_FILE_WINDOW_BYTES];

    int64_t value_end; // where the value that is being read becomes too long
    bool is_too_long;  // the last one was: it still is the next one
    int read_errno;
};

// The next byte that is not white space, which stays the next one; -1 at the end, or if the file
// cannot be read.
int json_file_peek(struct json_file *file);
// Takes that byte, which has to be `expected`.
int json_file_take(struct json_file *file, char expected, struct err *err);
// Takes a comma, or the bracket that ends the list: true if there is more.
bool json_file_has_more(struct json_file *file, char bracket, struct err *err);
// The value that begins here; the caller owns it. NULL if there is none. If an integer in it is too
// large for one, all of its integers become real numbers.
json_t *json_file_value(struct json_file *file, struct err *err);
// Passes over the value that begins here, of any length: only its strings and brackets are looked
// at.
int json_file_pass_over(struct json_file *file, struct err *err);

#endif
