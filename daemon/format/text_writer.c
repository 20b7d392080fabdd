// SPDX-License-Identifier: MIT
// An exchange for people. What hark adds to what was on the wire stands in brackets or before the
// first start line.
#include "hark/exchange_view.h"
#include "hark/human.h"
#include "hark/json_layout.h"
#include "hark/mem.h"
#include "messages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEX_SHOWN_BYTES 16

static void write_text(const struct text_writer *writer, const char *text)
{
    safe_text_write(writer->out, text, strlen(text), SAFE_LINE);
}

static void set_color(const struct text_writer *writer, enum color color)
{
    fputs(terminal_color(&writer->terminal, color), writer->out);
}

static void reset_color(const struct text_writer *writer)
{
    fputs(terminal_reset(&writer->terminal), writer->out);
}

static int result_of(const struct text_writer *writer)
{
    return ferror(writer->out) ? -1 : 0;
}

// --- the exchange as a whole -------------------------------------------------------------------

static void write_summary(const struct text_writer *writer, const struct exchange_row *row)
{
    struct buffer line = {0};
    buffer_printf(&line, "Exchange %" PRId64 "  ", row->id);
    human_append_timestamp(&line, row->started_us);
    if (writer->terminal.is_terminal) {
        buffer_append_text(&line, " (");
        size_t before = line.length;
        human_append_age(&line, writer->now_us - row->started_us);
        bool is_now = strcmp(line.data + before, "now") == 0;
        buffer_append_text(&line, is_now ? ")" : " ago)");
    }
    if (row->duration_us >= 0) {
        buffer_append_text(&line, "  ");
        human_append_duration(&line, row->duration_us);
    }
    buffer_printf(&line, "  %s", row_state_name(row->state));
    if (row->kind != ROW_KIND_HTTP)
        buffer_printf(&line, "  %s", row_kind_name(row->kind));
    if (row->source != ROW_SOURCE_PROXY)
        buffer_printf(&line, "  %s", row_source_name(row->source));
    if (row->replay_of > 0)
        buffer_printf(&line, " of %" PRId64, row->replay_of);
    set_color(writer, COLOR_BOLD);
    write_text(writer, line.data);
    reset_color(writer);
    putc('\n', writer->out);
    buffer_fini(&line);
}

static void write_route(const struct text_writer *writer, const struct exchange_row *row)
{
    struct buffer line = {0};
    const char *nobody = row->source == ROW_SOURCE_REPLAY ? "hark" : "?";
    buffer_printf(&line, "%s", row->client_addr != NULL ? row->client_addr : nobody);
    if (row->server_addr)
        buffer_printf(&line, " -> %s", row->server_addr);
    if (row->tls_version)
        buffer_printf(&line, "  %s%s%s", row->tls_version, row->tls_cipher ? " " : "",
                      row->tls_cipher ? row->tls_cipher : "");
    set_color(writer, COLOR_DIM);
    write_text(writer, line.data);
    reset_color(writer);
    putc('\n', writer->out);
    buffer_fini(&line);
}

static int on_begin(void *ctx, const struct exchange_row *row)
{
    const struct text_writer *writer = ctx;
    write_summary(writer, row);
    if (row->client_addr || row->server_addr)
        write_route(writer, row);
    if (row->error) {
        set_color(writer, COLOR_RED);
        write_text(writer, row->error);
        if (row->error_text) {
            fputs(": ", writer->out);
            write_text(writer, row->error_text);
        }
        reset_color(writer);
        putc('\n', writer->out);
    }
    return result_of(writer);
}

static int on_note(void *ctx, const struct exchange_row *row, const struct shown_note *note)
{
    (void)row;
    const struct text_writer *writer = ctx;
    set_color(writer, COLOR_YELLOW);
    fputs(note->is_mark ? "* marked" : "* ", writer->out);
    if (note->text)
        safe_text_write(writer->out, note->text, note->length, SAFE_LINES);
    reset_color(writer);
    putc('\n', writer->out);
    return result_of(writer);
}

