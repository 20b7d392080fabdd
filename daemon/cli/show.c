// SPDX-License-Identifier: MIT
// hark show: exchanges as text or JSON, one of their bodies alone, or when things happened.
#include "command.h"
#include "hark/clock.h"
#include "hark/exchange_view.h"
#include "hark/timing_view.h"
#include "number.h"
#include "pager.h"
#include "rows_output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum view {
    VIEW_TEXT,
    VIEW_JSON,
    VIEW_REQUEST_BODY,
    VIEW_RESPONSE_BODY,
    VIEW_TIMING
};

// One run of the command.
struct show {
    struct invocation *invocation;
    enum view view;
    enum body_form form;
    enum rows_format format;
    struct text_writer text;
    struct json_writer json;
    struct rows_printer *rows; // of the segments, for programs
    int64_t shown;
};

// --- one exchange ------------------------------------------------------------------------------

static int write_to_stdout(void *ctx, const void *data, size_t length)
{
    (void)ctx;
    return fwrite(data, 1, length, stdout) < length ? 1 : 0;
}

// On a terminal as text; elsewhere the bytes and nothing else.
static enum status show_body(struct show *show, const struct exchange_row *row)
{
    enum body_side side = show->view == VIEW_REQUEST_BODY ? BODY_REQUEST : BODY_RESPONSE;
    struct err err = {0};
    struct body_view body;
    if (body_view_init(&body, show->invocation->reader, row, side, show->form, &err) < 0)
        return invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text);

    enum status status = STATUS_DONE;
    if (show->text.terminal.is_terminal)
        text_write_body(&show->text, &body, &err);
    else
        body_view_walk(&body, write_to_stdout, NULL, &err);
    if (err.is_set)
        status = invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text);
    else if (body.is_cut)
        invocation_fail(show->invocation, STATUS_DONE,
                        "of this body only the first %" PRId64 " bytes were recorded",
                        body.wire_bytes);
    else if (body.problem.is_set)
        status = invocation_fail(show->invocation, STATUS_FAILED,
                                 "%s (--raw gives the bytes as on the wire)", body.problem.text);
    body_view_fini(&body);
    return status;
}

static int show_timing_text(struct show *show, const struct exchange_row *row, struct err *err)
{
    text_writer_stops.on_begin(&show->text, row);
    putc('\n', stdout);
    return timing_write(&show->text, show->invocation->reader, row, err);
}

static int show_timing_rows(struct show *show, const struct exchange_row *row, struct err *err)
{
    bool is_first = !show->rows;
    if (is_first)
        show->rows = rows_output_open(show->invocation, show->format, NULL);
    return timing_walk_segments(show->invocation->reader, row, is_first ? rows_on_columns : NULL,
                                rows_on_row, show->rows, err);
}

static enum status show_row(struct show *show, const struct exchange_row *row)
{
    struct store_reader *reader = show->invocation->reader;
    struct err err = {0};
    if (show->shown++ > 0 &&
        (show->view == VIEW_TEXT || (show->view == VIEW_TIMING && show->format == ROWS_TABLE)))
        putc('\n', stdout);
    switch (show->view) {
    case VIEW_TEXT:
        exchange_walk(reader, row, &text_writer_stops, &show->text, &err);
        break;
    case VIEW_JSON:
        exchange_walk(reader, row, &json_writer_stops, &show->json, &err);
        break;
    case VIEW_TIMING:
        if (show->format == ROWS_TABLE)
            show_timing_text(show, row, &err);
        else
            show_timing_rows(show, row, &err);
        break;
    case VIEW_REQUEST_BODY:
    case VIEW_RESPONSE_BODY:
        return show_body(show, row);
    }
    return err.is_set ? invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text)
                      : STATUS_DONE;
}

static enum status show_id(struct show *show, int64_t id)
{
    struct err err = {0};
    struct exchange_row *row = NULL;
    switch (store_get_row(show->invocation->reader, id, &row, &err)) {
    case STORE_READ_ERROR:
        return invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text);
    case STORE_NOT_FOUND:
        return invocation_fail(show->invocation, STATUS_NO_MATCH, "there is no exchange %" PRId64,
                               id);
    case STORE_FOUND:
        break;
    }
    enum status status = show_row(show, row);
    row_destroy(row);
    return status;
}

// --- ranges ------------------------------------------------------------------------------------

static int on_listed(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct show *show = ctx;
    if (show_id(show, values[0].integer) != STATUS_DONE)
        return 1;
    return ferror(stdout) ? 1 : 0;
}

static enum status show_range(struct show *show, const char *word, const struct id_range *range)
{
    if (range->first > range->last)
        return invocation_fail(show->invocation, STATUS_USAGE, "the range %s ends before it begins",
                               word);
    struct err err = {0};
    int64_t shown_before = show->shown;
    const struct store_list_options options = {
        .after_id = range->first - 1,
        .before_id = range->last < INT64_MAX ? range->last + 1 : 0,
    };
    int rc = store_list_traffic(show->invocation->reader, &options, NULL, on_listed, show, &err);
    if (rc < 0)
        return invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text);
    if (rc > 0)
        return STATUS_FAILED;
    if (show->shown == shown_before)
        return invocation_fail(show->invocation, STATUS_NO_MATCH, "there is no exchange in %s",
                               word);
    return STATUS_DONE;
}

