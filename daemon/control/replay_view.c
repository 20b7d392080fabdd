// SPDX-License-Identifier: MIT
// What is told of a request that was sent again, or was not.
#include "hark/replay_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const replay_column_names[REPLAY_COLUMN_COUNT] = {
    "id", "replay_of",     "method", "url",   "status",
    "ms", "response_size", "state",  "error", "error_text",
};

static void set_integer(struct replay_view *view, enum replay_column column, int64_t integer)
{
    view->values[column] = (struct value){.type = VALUE_INTEGER, .integer = integer};
}

static void set_text(struct replay_view *view, enum replay_column column, const char *text)
{
    if (text != NULL)
        view->values[column] =
            (struct value){.type = VALUE_TEXT, .data = text, .length = strlen(text)};
}

static void set_outcome(struct replay_view *view, const char *outcome, const char *error,
                        const char *reason)
{
    set_text(view, REPLAY_COLUMN_STATE, outcome);
    set_text(view, REPLAY_COLUMN_ERROR, error);
    set_text(view, REPLAY_COLUMN_ERROR_TEXT, reason);
}

static void set_request(struct replay_view *view, const struct exchange_row *row)
{
    row_append_url(row, &view->url);
    set_text(view, REPLAY_COLUMN_METHOD, row->method);
    if (view->url.length > 0)
        set_text(view, REPLAY_COLUMN_URL, view->url.data);
}

static void set_answer(struct replay_view *view, const struct replay_result *result)
{
    const struct exchange_row *row = result->row;
    set_integer(view, REPLAY_COLUMN_ID, row->id);
    if (row->status != 0)
        set_integer(view, REPLAY_COLUMN_STATUS, row->status);
    if (row->duration_us >= 0)
        view->values[REPLAY_COLUMN_MS] =
            (struct value){.type = VALUE_REAL, .real = (double)row->duration_us / 1000};
    set_integer(view, REPLAY_COLUMN_RESPONSE_SIZE, row->response_size);
    set_text(view, REPLAY_COLUMN_STATE, row_state_name(row->state));
    set_text(view, REPLAY_COLUMN_ERROR, row->error);
    set_text(view, REPLAY_COLUMN_ERROR_TEXT, row->error_text);
    if (!result->is_recorded)
        set_outcome(view, "not-recorded", "not-recorded", "the recording did not take it");
}

void replay_view_make(struct replay_view *view, const struct replay_result *result)
{
    *view = (struct replay_view){0};
    set_integer(view, REPLAY_COLUMN_REPLAY_OF, result->replay_of);
    switch (result->outcome) {
    case REPLAY_ANSWERED:
    case REPLAY_FAILED:
        set_request(view, result->row);
        set_answer(view, result);
        break;
    case REPLAY_SKIPPED:
        set_request(view, result->recorded);
        set_outcome(view, "skipped", "skipped", result->reason);
        break;
    case REPLAY_REDACTED:
        set_request(view, result->recorded);
        set_outcome(view, "skipped", "redacted", result->reason);
        break;
    case REPLAY_MISSING:
        snprintf(view->reason, sizeof(view->reason), "there is no exchange %" PRId64,
                 result->replay_of);
        set_outcome(view, "missing", "missing", view->reason);
        break;
    }
}

void replay_view_fini(struct replay_view *view)
{
    buffer_fini(&view->url);
}
