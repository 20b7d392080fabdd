// SPDX-License-Identifier: MIT
// The bytes of a request head, checked before a tolerant parser gets them (RFC 9112 sections 2.2,
// 3, 5 and 11).
//
// Pure functions, any thread.
#ifndef HARK_RAW_HEAD_H
#define HARK_RAW_HEAD_H

#include "hark/err.h"
#include "hark/message.h"

#include <stddef.h>

// How long the head at the beginning of `bytes` is, with its empty line and with empty lines
// before it; 0 if its end is not there.
size_t raw_head_length(const char *bytes, size_t length);

// Reads the head, of raw_head_length() bytes, into `head` and `fields`, whose texts go into the
// arena. Returns 0, or the status to answer with the reason in err: for what depends on the bytes
// (bare CR and LF, NUL and other controls, folded lines, names, the request line), and for all that
// request_head_check() refuses. What was read before the mistake is there all the same; the three
// texts of `head` are never NULL.
int raw_head_parse(const char *bytes, size_t length, struct arena *arena, struct request_head *head,
                   struct fields *fields, struct err *err);

#endif
