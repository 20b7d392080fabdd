// SPDX-License-Identifier: MIT
// Comparing happens when the new answer is committed: both are read from the recording.
#include "replay_diff.h"

#include "diff_options.h"
#include "hark/diff.h"
#include "hark/mem.h"
#include "hark/rows.h"

#include <inttypes.h>
#include <stdlib.h>

// Owner: the report. Thread: main.
struct replay_diff {
    struct invocation *invocation;
    struct arena arena;
    struct diff_options options;
    bool is_json;
    struct terminal terminal;
    const struct value *values; // of the result being compared
    int64_t count;              // of its differences
    struct buffer json;         // they
};

struct replay_diff *replay_diff_create(struct invocation *invocation, bool is_json)
{
    struct replay_diff *diff = mem_calloc(1, sizeof *diff);
    diff->invocation = invocation;
    diff->is_json = is_json;
    diff->terminal = terminal_of(STDOUT_FILENO);
    diff_options_read(&diff->options, &diff->arena, invocation);
    return diff;
}

void replay_diff_destroy(struct replay_diff *diff)
{
    if (!diff)
        return;
    buffer_fini(&diff->json);
    arena_fini(&diff->arena);
    free(diff);
}

static void write_title(const struct replay_diff *diff)
{
    const struct value *method = &diff->values[REPLAY_COLUMN_METHOD];
    const struct value *url = &diff->values[REPLAY_COLUMN_URL];
    struct buffer title = {0};
    buffer_printf(&title, "%" PRId64 " -> %" PRId64 " ",
                  diff->values[REPLAY_COLUMN_REPLAY_OF].integer,
                  diff->values[REPLAY_COLUMN_ID].integer);
    buffer_append(&title, method->data, method->length);
    buffer_append_char(&title, ' ');
    buffer_append(&title, url->data, url->length);
    fputs(terminal_color(&diff->terminal, COLOR_BOLD), stdout);
    safe_text_write_cut(stdout, title.data, title.length, diff->terminal.columns);
    fputs(terminal_reset(&diff->terminal), stdout);
    putc('\n', stdout);
    buffer_fini(&title);
}

static void on_difference(void *ctx, const struct difference *difference)
{
    struct replay_diff *diff = ctx;
    bool is_first = diff->count++ == 0;
    if (diff->is_json) {
        buffer_append_text(&diff->json, is_first ? "" : ",");
        difference_append_json(difference, &diff->json);
        return;
    }
    if (is_first)
        write_title(diff);
    difference_write(difference, &diff->terminal, stdout);
}

static void write_json(struct replay_diff *diff, bool is_compared)
{
    struct buffer line = {0};
    rows_append_json(&line, REPLAY_COLUMN_COUNT, replay_column_names, diff->values);
    line.length--; // the closing brace
    if (is_compared)
        buffer_printf(&line, ",\"same\":%s,\"differences\":[%s]",
                      diff->count == 0 ? "true" : "false",
                      diff->json.length > 0 ? diff->json.data : "");
    buffer_append_text(&line, "}\n");
    fwrite(line.data, 1, line.length, stdout);
    buffer_fini(&line);
}

static int compare(struct replay_diff *diff, struct err *err)
{
    struct store_reader *reader = diff->invocation->reader;
    struct exchange_row *old = NULL;
    struct exchange_row *new = NULL;
    enum store_found found =
        store_get_row(reader, diff->values[REPLAY_COLUMN_REPLAY_OF].integer, &old, err);
    if (found == STORE_FOUND)
        found = store_get_row(reader, diff->values[REPLAY_COLUMN_ID].integer, &new, err);
    int rc = found == STORE_READ_ERROR ? -1 : 0;
    // Either may have been removed meanwhile.
    if (found == STORE_FOUND)
        rc = exchange_diff(&(struct diff_exchange){reader, old},
                           &(struct diff_exchange){reader, new}, &diff->options, on_difference,
                           diff, err);
    row_destroy(old);
    row_destroy(new);
    return rc;
}

int replay_diff_add(struct replay_diff *diff, const struct value *values, struct err *err)
{
    bool is_sent = values[REPLAY_COLUMN_ID].type == VALUE_INTEGER;
    diff->values = values;
    diff->count = 0;
    buffer_clear(&diff->json);
    int rc = is_sent ? compare(diff, err) : 0;
    if (diff->is_json && rc >= 0)
        write_json(diff, is_sent);
    return rc;
}
