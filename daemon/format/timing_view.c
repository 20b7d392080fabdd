// SPDX-License-Identifier: MIT
// The phases of an exchange follow each other, so each bar begins where the one before it ends.
#include "hark/timing_view.h"

#include "hark/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// The bars of the phases stand above those of the segments, and a line fits into 80 columns.
#define PHASE_FORMAT   "%-12s%12s%17s"
#define SEGMENT_FORMAT "%-8s %6" PRId64 " %8s %8s %5s  "
#define TITLE_FORMAT   "\n%-8s %6s %8s %8s %5s\n"
#define BAR_COLUMNS    38

#define SEGMENTS_SHOWN 200

enum {
    SEGMENT_VALUES = 6
};

static const char *const segment_names[SEGMENT_VALUES] = {"exchange_id", "side",   "seq",
                                                          "at_ms",       "gap_ms", "size"};

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

static void write_colored_bar(const struct text_writer *writer, enum color color, int64_t from_us,
                              int64_t us, int64_t scale_us)
{
    fputs(terminal_color(&writer->terminal, color), writer->out);
    write_bar(writer->out, from_us, us, scale_us);
    fputs(terminal_reset(&writer->terminal), writer->out);
    putc('\n', writer->out);
}

static void write_phase(const struct text_writer *writer, const char *name, int64_t from_us,
                        int64_t us, int64_t scale_us)
{
    struct buffer text = {0};
    human_append_duration(&text, us);
    fprintf(writer->out, PHASE_FORMAT, name, text.data, "");
    write_colored_bar(writer, COLOR_CYAN, from_us, us, scale_us);
    buffer_fini(&text);
}

#define PHASE_COUNT 6

static int64_t phase_us(const struct row_timing *timing, size_t index)
{
    const int64_t phases[PHASE_COUNT] = {timing->dns_us,  timing->connect_us, timing->tls_us,
                                         timing->send_us, timing->wait_us,    timing->receive_us};
    return phases[index];
}

// What the whole width stands for. What is not in a phase is time spent in hark itself, or on the
// way to the client.
static int64_t find_scale_us(const struct text_writer *writer, const struct exchange_row *row)
{
    int64_t scale_us = row->duration_us;
    if (row->state == ROW_STATE_PENDING)
        scale_us = writer->now_us - row->started_us;
    int64_t total_us = 0;
    for (size_t i = 0; i < PHASE_COUNT; i++)
        total_us += phase_us(&row->timing, i) > 0 ? phase_us(&row->timing, i) : 0;
    if (scale_us < total_us)
        scale_us = total_us;
    return scale_us > 0 ? scale_us : 1;
}

static void write_phases(const struct text_writer *writer, const struct exchange_row *row,
                         int64_t scale_us)
{
    static const char *const names[PHASE_COUNT] = {"dns",  "connect", "tls",
                                                   "send", "wait",    "receive"};
    int64_t at_us = 0;
    for (size_t i = 0; i < PHASE_COUNT; i++) {
        int64_t us = phase_us(&row->timing, i);
        if (us < 0)
            continue;
        write_phase(writer, names[i], at_us, us, scale_us);
        at_us += us;
    }
    if (row->duration_us >= 0)
        write_phase(writer, "total", 0, row->duration_us, scale_us);
    else
        fputs("total          not ended yet\n", writer->out);
}

// --- segments, for people ----------------------------------------------------------------------

struct segment_list {
    const struct text_writer *writer;
    int64_t scale_us;
    char side[16]; // of the segment before
    int64_t seq;
    int64_t last_us; // when that one came
    int64_t shown;
    int64_t more;
    int64_t more_bytes;
};

static void append_gap(struct buffer *out, int64_t us)
{
    buffer_append_char(out, '+');
    human_append_duration(out, us);
}

static void write_segment(const struct segment_list *list, int64_t at_us, int64_t bytes)
{
    const struct text_writer *writer = list->writer;
    struct buffer at = {0};
    struct buffer gap = {0};
    struct buffer size = {0};
    human_append_duration(&at, at_us);
    human_append_size(&size, bytes);
    if (list->seq > 0)
        append_gap(&gap, at_us - list->last_us);
    fprintf(writer->out, SEGMENT_FORMAT, list->side, list->seq, at.data,
            gap.length > 0 ? gap.data : "", size.data);
    bool is_request = strcmp(list->side, "request") == 0;
    write_colored_bar(writer, is_request ? COLOR_YELLOW : COLOR_GREEN, at_us, 0, list->scale_us);
    buffer_fini(&at);
    buffer_fini(&gap);
    buffer_fini(&size);
}

// The columns of store_list_segments(): side, at_us, bytes.
static int on_listed(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct segment_list *list = ctx;
    bool is_first = strcmp(list->side, values[0].data) != 0;
    snprintf(list->side, sizeof list->side, "%s", values[0].data);
    list->seq = is_first ? 0 : list->seq + 1;
    if (list->shown == 0)
        fprintf(list->writer->out, TITLE_FORMAT, "BODY", "PIECE", "AT", "AFTER", "SIZE");
    if (list->shown < SEGMENTS_SHOWN) {
        list->shown++;
        write_segment(list, values[1].integer, values[2].integer);
    } else {
        list->more++;
        list->more_bytes += values[2].integer;
    }
    list->last_us = values[1].integer;
    return ferror(list->writer->out) ? 1 : 0;
}

static void write_rest(const struct segment_list *list)
{
    struct buffer text = {0};
    buffer_printf(&text, "… and %" PRId64 " more, ", list->more);
    human_append_bytes(&text, list->more_bytes);
    buffer_append_text(&text, ", the last at ");
    human_append_duration(&text, list->last_us);
    fprintf(list->writer->out, "%s (-o tsv lists them all)\n", text.data);
    buffer_fini(&text);
}

int timing_write(const struct text_writer *writer, struct store_reader *reader,
                 const struct exchange_row *row, struct err *err)
{
    struct segment_list list = {.writer = writer, .scale_us = find_scale_us(writer, row)};
    write_phases(writer, row, list.scale_us);
    int rc = store_list_segments(reader, row->id, INT64_MAX, on_listed, &list, err);
    if (rc == 0 && list.more > 0)
        write_rest(&list);
    return rc;
}

// --- segments, for programs
// ----------------------------------------------------------------------------------

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
