// SPDX-License-Identifier: MIT
// Rows of values as a table, TSV, CSV and JSON lines.
#include "hark/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct value text(const char *data)
{
    return (struct value){.type = VALUE_TEXT, .data = data, .length = strlen(data)};
}

static struct value integer(int64_t number)
{
    return (struct value){.type = VALUE_INTEGER, .integer = number};
}

static struct value real(double number)
{
    return (struct value){.type = VALUE_REAL, .real = number};
}

static struct value blob(const char *data, size_t length)
{
    return (struct value){.type = VALUE_BLOB, .data = data, .length = length};
}

static const struct value null = {.type = VALUE_NULL};

struct rows {
    size_t count;
    const char *const *names;
    size_t row_count;
    const struct value *values; // row after row
};

static void assert_printed(const struct rows_options *wanted, const struct rows *rows,
                           const char *expected)
{
    char *printed = NULL;
    size_t length;
    struct rows_options options = *wanted;
    options.out = open_memstream(&printed, &length);
    struct rows_printer *printer = rows_printer_create(&options);
    assert_int_equal(rows_on_columns(printer, rows->count, rows->names), 0);
    for (size_t i = 0; i < rows->row_count; i++)
        assert_int_equal(
            rows_on_row(printer, rows->count, rows->names, rows->values + i * rows->count), 0);
    rows_printer_finish(printer);
    assert_int_equal(rows_printer_count(printer), rows->row_count);
    rows_printer_destroy(printer);
    fclose(options.out);
    assert_string_equal(printed, expected);
    free(printed);
}

static const char *const all_names[] = {"i", "r", "t", "b", "n"};

// A row with a value of each type, and what its formats are.
static void assert_every_type(enum rows_format format, const char *expected)
{
    const struct value values[] = {integer(INT64_MAX), real(0.1), text("a\tb\nc\\d\r\"e\","),
                                   blob("\x00\xff", 2), null};
    struct rows rows = {5, all_names, 1, values};
    assert_printed(&(struct rows_options){.format = format, .terminal = {.columns = SIZE_MAX}},
                   &rows, expected);
}

static void test_tsv_escapes_what_would_break_a_line(void **state)
{
    (void)state;
    assert_every_type(ROWS_TSV,
                      "9223372036854775807\t0.1\ta\\tb\\nc\\\\d\\r\"e\",\t\\x00\\xff\t\n");
}

// --- a live table --------------------------------------------------------------------------------

static const struct rows_column live_layout[] = {
    {"id", "ID", COLUMN_PLAIN, 0},
    {"status", "STATUS", COLUMN_STATUS, 0},
    {"url", "URL", COLUMN_PLAIN, 0},
    {NULL, NULL, COLUMN_PLAIN, 0},
};
static const char *const live_typical[] = {"1234", "200", ""};
static const char *const live_names[] = {"id", "status", "url", "error"};

static void test_live_table_fits_the_line_whatever_comes(void **state)
{
    (void)state;
    const struct value values[] = {
        integer(1),
        integer(200),
        text("http://a/"),
        null,
        integer(12345678),
        integer(200),
        text("http://a.example/a/long/path"),
        null,
        integer(2),
        integer(502),
        text("http://b.example/another/path"),
        text("tls-verify"),
    };
    const struct rows rows = {4, live_names, 3, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE,
                                          .terminal = {.is_terminal = true, .columns = 40},
                                          .layout = live_layout,
                                          .typical = live_typical},
                   &rows,
                   "  ID  STATUS  URL\n"
                   "   1  200     http://a/\n"
                   "12345678  200     http://a.example/a/lo…\n"
                   "   2  502 tls-verify  http://b.example/…\n");
}

static void test_live_table_shows_each_row_at_once(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t length;
    const struct value values[] = {integer(1), integer(200), text("http://a/"), null};
    struct rows_options options = {.out = open_memstream(&printed, &length),
                                   .format = ROWS_TABLE,
                                   .terminal = {.columns = SIZE_MAX},
                                   .layout = live_layout,
                                   .typical = live_typical};
    struct rows_printer *printer = rows_printer_create(&options);
    rows_on_columns(printer, 4, live_names);
    rows_on_row(printer, 4, live_names, values);
    fflush(options.out);
    assert_string_equal(printed, "  ID  STATUS  URL\n   1  200     http://a/\n");
    rows_printer_destroy(printer);
    fclose(options.out);
    free(printed);
}

