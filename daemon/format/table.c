// SPDX-License-Identifier: MIT
// Columns as wide as their widest cell among the first rows, or less where the terminal is too
// narrow: then the widest give way first, numbers never. Rows that would not fit even so are
// written one value a line.
#include "table.h"

#include "hark/mem.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_ROWS   500
#define SAMPLE_BYTES  ((size_t)1024 * 1024)
#define GAP           2
#define NARROWEST     8  // to what a column of text may shrink
#define GROWN_MOST    24 // columns of a cell in a live table, but for the last one
#define NAME_MOST     30
#define VERTICAL_MOST 1000 // columns of a value that has lines to itself

struct column {
    char *title;
    size_t index; // of the value
    enum column_kind kind;
    const char *typical; // of a live table
    size_t columns;      // width
    bool is_number;      // all its cells are
};

struct table {
    struct rows_options options;
    char **names; // of the values
    size_t value_count;
    struct column *columns;
    size_t count;
    struct cell *sample; // rows held back, one after the other
    size_t sample_rows;
    size_t sample_bytes;
    bool is_measured;
    bool is_vertical;
    int64_t rows_written;
};

struct table *table_create(const struct rows_options *options)
{
    struct table *table = mem_calloc(1, sizeof *table);
    table->options = *options;
    return table;
}

static void clear_row(struct cell *cells, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(cells[i].text);
}

void table_destroy(struct table *table)
{
    if (!table)
        return;
    clear_row(table->sample, table->sample_rows * table->count);
    free(table->sample);
    for (size_t i = 0; i < table->count; i++)
        free(table->columns[i].title);
    free(table->columns);
    for (size_t i = 0; i < table->value_count; i++)
        free(table->names[i]);
    free(table->names);
    free(table);
}

static struct column *add_column(struct table *table, const char *title, size_t index,
                                 enum column_kind kind)
{
    table->columns = mem_realloc(table->columns, (table->count + 1) * sizeof *table->columns);
    struct column *column = &table->columns[table->count++];
    *column = (struct column){
        .title = mem_strdup(title), .index = index, .kind = kind, .is_number = true};
    return column;
}

// What is no terminal gets times, not ages.
static const char *title_of(const struct table *table, const struct rows_column *column)
{
    bool has_ages = column->kind == COLUMN_TIME && table->options.terminal.is_terminal;
    return has_ages ? "AGO" : column->title;
}

static void add_layout_column(struct table *table, const struct rows_column *column,
                              const char *typical)
{
    if (column->from_columns > table->options.terminal.columns)
        return;
    for (size_t i = 0; i < table->value_count; i++)
        if (strcmp(table->names[i], column->name) == 0)
            add_column(table, title_of(table, column), i, column->kind)->typical = typical;
}

static void add_layout(struct table *table)
{
    const struct rows_column *layout = table->options.layout;
    const char *const *typical = table->options.typical;
    for (size_t i = 0; layout[i].name; i++)
        add_layout_column(table, &layout[i], typical ? typical[i] : NULL);
}

void table_set_columns(struct table *table, size_t count, const char *const *names)
{
    table->names = mem_calloc(count, sizeof *table->names);
    table->value_count = count;
    for (size_t i = 0; i < count; i++)
        table->names[i] = mem_strdup(names[i]);
    if (table->options.layout) {
        add_layout(table);
        return;
    }
    for (size_t i = 0; i < count; i++)
        add_column(table, names[i], i, COLUMN_PLAIN);
}

// --- widths ------------------------------------------------------------------------------------

static void measure_natural(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        struct column *column = &table->columns[i];
        column->columns = safe_text_columns(column->title, strlen(column->title));
        for (size_t row = 0; row < table->sample_rows; row++) {
            const struct cell *cell = &table->sample[row * table->count + i];
            if (cell->columns > column->columns)
                column->columns = cell->columns;
            column->is_number &= cell->is_number || cell->length == 0;
        }
    }
}

static size_t total_columns(const struct table *table)
{
    size_t total = table->count > 0 ? GAP * (table->count - 1) : 0;
    for (size_t i = 0; i < table->count; i++)
        total += table->columns[i].columns;
    return total;
}

// The widest column that may shrink, or NULL.
static struct column *find_widest(struct table *table)
{
    struct column *widest = NULL;
    for (size_t i = 0; i < table->count; i++) {
        struct column *column = &table->columns[i];
        if (!column->is_number && column->columns > NARROWEST &&
            (!widest || column->columns > widest->columns))
            widest = column;
    }
    return widest;
}

// The last column gets what the others leave.
static void measure_live(struct table *table)
{
    size_t limit = table->options.terminal.columns;
    struct column *last = &table->columns[table->count - 1];
    for (size_t i = 0; i < table->count; i++) {
        struct column *column = &table->columns[i];
        size_t title = safe_text_columns(column->title, strlen(column->title));
        size_t typical = strlen(column->typical);
        column->columns = typical > title ? typical : title;
        column->is_number =
            column->kind != COLUMN_STATUS && isdigit((unsigned char)*column->typical);
    }
    size_t others = total_columns(table) - last->columns;
    if (limit > others + last->columns)
        last->columns = limit - others;
}

