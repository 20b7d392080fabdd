// SPDX-License-Identifier: MIT
// Text in any character set as UTF-8, for showing.
#ifndef HARK_CHARSET_H
#define HARK_CHARSET_H

#include "hark/coding.h"
#include "hark/err.h"

#include <stddef.h>

#define CHARSET_NAME_MAX 40

// Writes the name of the set into `name`: what a byte order mark in `head` (the first bytes of the
// text) says, else the parameter `charset` of `content_type` (may be NULL), else "UTF-8" if the
// text is that, else "ISO-8859-1", in which every byte has a meaning.
void charset_find(const char *content_type, const void *head, size_t head_length, bool is_utf8,
                  char name[CHARSET_NAME_MAX]);

// Turns a stream of that set into UTF-8; a byte that means nothing becomes U+FFFD, and a byte
// order mark is left out. Thread: one at a time.
struct charset_reader;

// NULL if the system does not know the set.
struct charset_reader *charset_reader_create(const char *name, struct err *err);
void charset_reader_destroy(struct charset_reader *reader); // takes NULL
// Both return 0 or the sink's positive number.
int charset_reader_write(struct charset_reader *reader, const void *data, size_t length,
                         coding_sink_fn sink, void *ctx);
int charset_reader_finish(struct charset_reader *reader, coding_sink_fn sink, void *ctx);

#endif
