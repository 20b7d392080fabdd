// SPDX-License-Identifier: MIT
// A body that comes in pieces, with the values of listed fields replaced: JSON, event streams,
// forms (urlencoded and multipart). Every other byte stays as it is, but content codings are
// undone.
//
// Owner: whoever created it. Thread: one at a time. Memory: some hundred KiB, whatever the size of
// the body.
#ifndef HARK_REDACT_BODY_H
#define HARK_REDACT_BODY_H

#include "hark/buffer.h"
#include "hark/err.h"
#include "hark/fields.h"
#include "hark/redact.h"

#include <stdbool.h>
#include <stddef.h>

struct redact_body;

// `headers` are those of the body's message, `type` is its media type in lower case if they have
// none (NULL: unknown), `coding` is its Content-Encoding (NULL: identity). NULL: nothing is to be
// found in such a body.
struct redact_body *redact_body_create(const struct redaction *rules, const struct fields *headers,
                                       const char *type, const char *coding);
void redact_body_destroy(struct redact_body *body); // takes NULL

// Appends what is known of the body so far. -1: the rest of it cannot be searched, and must not be
// recorded; then the body can only be destroyed.
int redact_body_write(struct redact_body *body, const void *data, size_t length, struct buffer *out,
                      struct err *err);
// Takes everything out of `out`. False: no more of it for now.
typedef bool (*redact_drain_fn)(void *ctx, struct buffer *out);
// The same for a piece that may decode to much: whenever `out` has become large, it is drained.
// 1: the drain wants no more; redact_body_resume() goes on, and until that has returned 0 the piece
// must still be there, and nothing else be done with the body but to destroy it.
int redact_body_write_drained(struct redact_body *body, const void *data, size_t length,
                              struct buffer *out, redact_drain_fn drain, void *drain_ctx,
                              struct err *err);
int redact_body_resume(struct redact_body *body, struct buffer *out, redact_drain_fn drain,
                       void *drain_ctx, struct err *err);
int redact_body_finish(struct redact_body *body, struct buffer *out, struct err *err);

// Was a content coding undone?
bool redact_body_is_decoded(const struct redact_body *body);

#endif
