// SPDX-License-Identifier: MIT
// A value as the cell of a table.
#include "hark/human.h"
#include "table.h"

#include <inttypes.h>
#include <string.h>

#define BLOB_SHOWN_BYTES 32

static const struct value *find_value(const char *name, size_t count, const char *const *names,
                                      const struct value *values)
{
    static const struct value null = {.type = VALUE_NULL};
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return &values[i];
    return &null;
}

static bool is_number(const struct value *value)
{
    return value->type == VALUE_INTEGER || value->type == VALUE_REAL;
}

static double number_of(const struct value *value)
{
    return value->type == VALUE_INTEGER ? (double)value->integer : value->real;
}

static void append_blob(struct buffer *out, const struct value *value)
{
    buffer_append_text(out, "x'");
    for (size_t i = 0; i < value->length && i < BLOB_SHOWN_BYTES; i++)
        buffer_printf(out, "%02x", (unsigned char)value->data[i]);
    if (value->length > BLOB_SHOWN_BYTES)
        buffer_printf(out, "…' (%zu bytes)", value->length);
    else
        buffer_append_char(out, '\'');
}

static void append_plain(struct buffer *out, const struct value *value)
{
    switch (value->type) {
    case VALUE_NULL:
        break;
    case VALUE_INTEGER:
        buffer_printf(out, "%" PRId64, value->integer);
        break;
    case VALUE_REAL:
        value_append_real(out, value->real);
        break;
    case VALUE_TEXT:
        buffer_append(out, value->data, value->length);
        break;
    case VALUE_BLOB:
        append_blob(out, value);
        break;
    }
}

static void append_time(struct buffer *out, const struct value *value, enum column_kind kind,
                        const struct rows_options *options)
{
    int64_t wall_us;
    if (options->terminal.is_terminal && value->type == VALUE_TEXT &&
        human_parse_timestamp(value->data, &wall_us) == 0)
        kind == COLUMN_CLOCK ? human_append_clock(out, wall_us)
                             : human_append_age(out, options->now_us - wall_us);
    else
        append_plain(out, value);
}

// What state adds to a status: nothing if all went well.
static const char *word_of_state(const struct value *state)
{
    static const struct {
        const char *state;
        const char *word;
    } words[] = {
        {"pending", "pending"},     {"client-abort", "aborted"},    {"upstream-error", "failed"},
        {"truncated", "truncated"}, {"interrupted", "interrupted"},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (state->type == VALUE_TEXT && strcmp(state->data, words[i].state) == 0)
            return words[i].word;
    return NULL;
}

static enum color append_status(struct buffer *out, const struct value *status,
                                const struct value *state, const struct value *error)
{
    const char *word = error->type == VALUE_TEXT ? error->data : word_of_state(state);
    append_plain(out, status);
    if (word)
        buffer_printf(out, "%s%s", out->length > 0 ? " " : "", word);
    if (!word)
        return status->type == VALUE_INTEGER ? color_of_status((int)status->integer) : COLOR_NONE;
    return strcmp(word, "pending") == 0 ? COLOR_DIM : COLOR_RED;
}

struct cell cell_make(const struct rows_options *options, enum column_kind kind, size_t index,
                      size_t count, const char *const *names, const struct value *values)
{
    const struct value *value = &values[index];
    struct buffer text = {0};
    struct cell cell = {.is_number = is_number(value)};
    buffer_append(&text, "", 0);
    if (kind == COLUMN_TIME || kind == COLUMN_CLOCK) {
        append_time(&text, value, kind, options);
        cell.is_number = options->terminal.is_terminal;
    } else if (kind == COLUMN_STATUS) {
        cell.color = append_status(&text, value, find_value("state", count, names, values),
                                   find_value("error", count, names, values));
        cell.is_number = false;
    } else if (kind == COLUMN_MS && is_number(value)) {
        human_append_duration(&text, (int64_t)(number_of(value) * 1000 + 0.5));
    } else if (kind == COLUMN_SIZE && value->type == VALUE_INTEGER) {
        human_append_size(&text, value->integer);
    } else {
        append_plain(&text, value);
    }
    cell.length = text.length;
    cell.text = buffer_take(&text);
    cell.columns = safe_text_columns(cell.text, cell.length);
    return cell;
}
