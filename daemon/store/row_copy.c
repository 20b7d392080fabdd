// SPDX-License-Identifier: MIT
// Copying the values of a row. Offsets become pointers last, because the buffer moves as it grows.
#include "row_copy.h"

#include <stdlib.h>

static struct value take_value(struct buffer *data, sqlite3_stmt *statement, int column)
{
    struct value value = {0};
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        value.type = VALUE_INTEGER;
        value.integer = sqlite3_column_int64(statement, column);
        return value;
    case SQLITE_FLOAT:
        value.type = VALUE_REAL;
        value.real = sqlite3_column_double(statement, column);
        return value;
    case SQLITE_NULL:
        value.type = VALUE_NULL;
        return value;
    case SQLITE_BLOB:
        value.type = VALUE_BLOB;
        break;
    default:
        value.type = VALUE_TEXT;
        break;
    }
    const void *bytes = sqlite3_column_blob(statement, column);
    value.length = (size_t)sqlite3_column_bytes(statement, column);
    buffer_append(data, bytes, value.length);
    buffer_append_char(data, '\0');
    return value;
}

void row_copy_take(struct row_copy *copy, sqlite3_stmt *statement)
{
    size_t count = (size_t)sqlite3_data_count(statement);
    if (count > copy->capacity) {
        copy->values = mem_realloc(copy->values, count * sizeof(*copy->values));
        copy->capacity = count;
    }
    buffer_clear(&copy->data);
    for (size_t i = 0; i < count; i++)
        copy->values[i] = take_value(&copy->data, statement, (int)i);

    const char *at = copy->data.data;
    for (size_t i = 0; i < count; i++) {
        if (copy->values[i].type != VALUE_TEXT && copy->values[i].type != VALUE_BLOB)
            continue;
        copy->values[i].data = at;
        at += copy->values[i].length + 1;
    }
}

size_t row_copy_bytes(const struct row_copy *copy)
{
    return copy->data.capacity + copy->capacity * sizeof(*copy->values);
}

void row_copy_fini(struct row_copy *copy)
{
    buffer_fini(&copy->data);
    free(copy->values);
    *copy = (struct row_copy){0};
}

const char *const *column_names_take(struct arena *arena, sqlite3_stmt *statement)
{
    size_t count = (size_t)sqlite3_column_count(statement);
    const char **names = arena_alloc(arena, (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++)
        names[i] = arena_strdup(arena, sqlite3_column_name(statement, (int)i));
    return names;
}