// --- heads -------------------------------------------------------------------------------------

static void write_fields(const struct text_writer *writer, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        set_color(writer, COLOR_CYAN);
        safe_text_write(writer->out, field->name, field->name_length, SAFE_LINE);
        reset_color(writer);
        fputs(": ", writer->out);
        safe_text_write(writer->out, field->value, field->value_length, SAFE_LINE);
        putc('\n', writer->out);
    }
}

static void write_request_line(const struct text_writer *writer, const struct exchange_row *row)
{
    struct buffer url = {0};
    row_append_url(row, &url);
    set_color(writer, COLOR_BOLD);
    write_text(writer, row->method ? row->method : "?");
    putc(' ', writer->out);
    safe_text_write(writer->out, url.data ? url.data : "", url.length, SAFE_LINE);
    reset_color(writer);
    putc(' ', writer->out);
    write_text(writer, row->request_version ? row->request_version : "");
    putc('\n', writer->out);
    buffer_fini(&url);
}

static void write_status_line(const struct text_writer *writer, const struct exchange_row *row)
{
    write_text(writer, row->response_version ? row->response_version : "HTTP");
    set_color(writer, COLOR_BOLD);
    set_color(writer, color_of_status(row->status));
    fprintf(writer->out, " %d ", row->status);
    write_text(writer, row->reason ? row->reason : "");
    reset_color(writer);
    putc('\n', writer->out);
}

static int on_head(void *ctx, const struct exchange_row *row, enum body_side side)
{
    const struct text_writer *writer = ctx;
    if (side == BODY_REQUEST) {
        putc('\n', writer->out);
        write_request_line(writer, row);
        write_fields(writer, &row->request_headers);
    } else {
        if (row->interim) {
            fputs("[interim answers before this one: ", writer->out);
            write_text(writer, row->interim);
            fputs("]\n", writer->out);
        }
        write_status_line(writer, row);
        write_fields(writer, &row->response_headers);
    }
    putc('\n', writer->out);
    return result_of(writer);
}

static int on_trailers(void *ctx, const struct exchange_row *row, enum body_side side)
{
    const struct text_writer *writer = ctx;
    const struct fields *trailers =
        side == BODY_REQUEST ? &row->request_trailers : &row->response_trailers;
    if (trailers->count > 0) {
        write_fields(writer, trailers);
        putc('\n', writer->out);
    }
    return result_of(writer);
}

// --- bodies ------------------------------------------------------------------------------------

static bool has_ending(const char *text, const char *ending)
{
    size_t length = strlen(text), ending_length = strlen(ending);
    return length >= ending_length && strcasecmp(text + length - ending_length, ending) == 0;
}

// The media type without parameters; the caller frees it.
static char *media_type_of(const struct body_view *body)
{
    const char *type = body->content_type ? body->content_type : "";
    return mem_strndup(type, strcspn(type, "; \t"));
}

static void write_note(const struct text_writer *writer, const char *text)
{
    set_color(writer, COLOR_DIM);
    putc('[', writer->out);
    write_text(writer, text);
    fputs("]\n", writer->out);
    reset_color(writer);
}

// What is to be known before the bytes: how they were coded, and that some are missing. False if
// there is nothing to say.
static bool write_body_notes(const struct text_writer *writer, const struct exchange_row *row,
                             const struct body_view *body)
{
    // A body that was cut breaks off in its coding, too; that is no news then.
    bool has_problem = body->problem.is_set && !body->is_cut;
    struct buffer note = {0};
    if (body->coding) {
        buffer_printf(&note, "%s: ", body->coding);
        human_append_bytes(&note, body->wire_bytes);
        buffer_append_text(&note, " on the wire, ");
        human_append_bytes(&note, body->shown_bytes);
        buffer_append_text(&note, " decoded");
        write_note(writer, note.data);
    }
    if (body->is_cut) {
        int64_t passed = body->side == BODY_REQUEST ? row->request_size : row->response_size;
        buffer_clear(&note);
        buffer_printf(&note, "cut: only %" PRId64 " of %" PRId64 " bytes were recorded",
                      body->wire_bytes, passed);
        write_note(writer, note.data);
    }
    if (has_problem)
        write_note(writer, body->problem.text);
    buffer_fini(&note);
    return body->coding || body->is_cut || has_problem;
}