static void test_csv_quotes_and_has_a_line_of_names(void **state)
{
    (void)state;
    const struct value values[] = {integer(-1), text("a,\"b\"\nc"), null, text("plain")};
    static const char *const names[] = {"one", "two,", "three", "four"};
    struct rows rows = {4, names, 1, values};
    assert_printed(&(struct rows_options){.format = ROWS_CSV}, &rows,
                   "one,\"two,\",three,four\n-1,\"a,\"\"b\"\"\nc\",,plain\n");
}

static void test_json_lines_keep_types(void **state)
{
    (void)state;
    assert_every_type(ROWS_JSONL,
                      "{\"i\":9223372036854775807,\"r\":0.1,\"t\":\"a\\tb\\nc\\\\d\\r\\\"e\\\",\","
                      "\"b\":{\"base64\":\"AP8=\"},\"n\":null}\n");
}

static void test_json_has_no_infinity(void **state)
{
    (void)state;
    const struct value values[] = {real(INFINITY)};
    static const char *const names[] = {"x"};
    struct rows rows = {1, names, 1, values};
    assert_printed(&(struct rows_options){.format = ROWS_JSONL}, &rows, "{\"x\":null}\n");
}

static void test_numbers_are_aligned_right_and_texts_left(void **state)
{
    (void)state;
    static const char *const names[] = {"n", "name", "x"};
    const struct value values[] = {integer(1),   text("a"),    integer(7),
                                   integer(100), text("long"), null};
    struct rows rows = {3, names, 2, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE, .terminal = {.columns = 80}}, &rows,
                   "  n  name  x\n"
                   "  1  a     7\n"
                   "100  long  \n");
}

static void test_the_widest_text_gives_way_and_numbers_do_not(void **state)
{
    (void)state;
    static const char *const names[] = {"id", "ok", "url"};
    const struct value values[] = {integer(1234567890123), text("yes"),
                                   text("http://example.com/a/long/path")};
    struct rows rows = {3, names, 1, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE, .terminal = {.columns = 30}}, &rows,
                   "           id  ok   url\n"
                   "1234567890123  yes  http://ex…\n");
}

static void test_what_cannot_fit_is_written_one_value_a_line(void **state)
{
    (void)state;
    static const char *const names[] = {"first", "second", "third"};
    const struct value values[] = {
        text("aaaaaaaaaa"), text("bbbbbbbbbb"), text("cccccccccc"), text("d"), null, text("f")};
    struct rows rows = {3, names, 2, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE, .terminal = {.columns = 20}}, &rows,
                   "first   aaaaaaaaaa\n"
                   "second  bbbbbbbbbb\n"
                   "third   cccccccccc\n"
                   "\n"
                   "first   d\n"
                   "second  \n"
                   "third   f\n");
}

static void test_cells_cannot_break_the_line(void **state)
{
    (void)state;
    static const char *const names[] = {"a\nb"};
    const struct value values[] = {text("x\ny\x1b[2J")};
    struct rows rows = {1, names, 1, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE, .terminal = {.columns = 80}}, &rows,
                   "a\\nb\nx\\ny\\x1b[2J\n");
}

static const struct rows_column layout[] = {
    {"id", "ID", COLUMN_PLAIN, 0},
    {"started_at", "STARTED", COLUMN_TIME, 0},
    {"status", "STATUS", COLUMN_STATUS, 0},
    {"ms", "TIME", COLUMN_MS, 0},
    {"response_size", "SIZE", COLUMN_SIZE, 0},
    {"type", "TYPE", COLUMN_PLAIN, 100},
    {NULL, NULL, COLUMN_PLAIN, 0},
};

static const char *const traffic_names[] = {"id",   "started_at", "status", "ms", "response_size",
                                            "type", "state",      "error"};

static void assert_traffic(const struct terminal *terminal, const char *expected)
{
    const struct value values[] = {
        integer(1),
        text("2026-01-31T12:00:00.000Z"),
        integer(200),
        real(12.3),
        integer(2048),
        text("text/html"),
        text("done"),
        null,
        integer(2),
        text("2026-01-31T12:00:50.000Z"),
        integer(502),
        real(1500),
        integer(10),
        null,
        text("upstream-error"),
        text("dns"),
        integer(3),
        text("2026-01-31T12:01:00.000Z"),
        null,
        null,
        integer(0),
        null,
        text("pending"),
        null,
    };
    struct rows rows = {8, traffic_names, 3, values};
    // 2026-01-31T12:01:00Z
    assert_printed(&(struct rows_options){.format = ROWS_TABLE,
                                          .terminal = *terminal,
                                          .layout = layout,
                                          .now_us = INT64_C(1769860860000000)},
                   &rows, expected);
}

