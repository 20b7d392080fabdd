// SPDX-License-Identifier: MIT
// UTF-8 as far as the recording needs it (RFC 3629).
#ifndef HARK_UTF8_H
#define HARK_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Is it all well-formed UTF-8? NUL is a character like others.
bool utf8_is_valid(const char *text, size_t length);

// How many bytes the character at the end of the text still lacks; 0 if none is cut there.
size_t utf8_missing_bytes(const char *text, size_t length);

#endif
