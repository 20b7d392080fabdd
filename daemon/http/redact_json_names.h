// SPDX-License-Identifier: MIT
// Does a field of a JSON text stand in the list?
#ifndef HARK_HTTP_REDACT_JSON_NAMES_H
#define HARK_HTTP_REDACT_JSON_NAMES_H

#include "hark/buffer.h"
#include "hark/config.h"

#include <stdbool.h>

// `path`: the names from the top to the field, each with a NUL behind it.
bool redact_json_names_have(const struct config_list *names, const struct buffer *path,
                            const struct buffer *name);

#endif