static void test_a_layout_shows_relative_times_and_states_on_a_terminal(void **state)
{
    (void)state;
    assert_traffic(&(struct terminal){.is_terminal = true, .columns = 80},
                   "ID  AGO  STATUS   TIME  SIZE\n"
                   " 1   1m  200      12ms  2.0k\n"
                   " 2  10s  502 dns  1.5s    10\n"
                   " 3  now  pending           0\n");
}

static void test_a_layout_shows_when_they_started_elsewhere(void **state)
{
    (void)state;
    assert_traffic(&(struct terminal){.columns = 80},
                   "ID  STARTED                   STATUS   TIME  SIZE\n"
                   " 1  2026-01-31T12:00:00.000Z  200      12ms  2.0k\n"
                   " 2  2026-01-31T12:00:50.000Z  502 dns  1.5s    10\n"
                   " 3  2026-01-31T12:01:00.000Z  pending           0\n");
}

static void test_a_wider_terminal_shows_more_columns(void **state)
{
    (void)state;
    assert_traffic(&(struct terminal){.is_terminal = true, .columns = 100},
                   "ID  AGO  STATUS   TIME  SIZE  TYPE\n"
                   " 1   1m  200      12ms  2.0k  text/html\n"
                   " 2  10s  502 dns  1.5s    10  \n"
                   " 3  now  pending           0  \n");
}

static void test_statuses_are_colored_by_class(void **state)
{
    (void)state;
    const struct value values[] = {integer(404)};
    static const char *const names[] = {"status"};
    struct rows rows = {1, names, 1, values};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE,
                                          .terminal = {.has_color = true, .columns = 80},
                                          .layout = layout},
                   &rows, "\033[1mSTATUS\033[0m\n\033[33m404\033[0m\n");
}

static void test_rows_after_the_measured_ones_keep_the_widths(void **state)
{
    (void)state;
    enum {
        ROWS = 600
    };
    char *printed = NULL;
    size_t length;
    struct rows_options options = {.format = ROWS_TABLE, .terminal = {.columns = 20}};
    options.out = open_memstream(&printed, &length);
    struct rows_printer *printer = rows_printer_create(&options);
    static const char *const names[] = {"a", "b"};
    rows_on_columns(printer, 2, names);
    for (int i = 0; i < ROWS; i++) {
        const struct value values[] = {text(i < ROWS - 1 ? "ab" : "longer"), integer(i)};
        rows_on_row(printer, 2, names, values);
    }
    rows_printer_finish(printer);
    rows_printer_destroy(printer);
    fclose(options.out);
    assert_non_null(strstr(printed, "\nab  598\nl…  599\n"));
    free(printed);
}

static void test_no_rows_print_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    struct rows rows = {1, names, 0, NULL};
    assert_printed(&(struct rows_options){.format = ROWS_TABLE, .terminal = {.columns = 80}}, &rows,
                   "");
    assert_printed(&(struct rows_options){.format = ROWS_CSV}, &rows, "a\n");
}

static void test_a_broken_output_stops_the_rows(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    struct rows_options options = {.out = full, .format = ROWS_TSV};
    struct rows_printer *printer = rows_printer_create(&options);
    static const char *const names[] = {"a"};
    const struct value values[] = {integer(1)};
    assert_int_equal(rows_on_row(printer, 1, names, values), 1);
    rows_printer_destroy(printer);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_table_fits_the_line_whatever_comes),
        cmocka_unit_test(test_live_table_shows_each_row_at_once),
        cmocka_unit_test(test_tsv_escapes_what_would_break_a_line),
        cmocka_unit_test(test_csv_quotes_and_has_a_line_of_names),
        cmocka_unit_test(test_json_lines_keep_types),
        cmocka_unit_test(test_json_has_no_infinity),
        cmocka_unit_test(test_numbers_are_aligned_right_and_texts_left),
        cmocka_unit_test(test_the_widest_text_gives_way_and_numbers_do_not),
        cmocka_unit_test(test_what_cannot_fit_is_written_one_value_a_line),
        cmocka_unit_test(test_cells_cannot_break_the_line),
        cmocka_unit_test(test_a_layout_shows_relative_times_and_states_on_a_terminal),
        cmocka_unit_test(test_a_layout_shows_when_they_started_elsewhere),
        cmocka_unit_test(test_a_wider_terminal_shows_more_columns),
        cmocka_unit_test(test_statuses_are_colored_by_class),
        cmocka_unit_test(test_rows_after_the_measured_ones_keep_the_widths),
        cmocka_unit_test(test_no_rows_print_nothing),
        cmocka_unit_test(test_a_broken_output_stops_the_rows),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
