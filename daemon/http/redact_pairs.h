// SPDX-License-Identifier: MIT
// "name=value&…" that comes in pieces: the query of a URL, a form
// (application/x-www-form-urlencoded), or any text that may have URLs in it.
//
// Owner: whoever declared it. Thread: one at a time. Memory: a name.
#ifndef HARK_HTTP_REDACT_PAIRS_H
#define HARK_HTTP_REDACT_PAIRS_H

#include "hark/buffer.h"
#include "hark/config.h"
#include "redact_mark.h"

#include <stdbool.h>
#include <stddef.h>

struct redact_pairs {
    const struct config_list *names;
    const unsigned char *key;
    bool has_urls; // it begins with no pair, and pairs end with the URL they are in
    bool is_in_pairs;
    bool is_in_name;
    bool is_hiding;     // in the value of a name that is listed
    struct buffer name; // as spelt
    struct redact_mark mark;
    char escape[3]; // of the hidden value, not complete yet
    size_t escape_length;
};

void redact_pairs_init(struct redact_pairs *pairs, const struct config_list *names,
                       const unsigned char *key, bool has_urls);
// Appends what is known of the text so far, with the listed values replaced.
void redact_pairs_write(struct redact_pairs *pairs, const char *text, size_t length,
                        struct buffer *out);
void redact_pairs_finish(struct redact_pairs *pairs, struct buffer *out);
void redact_pairs_fini(struct redact_pairs *pairs);

#endif
