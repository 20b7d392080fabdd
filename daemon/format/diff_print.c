// SPDX-License-Identifier: MIT
// A difference as JSON, and as lines for people.
#include "hark/diff.h"

#include <stdint.h>
#include <string.h>

static const char *const kind_names[] = {"changed", "added", "removed", "unknown"};
static const char *const side_names[] = {[BODY_REQUEST] = "request", [BODY_RESPONSE] = "response"};

// --- JSON ----------------------------------------------------------------------------------------

static void append_member(struct buffer *out, const char *name, const char *value)
{
    buffer_printf(out, ",\"%s\":", name);
    buffer_append_json_string(out, value, strlen(value));
}

static void append_value(struct buffer *out, const char *name, const struct difference_value *value,
                         bool is_json)
{
    if (value->data == NULL)
        return;
    buffer_printf(out, ",\"%s\":", name);
    if (is_json)
        buffer_append(out, value->data, value->length);
    else
        buffer_append_json_string(out, value->data, value->length);
}

void difference_append_json(const struct difference *difference, struct buffer *out)
{
    buffer_printf(out, "{\"side\":\"%s\"", side_names[difference->side]);
    append_member(out, "where", difference->where);
    append_member(out, "path", difference->path);
    append_member(out, "kind", kind_names[difference->kind]);
    append_value(out, "old", &difference->old, difference->is_json);
    append_value(out, "new", &difference->new, difference->is_json);
    if (difference->note != NULL)
        append_member(out, "note", difference->note);
    buffer_append_char(out, '}');
}

// --- text ----------------------------------------------------------------------------------------

// Where the two values stand in one line if they fit.
#define USUAL_COLUMNS 80
#define ARROW         " -> "
#define VALUE_INDENT  4

static void append_title(const struct difference *difference, struct buffer *title)
{
    if (difference->side == BODY_REQUEST && difference->where[0] != 'm' &&
        difference->where[0] != 'u')
        buffer_append_text(title, "request ");
    buffer_append_text(title, difference->where);
    if (difference->path[0] != '\0')
        buffer_printf(title, " %s", difference->path);
}

static bool fits_in_one_line(const struct difference *difference, size_t title_columns,
                             const struct terminal *terminal)
{
    size_t columns = terminal->columns < USUAL_COLUMNS ? terminal->columns : USUAL_COLUMNS;
    size_t used = title_columns + strlen(": " ARROW) +
                  safe_text_columns(difference->old.data, difference->old.length) +
                  safe_text_columns(difference->new.data, difference->new.length);
    return difference->old.data != NULL && difference->new.data != NULL &&used <= columns;
}

static void write_colored(FILE *out, const struct terminal *terminal, enum color color,
                          const struct difference_value *value, size_t columns)
{
    fputs(terminal_color(terminal, color), out);
    safe_text_write_cut(out, value->data, value->length, columns);
    fputs(terminal_reset(terminal), out);
}

static void write_value_line(FILE *out, const struct terminal *terminal, const char *sign,
                             enum color color, const struct difference_value *value)
{
    if (value->data == NULL)
        return;
    fprintf(out, "  %s%s ", terminal_color(terminal, color), sign);
    bool is_cut = terminal->columns > VALUE_INDENT && terminal->columns != SIZE_MAX;
    write_colored(out, terminal, color, value,
                  is_cut ? terminal->columns - VALUE_INDENT : SIZE_MAX);
    putc('\n', out);
}

static void write_values(const struct difference *difference, const struct terminal *terminal,
                         size_t title_columns, FILE *out)
{
    if (!fits_in_one_line(difference, title_columns, terminal)) {
        putc('\n', out);
        write_value_line(out, terminal, "-", COLOR_RED, &difference->old);
        write_value_line(out, terminal, "+", COLOR_GREEN, &difference->new);
        return;
    }
    fputs(": ", out);
    write_colored(out, terminal, COLOR_RED, &difference->old, SIZE_MAX);
    fputs(ARROW, out);
    write_colored(out, terminal, COLOR_GREEN, &difference->new, SIZE_MAX);
    putc('\n', out);
}

void difference_write(const struct difference *difference, const struct terminal *terminal,
                      FILE *out)
{
    struct buffer title = {0};
    append_title(difference, &title);
    fputs(terminal_color(terminal, COLOR_BOLD), out);
    size_t columns = safe_text_write_cut(out, title.data, title.length, terminal->columns);
    fputs(terminal_reset(terminal), out);
    write_values(difference, terminal, columns, out);
    if (difference->note != NULL)
        fprintf(out, "  %s(%s)%s\n", terminal_color(terminal, COLOR_DIM), difference->note,
                terminal_reset(terminal));
    buffer_fini(&title);
}
