// SPDX-License-Identifier: MIT
// UTF-8 as far as the recording needs it (RFC 3629).
#ifndef HARK_UTF8_H
#define HARK_UTF8_H

#include "hark/mem.h"

#include <stdbool.h>
#include <stddef.h>

// Is it all well-formed UTF-8? NUL is a character like others.
bool utf8_is_valid(const char *text, size_t length);

// How many bytes the character at the end of the text still lacks; 0 if none is cut there.
size_t utf8_missing_bytes(const char *text, size_t length);

// The text as it is stored: itself if it is UTF-8, else a zero-terminated copy in the arena that
// takes it for Latin-1; `length` is changed to match.
const char *utf8_from_bytes(struct arena *arena, const char *text, size_t *length);

// The bytes that a text of a row with `headers_latin1` was before it was stored: texts that are no
// UTF-8 are stored as if they were Latin-1. Returns `text` itself if it was stored as it is, else
// a copy in the arena; `length` is changed to match.
const char *utf8_restore_bytes(struct arena *arena, const char *text, size_t *length);

#endif
