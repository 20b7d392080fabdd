// SPDX-License-Identifier: MIT
// Header and trailer fields in wire order, with their case and their repeats (RFC 9110 section 5).
#ifndef HARK_FIELDS_H
#define HARK_FIELDS_H

#include "hark/buffer.h"
#include "hark/err.h"
#include "hark/mem.h"

#include <stdbool.h>
#include <stddef.h>

// Both texts are NUL-terminated and live in the arena given to fields_add().
struct field {
    const char *name;
    const char *value; // without white space around it
    size_t name_length;
    size_t value_length;
};

// Zero-initialised is empty. The array lives in the arena, too.
struct fields {
    struct field *items;
    size_t count;
    size_t capacity;
};

void fields_add(struct fields *fields, struct arena *arena, const char *name, size_t name_length,
                const char *value, size_t value_length);
// The first field of that name (case-insensitive), or NULL.
const struct field *fields_find(const struct fields *fields, const char *name);
size_t fields_count_name(const struct fields *fields, const char *name);
bool field_is_named(const struct field *field, const char *name);
// Bytes as "Name: value\r\n" lines.
size_t fields_wire_bytes(const struct fields *fields);

// Does a comma-separated list field (all fields of that name, RFC 9110 section 5.6.1) hold
// `token`, case-insensitively?
bool fields_list_has(const struct fields *fields, const char *name, const char *token);

// The stored form: [["Name","value"],…]. Returns 1 if some text was not UTF-8 and was mapped as
// Latin-1, else 0.
int fields_to_json(const struct fields *fields, struct buffer *out);
// Reads the stored form (any well-formed JSON of that shape). 0 or -1.
int fields_from_json(struct fields *fields, struct arena *arena, const char *json, struct err *err);
void fields_copy(struct fields *to, struct arena *arena, const struct fields *from);

#endif
