// SPDX-License-Identifier: MIT
// Which parts of a field's value are secret: of credentials what follows the scheme, of cookies
// their values, of anything else the whole value.
#ifndef HARK_HTTP_SECRET_PARTS_H
#define HARK_HTTP_SECRET_PARTS_H

#include "hark/buffer.h"

#include <stddef.h>

// Appends what stands in the place of a secret part.
typedef void (*secret_part_fn)(void *ctx, const char *text, size_t length, struct buffer *out);

// Appends the value, with `replace` called for each secret part of it.
void secret_parts_of_field(const char *name, const char *value, secret_part_fn replace, void *ctx,
                           struct buffer *out);

#endif