static void write_binary(const struct text_writer *writer, const struct body_view *body)
{
    struct buffer note = {0};
    char *type = media_type_of(body);
    buffer_printf(&note, "binary%s%s, ", *type ? " " : "", type);
    human_append_bytes(&note, body->shown_bytes);
    buffer_append_text(&note, ":");
    for (size_t i = 0; i < body->head.length && i < HEX_SHOWN_BYTES; i++)
        buffer_printf(&note, " %02x", (unsigned char)body->head.data[i]);
    if (body->shown_bytes > HEX_SHOWN_BYTES)
        buffer_append_text(&note, " …");
    write_note(writer, note.data);
    free(type);
    buffer_fini(&note);
}

struct text_output {
    FILE *out;
    struct safe_stream stream;
};

static int on_utf8(void *ctx, const void *data, size_t length)
{
    struct text_output *output = ctx;
    safe_stream_write(&output->stream, output->out, data, length);
    return ferror(output->out) ? 1 : 0;
}

static struct charset_reader *find_charset(const struct text_writer *writer,
                                           const struct body_view *body)
{
    struct err err = {0};
    struct charset_reader *charset = body_view_charset(body, &err);
    if (err.is_set)
        write_note(writer, err.text);
    return charset;
}

static int write_lines(const struct text_writer *writer, const struct body_view *body,
                       struct err *err)
{
    struct text_output output = {.out = writer->out};
    struct charset_reader *charset = find_charset(writer, body);
    int rc = body_view_walk_text(body, charset, on_utf8, &output, err);
    safe_stream_finish(&output.stream, writer->out);
    charset_reader_destroy(charset);
    if (!output.stream.ends_line)
        putc('\n', writer->out);
    return rc != 0 ? -1 : 0;
}

static bool is_json(const struct body_view *body)
{
    if (!body->is_whole || !body->is_utf8)
        return false;
    char *type = media_type_of(body);
    bool may_be_json = has_ending(type, "json") || (!*type && strchr("{[", body->head.data[0]));
    free(type);
    return may_be_json && json_is_valid(body->head.data, body->head.length);
}

int text_write_body(const struct text_writer *writer, const struct body_view *body, struct err *err)
{
    if (body->shown_bytes == 0)
        return result_of(writer);
    if (!body_view_is_text(body)) {
        write_binary(writer, body);
    } else if (is_json(body)) {
        json_layout_write(writer->out, &writer->terminal, body->head.data, body->head.length);
        putc('\n', writer->out);
    } else if (write_lines(writer, body, err) < 0) {
        return -1;
    }
    return result_of(writer);
}

static int on_body(void *ctx, const struct exchange_row *row, const struct body_view *body,
                   struct err *err)
{
    const struct text_writer *writer = ctx;
    bool has_notes = write_body_notes(writer, row, body);
    if (text_write_body(writer, body, err) < 0)
        return -1;
    if (has_notes || body->shown_bytes > 0)
        putc('\n', writer->out);
    return result_of(writer);
}

static int on_message(void *ctx, const struct exchange_row *row,
                      const struct shown_message *message)
{
    (void)row;
    return text_write_message(ctx, message);
}

static int on_end(void *ctx, const struct exchange_row *row)
{
    const struct text_writer *writer = ctx;
    if (row->status == 0 && row->state == ROW_STATE_PENDING)
        write_note(writer, "no answer yet");
    else if (row->status == 0)
        write_note(writer, "no answer");
    return result_of(writer);
}

const struct exchange_writer text_writer_stops = {
    .on_begin = on_begin,
    .on_note = on_note,
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_message = on_message,
    .on_end = on_end,
};