static void measure(struct table *table)
{
    table->is_measured = true;
    if (table->options.typical && table->count > 0) {
        measure_live(table);
        return;
    }
    measure_natural(table);
    size_t limit = table->options.terminal.columns;
    for (size_t i = 0; i < table->count; i++)
        if (!table->columns[i].is_number && table->columns[i].columns > limit)
            table->columns[i].columns = limit;
    while (total_columns(table) > limit) {
        struct column *widest = find_widest(table);
        if (!widest) {
            table->is_vertical = true;
            break;
        }
        widest->columns--;
    }
}

// --- writing -----------------------------------------------------------------------------------

static void write_spaces(FILE *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        putc(' ', out);
}

// Returns the columns written.
static size_t write_colored(const struct table *table, const struct cell *cell, size_t columns)
{
    const struct terminal *terminal = &table->options.terminal;
    const char *on = terminal_color(terminal, cell->color);
    fputs(on, table->options.out);
    size_t written = safe_text_write_cut(table->options.out, cell->text, cell->length, columns);
    if (*on)
        fputs(terminal_reset(terminal), table->options.out);
    return written;
}

static void write_cell(const struct table *table, const struct column *column, bool is_last,
                       const struct cell *cell)
{
    FILE *out = table->options.out;
    size_t width = column->columns;
    if (cell->is_number) {
        // A later row may have a wider number than those the widths were learnt from.
        write_spaces(out, cell->columns < width ? width - cell->columns : 0);
        write_colored(table, cell, SIZE_MAX);
        return;
    }
    size_t written = write_colored(table, cell, width);
    if (!is_last)
        write_spaces(out, width - written);
}

// In a live table a cell that is wider than its column takes from the last one.
static size_t grow(struct column *column, const struct cell *cell)
{
    size_t wanted = cell->columns < GROWN_MOST ? cell->columns : GROWN_MOST;
    size_t more = wanted > column->columns ? wanted - column->columns : 0;
    column->columns += more;
    return more;
}

static void write_row(const struct table *table, const struct cell *cells)
{
    bool is_live = table->options.typical;
    size_t taken = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct column column = table->columns[i];
        bool is_last = i + 1 == table->count;
        if (is_live && !is_last)
            taken += grow(&column, &cells[i]);
        if (is_last)
            column.columns -= taken < column.columns ? taken : column.columns;
        if (i > 0)
            write_spaces(table->options.out, GAP);
        write_cell(table, &column, is_last, &cells[i]);
    }
    putc('\n', table->options.out);
}

static void write_titles(const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct column *column = &table->columns[i];
        struct cell title = {.text = column->title,
                             .length = strlen(column->title),
                             .is_number =
                                 column->is_number && (table->sample_rows > 0 || column->typical),
                             .color = COLOR_BOLD};
        title.columns = safe_text_columns(title.text, title.length);
        if (i > 0)
            write_spaces(table->options.out, GAP);
        write_cell(table, column, i + 1 == table->count, &title);
    }
    putc('\n', table->options.out);
}

static void write_vertical(struct table *table, const struct cell *cells)
{
    FILE *out = table->options.out;
    const struct terminal *terminal = &table->options.terminal;
    size_t name_columns = 0;
    for (size_t i = 0; i < table->count; i++) {
        size_t columns =
            safe_text_columns(table->columns[i].title, strlen(table->columns[i].title));
        if (columns > name_columns)
            name_columns = columns < NAME_MOST ? columns : NAME_MOST;
    }
    if (table->rows_written > 0)
        putc('\n', out);
    for (size_t i = 0; i < table->count; i++) {
        const char *title = table->columns[i].title;
        fputs(terminal_color(terminal, COLOR_BOLD), out);
        size_t written = safe_text_write_cut(out, title, strlen(title), name_columns);
        fputs(terminal_reset(terminal), out);
        write_spaces(out, name_columns - written + GAP);
        write_colored(table, &cells[i], VERTICAL_MOST);
        putc('\n', out);
    }
}

static void write_any(struct table *table, const struct cell *cells)
{
    if (table->is_vertical)
        write_vertical(table, cells);
    else
        write_row(table, cells);
    table->rows_written++;
}

static void release_sample(struct table *table)
{
    measure(table);
    if (table->count > 0 && !table->is_vertical)
        write_titles(table);
    for (size_t row = 0; row < table->sample_rows; row++)
        write_any(table, &table->sample[row * table->count]);
    clear_row(table->sample, table->sample_rows * table->count);
    table->sample_rows = 0;
}

void table_add_row(struct table *table, const struct value *values)
{
    if (table->options.typical && !table->is_measured)
        release_sample(table);
    size_t first = table->sample_rows * table->count;
    if (!table->is_measured || !table->sample)
        table->sample = mem_realloc(table->sample, (first + table->count) * sizeof *table->sample);
    struct cell *cells = table->sample + first;
    for (size_t i = 0; i < table->count; i++) {
        const struct column *column = &table->columns[i];
        cells[i] = cell_make(&table->options, column->kind, column->index, table->value_count,
                             (const char *const *)table->names, values);
        table->sample_bytes += cells[i].length;
    }
    if (table->is_measured) {
        write_any(table, cells);
        clear_row(cells, table->count);
        return;
    }
    table->sample_rows++;
    if (table->sample_rows == SAMPLE_ROWS || table->sample_bytes > SAMPLE_BYTES)
        release_sample(table);
}

void table_finish(struct table *table)
{
    if (!table->is_measured && table->sample_rows > 0)
        release_sample(table);
    fflush(table->options.out);
}
