// SPDX-License-Identifier: MIT
// The mark of a value that comes in pieces.
#ifndef HARK_HTTP_REDACT_MARK_H
#define HARK_HTTP_REDACT_MARK_H

#include "hark/buffer.h"

#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDACT_MARK_HEAD_BYTES 64

// Owner: whoever declared it. Zero-initialised is none.
struct redact_mark {
    const unsigned char *key; // see struct redaction
    gnutls_hmac_hd_t hmac;    // NULL: all of the value is in `head`
    uint64_t length;
    char head[REDACT_MARK_HEAD_BYTES]; // the value's first bytes
};

void redact_mark_begin(struct redact_mark *mark, const unsigned char *key);
void redact_mark_add(struct redact_mark *mark, const void *data, size_t length);
// Is the value so far this text?
bool redact_mark_is(const struct redact_mark *mark, const char *text);
// Appends what stands in the place of the value, and ends it.
void redact_mark_end(struct redact_mark *mark, struct buffer *out);
void redact_mark_fini(struct redact_mark *mark); // of one that does not come to its end

#endif
