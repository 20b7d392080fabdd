// SPDX-License-Identifier: MIT
// Masking what gives access before an exchange leaves the recording: credentials in header fields
// and in URLs. Bodies are not looked into. docs/export.md lists what is masked.
//
// Pure functions; masking twice gives what masking once does.
#ifndef HARK_SECRETS_H
#define HARK_SECRETS_H

#include "hark/buffer.h"
#include "hark/row.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MASK "***"

// Is the value of a parameter of this name (percent-encoded or not) a secret?
bool secret_is_parameter(const char *name, size_t length);

// Each appends the text with its secrets masked, and says whether there were any.
bool secrets_mask_query(const char *query, struct buffer *out); // "a=1&token=x", without "?"
bool secrets_mask_url(const char *url, struct buffer *out);     // any reference, also relative
bool secrets_mask_field(const char *name, const char *value, struct buffer *out);

// Masks query, header fields, trailers and interim answers of a row; new texts are in its arena.
void secrets_mask_row(struct exchange_row *row);

#endif