static enum status show_word(struct show *show, const char *word)
{
    struct err err = {0};
    struct id_range range;
    switch (id_resolve(show->invocation->reader, word, &range, &err)) {
    case STORE_READ_ERROR:
        return invocation_fail(show->invocation, STATUS_FAILED, "%s", err.text);
    case STORE_NOT_FOUND:
        return invocation_fail(show->invocation, STATUS_NO_MATCH, "there is no exchange %s", word);
    case STORE_FOUND:
        break;
    }
    return range.is_single ? show_id(show, range.first) : show_range(show, word, &range);
}

// --- the command -------------------------------------------------------------------------------

// Which of the views the options ask for; they exclude each other.
static enum status choose_view(struct show *show)
{
    const struct invocation *invocation = show->invocation;
    const struct {
        const char *option;
        enum view view;
    } choices[] = {
        {"timing", VIEW_TIMING},
        {"request-body", VIEW_REQUEST_BODY},
        {"response-body", VIEW_RESPONSE_BODY},
    };
    size_t chosen = 0;
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (invocation_has(invocation, choices[i].option)) {
            show->view = choices[i].view;
            chosen++;
        }
    }
    if (chosen > 1)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--timing, --request-body and --response-body exclude each other");
    bool is_body = show->view == VIEW_REQUEST_BODY || show->view == VIEW_RESPONSE_BODY;
    show->form = invocation_has(invocation, "raw") ? BODY_RAW : BODY_DECODED;
    if (show->form == BODY_RAW && !is_body)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--raw goes with --request-body or --response-body");
    bool has_format = invocation_has(invocation, "json") || invocation_has(invocation, "output");
    if (is_body && has_format)
        return invocation_fail(invocation, STATUS_USAGE, "a body alone has no other format");
    enum status status = rows_output_format(invocation, &show->format);
    if (status == STATUS_DONE && show->view == VIEW_TEXT && has_format) {
        if (show->format != ROWS_JSONL)
            return invocation_fail(invocation, STATUS_USAGE, "shows text, or with --json JSON");
        show->view = VIEW_JSON;
    }
    return status;
}

static enum status check_words(const struct invocation *invocation)
{
    if (invocation->word_count == 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "wants an ID: a number, @last, @-2 or a range like 10..20");
    for (size_t i = 0; i < invocation->word_count; i++)
        if (!id_is_well_formed(invocation->words[i]))
            return invocation_fail(invocation, STATUS_USAGE,
                                   "\"%s\" is no ID; it is a number, @last, @-2 or a range like "
                                   "10..20 (hark ls lists them)",
                                   invocation->words[i]);
    return STATUS_DONE;
}

static enum status run(struct invocation *invocation)
{
    struct show show = {.invocation = invocation};
    enum status status = choose_view(&show);
    if (status == STATUS_DONE)
        status = check_words(invocation);
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    if (status != STATUS_DONE)
        return status;

    show.text = (struct text_writer){stdout, terminal_of(STDOUT_FILENO), clock_wall_us()};
    show.json.json.out = stdout;
    if (show.text.terminal.is_terminal && show.view != VIEW_JSON)
        invocation->pager = pager_start();
    for (size_t i = 0; i < invocation->word_count && status == STATUS_DONE; i++)
        status = show_word(&show, invocation->words[i]);
    if (show.rows)
        rows_printer_finish(show.rows);
    rows_printer_destroy(show.rows);
    json_out_fini(&show.json.json);
    return status;
}

static const struct command_option options[] = {
    {"request-body", 0, NULL, "write the request's body alone, decoded"},
    {"response-body", 0, NULL, "write the response's body alone, decoded"},
    {"raw", 0, NULL, "with one of these: the bytes as on the wire"},
    {"timing", 0, NULL, "phases, and each piece of the bodies with its time"},
    {NULL, 0, NULL, NULL},
};

const struct command command_show = {
    .name = "show",
    .arguments = "ID…",
    .summary = "show an exchange with its headers and bodies",
    .help = "Shows one exchange or several. An ID is a number, @last, @-2 (the one before the\n"
            "last), or a range like 10..20. Headers are as they were on the wire; bodies are\n"
            "decoded, JSON is laid out, and what is no text is summed up.\n"
            "\n"
            "With --json one JSON object a line: all columns, headers as [[name,value],…],\n"
            "bodies as {\"text\":…} or {\"base64\":…}, the messages of a WebSocket as a list.\n"
            "With --timing, -o, --json and a pipe ask for one row for each piece of a body.\n"
            "\n"
            "Examples:\n"
            "  hark show @last\n"
            "  hark show 12 --response-body | jq .\n"
            "  hark show 12 --response-body --raw > body.gz\n"
            "  hark show @last --timing\n",
    .options = options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS,
    .run = run,
};
