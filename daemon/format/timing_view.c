// SPDX-License-Identifier: MIT
// The phases of an exchange follow each other, so each bar begins where the one before it ends.
#include "hark/timing_view.h"

#include "hark/human.h"

#include <string.h>

#define BAR_COLUMNS 40

enum {
    SEGMENT_VALUES = 6
};

static const char *const segment_names[SEGMENT_VALUES] = {"exchange_id", "side",   "seq",
                                                          "at_ms",       "gap_ms", "size"};

const struct rows_column timing_layout[] = {
    {"side", "BODY", COLUMN_PLAIN, 0},  {"seq", "SEGMENT", COLUMN_PLAIN, 0},
    {"at_ms", "AT", COLUMN_MS, 0},      {"gap_ms", "AFTER", COLUMN_MS, 0},
    {"size", "BYTES", COLUMN_PLAIN, 0}, {NULL, NULL, COLUMN_PLAIN, 0},
};

// --- phases ------------------------------------------------------------------------------------

static void write_bar(FILE *out, int64_t from_us, int64_t us, int64_t total_us)
{
    int64_t from = from_us * BAR_COLUMNS / total_us;
    int64_t to = (from_us + us) * BAR_COLUMNS / total_us;
    if (from > BAR_COLUMNS - 1)
        from = BAR_COLUMNS - 1;
    if (to > BAR_COLUMNS)
        to = BAR_COLUMNS;
    for (int64_t i = 0; i < from; i++)
        putc(' ', out);
    fputs(to > from ? "" : "▏", out);
    for (int64_t i = from; i < to; i++)
        fputs("█", out);
}

static void write_phase(const struct text_writer *writer, const char *name, int64_t from_us,
                        int64_t us, int64_t total_us)
{
    struct buffer text = {0};
    human_append_duration(&text, us);
    fprintf(writer->out, "%-8s %8s  ", name, text.data);
    fputs(terminal_color(&writer->terminal, COLOR_CYAN), writer->out);
    write_bar(writer->out, from_us, us, total_us);
    fputs(terminal_reset(&writer->terminal), writer->out);
    putc('\n', writer->out);
    buffer_fini(&text);
}

void timing_write_phases(const struct text_writer *writer, const struct exchange_row *row)
{
    const struct row_timing *timing = &row->timing;
    const struct {
        const char *name;
        int64_t us;
    } phases[] = {
        {"dns", timing->dns_us},   {"connect", timing->connect_us}, {"tls", timing->tls_us},
        {"send", timing->send_us}, {"wait", timing->wait_us},       {"receive", timing->receive_us},
    };
    int64_t total_us = 0;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
        total_us += phases[i].us > 0 ? phases[i].us : 0;
    // What is not in a phase is time spent in hark itself, or on the way to the client.
    int64_t scale_us = row->duration_us > total_us ? row->duration_us : total_us;
    int64_t at_us = 0;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        if (phases[i].us < 0)
            continue;
        write_phase(writer, phases[i].name, at_us, phases[i].us, scale_us > 0 ? scale_us : 1);
        at_us += phases[i].us;
    }
    if (row->duration_us >= 0)
        write_phase(writer, "total", 0, row->duration_us, scale_us > 0 ? scale_us : 1);
    else
        fputs("total     not ended yet\n", writer->out);
}

// --- segments ----------------------------------------------------------------------------------

struct segment_walk {
    int64_t exchange_id;
    const char *side;
    int64_t last_us; // when the segment before came; -1: there was none
    value_row_fn on_row;
    void *ctx;
};

static struct value text_value(const char *text)
{
    return (struct value){.type = VALUE_TEXT, .data = text, .length = strlen(text)};
}

static struct value integer_value(int64_t integer)
{
    return (struct value){.type = VALUE_INTEGER, .integer = integer};
}

static struct value ms_value(int64_t us)
{
    return (struct value){.type = VALUE_REAL, .real = (double)us / 1000};
}

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    (void)data;
    struct segment_walk *walk = ctx;
    const struct value values[SEGMENT_VALUES] = {
        integer_value(walk->exchange_id),
        text_value(walk->side),
        integer_value(seq),
        ms_value(at_us),
        walk->last_us < 0 ? (struct value){.type = VALUE_NULL} : ms_value(at_us - walk->last_us),
        integer_value((int64_t)length),
    };
    walk->last_us = at_us;
    return walk->on_row(walk->ctx, SEGMENT_VALUES, segment_names, values);
}

int timing_walk_segments(struct store_reader *reader, const struct exchange_row *row,
                         value_columns_fn on_columns, value_row_fn on_row, void *ctx,
                         struct err *err)
{
    int rc = on_columns ? on_columns(ctx, SEGMENT_VALUES, segment_names) : 0;
    struct segment_walk walk = {
        .exchange_id = row->id, .side = "request", .last_us = -1, .on_row = on_row, .ctx = ctx};
    if (rc == 0)
        rc = store_walk_body(reader, row->id, BODY_REQUEST, on_segment, &walk, err);
    walk.side = "response";
    walk.last_us = -1;
    if (rc == 0)
        rc = store_walk_body(reader, row->id, BODY_RESPONSE, on_segment, &walk, err);
    return rc;
}
