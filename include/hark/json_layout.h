// SPDX-License-Identifier: MIT
// JSON (RFC 8259) laid out for reading, every token as it was sent: numbers keep their digits,
// objects their order and their repeated keys.
#ifndef HARK_JSON_LAYOUT_H
#define HARK_JSON_LAYOUT_H

#include "hark/terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Is it one JSON text (of any kind, not only an object)? Memory grows with the text.
bool json_is_valid(const char *text, size_t length);

// Writes a valid text in lines, indented by two, without a newline at the end.
void json_layout_write(FILE *out, const struct terminal *terminal, const char *text, size_t length);

#endif
