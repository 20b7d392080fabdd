// SPDX-License-Identifier: MIT
// Undoing content codings (RFC 9110 section 8.4.1), as a stream: gzip, x-gzip, deflate (with zlib's
// frame, and bare as some servers send it), br, zstd, identity, and lists of them.
//
// Memory does not depend on the body's size; zstd windows over 8 MiB are refused (RFC 9659). How
// much may come out is for the caller to decide in the sink; what happens in front of it, between
// two codings, is bounded by decoder_bound().
#ifndef HARK_CODING_H
#define HARK_CODING_H

#include "hark/err.h"

#include <stdbool.h>
#include <stddef.h>

// What a bounded decoder may unpack at once, and for each byte that it is given. Data that gzip has
// packed once never grows by more than the latter.
#define DECODER_BURST_BYTES ((size_t)32 * 1024 * 1024)
#define DECODER_GROWTH      1024

// The field that stands for Content-Encoding in imported exchanges whose body is not coded any
// more.
#define CODING_UNDONE_FIELD "Hark-Undone-Content-Encoding"

// Takes decoded bytes, borrowed until it returns. Returns 0 to go on, a positive number to stop.
typedef int (*coding_sink_fn)(void *ctx, const void *data, size_t length);

// Thread: one at a time.
struct decoder;

// `content_encoding` is the field's value, the coding applied first standing first; NULL and "" are
// identity. NULL if a coding in it is unknown.
struct decoder *decoder_create(const char *content_encoding, struct err *err);
void decoder_destroy(struct decoder *decoder); // takes NULL
// From here on the bytes that all its codings give out are counted: too many are an error. For what
// strangers send to a thread on which others wait.
void decoder_bound(struct decoder *decoder);

// Gives encoded bytes; what they decode to goes to the sink. Returns 0, the sink's positive number,
// or -1 if the bytes are corrupt: the message says where, and the sink has got all that came
// before, and the decoder can only be destroyed.
int decoder_write(struct decoder *decoder, const void *data, size_t length, coding_sink_fn sink,
                  void *ctx, struct err *err);
// Goes on where the sink stopped; the bytes that were given must still be there. Returns as
// decoder_write() does.
int decoder_resume(struct decoder *decoder, coding_sink_fn sink, void *ctx, struct err *err);
// Says that there is no more. -1 if the encoded bytes break off in the middle; no bytes at all are
// no error, since that is what the answer to HEAD has.
int decoder_finish(const struct decoder *decoder, struct err *err);

#endif
