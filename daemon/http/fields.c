// SPDX-License-Identifier: MIT
// Field lists: an array of names and values in an arena, never sorted, never merged.
#include "hark/fields.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

static struct field *next_item(struct fields *fields, struct arena *arena)
{
    if (fields->count == fields->capacity) {
        size_t capacity = fields->capacity == 0 ? 16 : fields->capacity * 2;
        struct field *items = arena_alloc(arena, capacity * sizeof(*items));
        if (fields->count > 0)
            memcpy(items, fields->items, fields->count * sizeof(*items));
        fields->items = items;
        fields->capacity = capacity;
    }
    return &fields->items[fields->count++];
}

void fields_add(struct fields *fields, struct arena *arena, const char *name, size_t name_length,
                const char *value, size_t value_length)
{
    struct field *item = next_item(fields, arena);
    item->name = arena_strndup(arena, name, name_length);
    item->name_length = name_length;
    item->value = arena_strndup(arena, value, value_length);
    item->value_length = value_length;
}

bool field_is_named(const struct field *field, const char *name)
{
    return strcasecmp(field->name, name) == 0;
}

const struct field *fields_find(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++)
        if (field_is_named(&fields->items[i], name))
            return &fields->items[i];
    return NULL;
}

size_t fields_count_name(const struct fields *fields, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < fields->count; i++)
        count += field_is_named(&fields->items[i], name);
    return count;
}

size_t fields_wire_bytes(const struct fields *fields)
{
    size_t bytes = 0;
    for (size_t i = 0; i < fields->count; i++)
        bytes += fields->items[i].name_length + fields->items[i].value_length + 4;
    return bytes;
}

static bool value_lists(const struct field *field, const char *token, size_t token_length)
{
    const char *at = field->value;
    while (*at != '\0') {
        at += strspn(at, " \t,");
        size_t length = strcspn(at, " \t,;");
        if (length == token_length && strncasecmp(at, token, length) == 0)
            return true;
        at += strcspn(at, ",");
    }
    return false;
}

bool fields_list_has(const struct fields *fields, const char *name, const char *token)
{
    size_t token_length = strlen(token);
    for (size_t i = 0; i < fields->count; i++)
        if (field_is_named(&fields->items[i], name) &&
            value_lists(&fields->items[i], token, token_length))
            return true;
    return false;
}

int fields_to_json(const struct fields *fields, struct buffer *out)
{
    int is_latin1 = 0;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *item = &fields->items[i];
        buffer_append_text(out, i == 0 ? "[" : ",[");
        is_latin1 |= buffer_append_json_string(out, item->name, item->name_length);
        buffer_append_char(out, ',');
        is_latin1 |= buffer_append_json_string(out, item->value, item->value_length);
        buffer_append_char(out, ']');
    }
    buffer_append_char(out, ']');
    return is_latin1;
}

static int add_pair(struct fields *fields, struct arena *arena, const json_t *pair, struct err *err)
{
    const json_t *name = json_array_get(pair, 0);
    const json_t *value = json_array_get(pair, 1);
    if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_string(value))
        return err_set(err, "header list: field %zu is not [\"Name\",\"value\"]", fields->count);
    fields_add(fields, arena, json_string_value(name), json_string_length(name),
               json_string_value(value), json_string_length(value));
    return 0;
}

int fields_from_json(struct fields *fields, struct arena *arena, const char *json, struct err *err)
{
    json_error_t problem;
    json_t *list = json_loads(json, JSON_ALLOW_NUL, &problem);
    if (list == NULL)
        return err_set(err, "header list: %s", problem.text);
    int result = 0;
    if (!json_is_array(list))
        result = err_set(err, "header list: not an array");
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++)
        result = add_pair(fields, arena, json_array_get(list, i), err);
    json_decref(list);
    return result;
}

void fields_copy(struct fields *to, struct arena *arena, const struct fields *from)
{
    *to = (struct fields){0};
    for (size_t i = 0; i < from->count; i++) {
        const struct field *item = &from->items[i];
        fields_add(to, arena, item->name, item->name_length, item->value, item->value_length);
    }
}
