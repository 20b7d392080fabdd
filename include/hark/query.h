// SPDX-License-Identifier: MIT
// The query of a target as a list of parameters (application/x-www-form-urlencoded, WHATWG URL).
#ifndef HARK_QUERY_H
#define HARK_QUERY_H

#include "hark/fields.h"
#include "hark/mem.h"

// The query (without "?"; NULL: none) with the parameter `name` set to `value`, both plain text:
// the first of that name gets the value in its place, others of that name are left out, and if
// there is none it is added at the end. Everything else stays as it is spelt. In the arena.
const char *query_set(struct arena *arena, const char *query, const char *name, const char *value);

// The parameters in their order, decoded; one without "=" has an empty value. NULL has none.
void query_parse(struct fields *parameters, struct arena *arena, const char *query);

#endif
