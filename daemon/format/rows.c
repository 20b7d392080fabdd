// SPDX-License-Identifier: MIT
// The formats for programs are written here value by value; a table goes to table.c.
#include "hark/rows.h"

#include "hark/base64.h"
#include "hark/mem.h"
#include "hark/utf8.h"
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rows_printer {
    struct rows_options options;
    struct table *table; // with ROWS_TABLE
    struct buffer line;
    int64_t count;
};

struct rows_printer *rows_printer_create(const struct rows_options *options)
{
    struct rows_printer *printer = mem_calloc(1, sizeof *printer);
    printer->options = *options;
    if (options->format == ROWS_TABLE)
        printer->table = table_create(options);
    return printer;
}

void rows_printer_destroy(struct rows_printer *printer)
{
    if (!printer)
        return;
    table_destroy(printer->table);
    buffer_fini(&printer->line);
    free(printer);
}

int64_t rows_printer_count(const struct rows_printer *printer)
{
    return printer->count;
}

void value_append_real(struct buffer *out, double real)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    buffer_append_text(out, text);
}

static void append_number(struct buffer *out, const struct value *value)
{
    if (value->type == VALUE_INTEGER)
        buffer_printf(out, "%" PRId64, value->integer);
    else
        value_append_real(out, value->real);
}

// --- TSV ---------------------------------------------------------------------------------------

static void append_tsv_text(struct buffer *out, const char *text, size_t length)
{
    bool is_utf8 = utf8_is_valid(text, length);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\t')
            buffer_append_text(out, "\\t");
        else if (c == '\n')
            buffer_append_text(out, "\\n");
        else if (c == '\r')
            buffer_append_text(out, "\\r");
        else if (c == '\\')
            buffer_append_text(out, "\\\\");
        else if (c == '\0' || (c >= 0x80 && !is_utf8))
            buffer_printf(out, "\\x%02x", c);
        else
            buffer_append_char(out, (char)c);
    }
}

static void append_tsv(struct buffer *out, size_t count, const struct value *values)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, '\t');
        if (values[i].type == VALUE_INTEGER || values[i].type == VALUE_REAL)
            append_number(out, &values[i]);
        else if (values[i].type != VALUE_NULL)
            append_tsv_text(out, values[i].data, values[i].length);
    }
}

// --- CSV ---------------------------------------------------------------------------------------

static void append_csv_text(struct buffer *out, const char *text, size_t length)
{
    bool needs_quotes = false;
    for (size_t i = 0; i < length; i++)
        needs_quotes |= text[i] == '"' || text[i] == ',' || text[i] == '\n' || text[i] == '\r';
    if (!needs_quotes) {
        buffer_append(out, text, length);
        return;
    }
    buffer_append_char(out, '"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            buffer_append_char(out, '"');
        buffer_append_char(out, text[i]);
    }
    buffer_append_char(out, '"');
}

static void append_csv(struct buffer *out, size_t count, const struct value *values)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        if (values[i].type == VALUE_INTEGER || values[i].type == VALUE_REAL)
            append_number(out, &values[i]);
        else if (values[i].type != VALUE_NULL)
            append_csv_text(out, values[i].data, values[i].length);
    }
}

static void append_csv_names(struct buffer *out, size_t count, const char *const *names)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        append_csv_text(out, names[i], strlen(names[i]));
    }
}

// --- JSON --------------------------------------------------------------------------------------

static void append_json_value(struct buffer *out, const struct value *value)
{
    switch (value->type) {
    case VALUE_NULL:
        buffer_append_text(out, "null");
        break;
    case VALUE_REAL:
        if (isfinite(value->real))
            append_number(out, value);
        else
            buffer_append_text(out, "null");
        break;
    case VALUE_INTEGER:
        append_number(out, value);
        break;
    case VALUE_TEXT:
        buffer_append_json_string(out, value->data, value->length);
        break;
    case VALUE_BLOB:
        buffer_append_text(out, "{\"base64\":\"");
        base64_append(out, value->data, value->length);
        buffer_append_text(out, "\"}");
        break;
    }
}

void rows_append_json(struct buffer *out, size_t count, const char *const *names,
                      const struct value *values)
{
    for (size_t i = 0; i < count; i++) {
        buffer_append_char(out, i > 0 ? ',' : '{');
        buffer_append_json_string(out, names[i], strlen(names[i]));
        buffer_append_char(out, ':');
        append_json_value(out, &values[i]);
    }
    buffer_append_char(out, '}');
}

// -----------------------------------------------------------------------------------------------

static int write_line(struct rows_printer *printer)
{
    buffer_append_char(&printer->line, '\n');
    fwrite(printer->line.data, 1, printer->line.length, printer->options.out);
    buffer_clear(&printer->line);
    return ferror(printer->options.out) ? 1 : 0;
}

int rows_on_columns(void *ctx, size_t count, const char *const *names)
{
    struct rows_printer *printer = ctx;
    if (printer->options.format == ROWS_TABLE)
        table_set_columns(printer->table, count, names);
    if (printer->options.format == ROWS_CSV) {
        append_csv_names(&printer->line, count, names);
        return write_line(printer);
    }
    return 0;
}

int rows_on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct rows_printer *printer = ctx;
    printer->count++;
    switch (printer->options.format) {
    case ROWS_TABLE:
        table_add_row(printer->table, values);
        return ferror(printer->options.out) ? 1 : 0;
    case ROWS_TSV:
        append_tsv(&printer->line, count, values);
        break;
    case ROWS_CSV:
        append_csv(&printer->line, count, values);
        break;
    case ROWS_JSONL:
        rows_append_json(&printer->line, count, names, values);
        break;
    }
    return write_line(printer);
}

void rows_printer_finish(struct rows_printer *printer)
{
    if (printer->table)
        table_finish(printer->table);
}
