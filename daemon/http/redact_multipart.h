// SPDX-License-Identifier: MIT
// A multipart body (RFC 2046 section 5.1) that comes in pieces: the content of parts with a listed
// name (Content-Disposition, RFC 7578) is replaced, and so is that of parts that have parts; parts
// that are JSON are searched. Anything outside of the parts is an error.
//
// Owner: whoever declared it. Thread: one at a time. Memory: the head of a part, and what was given
// last.
#ifndef HARK_HTTP_REDACT_MULTIPART_H
#define HARK_HTTP_REDACT_MULTIPART_H

#include "hark/redact.h"
#include "redact_json.h"
#include "redact_mark.h"

#define REDACT_BOUNDARY_MAX_BYTES 70

struct redact_multipart {
    const struct redaction *rules;
    char delimiter[REDACT_BOUNDARY_MAX_BYTES + 4]; // LF "--" boundary
    size_t delimiter_length;
    int stage;          // enum stage
    struct buffer held; // not decided yet, from `held_at` on
    size_t held_at;     // what stands before it is dropped once for each piece given
    bool has_break;     // the first byte held is no byte of the body, or passed on already
    bool is_preamble;   // no delimiter has come
    bool is_hiding;     // the part's content
    bool is_searching;  // it, as JSON
    struct redact_mark mark;
    struct redact_json json;
};

// -1: the body's type says no boundary, so nothing could be found.
int redact_multipart_init(struct redact_multipart *multipart, const struct redaction *rules,
                          const char *content_type, struct err *err);
int redact_multipart_write(struct redact_multipart *multipart, const char *data, size_t length,
                           struct buffer *out, struct err *err);
int redact_multipart_finish(struct redact_multipart *multipart, struct buffer *out,
                            struct err *err);
void redact_multipart_fini(struct redact_multipart *multipart);

#endif
