// SPDX-License-Identifier: MIT
// Judging a row in memory. What SQLite compares, its own functions compare here as well, over the
// texts as they are stored. NULL matches nothing, as in a condition; and since NOT there takes
// NULL for false, two values are enough, and a third for what is not known yet.
#include "hark/filter_judge.h"

#include "filter.h"
#include "hark/utf8.h"

#include <string.h>

// --- words that cannot be judged -----------------------------------------------------------------

const char *filter_why_not_judged(const struct filter_node *node)
{
    if (node->kind != NODE_TEST) {
        const char *why_not = filter_why_not_judged(node->left);
        return why_not != NULL || node->right == NULL ? why_not
                                                      : filter_why_not_judged(node->right);
    }
    switch (node->field) {
    case FIELD_ID:
    case FIELD_SESSION:
        return "ids and sessions say nothing about exchanges to come";
    case FIELD_STARTED:
        return "\"since:\" and \"until:\" look back; here it is about exchanges to come";
    case FIELD_REQUEST_BODY:
    case FIELD_RESPONSE_BODY:
        return "bodies are not looked into before they are recorded";
    case FIELD_IS_IMPORT:
    case FIELD_IS_REPLAY:
        return "what is imported or sent again is always recorded";
    case FIELD_IS_MARKED:
    case FIELD_IS_PENDING:
        return "only what is recorded can be marked or pending";
    default:
        return NULL;
    }
}

// --- what a test compares ------------------------------------------------------------------------

static const char *text_of(const struct exchange_row *row, enum filter_field field)
{
    switch (field) {
    case FIELD_HOST:
        return row->host;
    case FIELD_METHOD:
        return row->method;
    case FIELD_SCHEME:
        return row->scheme;
    case FIELD_CLIENT:
        return row->client_addr;
    case FIELD_PATH:
        return row->path;
    case FIELD_TYPE:
        return row->response_type;
    default:
        return NULL;
    }
}

// -1: NULL.
static int64_t number_of(const struct exchange_row *row, enum filter_field field)
{
    switch (field) {
    case FIELD_DURATION:
        return row->duration_us;
    case FIELD_PORT:
        return row->port == 0 ? -1 : row->port;
    case FIELD_STATUS:
        return row->status == 0 ? -1 : row->status;
    case FIELD_REQUEST_SIZE:
        return row->request_size;
    case FIELD_RESPONSE_SIZE:
        return row->response_size;
    default:
        return -1;
    }
}

static const char *stored(struct arena *arena, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t length = strlen(text);
    return utf8_from_bytes(arena, text, &length);
}

static bool matches_text(const struct filter_node *node, const char *text)
{
    if (text == NULL)
        return false;
    if (node->test == TEST_GLOB)
        return sqlite3_strglob(node->text, text) == 0;
    if (node->test == TEST_CONTAINS)
        return sqlite3_strlike(node->text, text, '\\') == 0;
    if (node->field == FIELD_METHOD)
        return sqlite3_stricmp(node->text, text) == 0;
    return strcmp(node->text, text) == 0;
}

static bool matches_url(const struct filter_node *node, const struct exchange_row *row,
                        struct arena *arena)
{
    const struct exchange_row parts = {.scheme = row->scheme,
                                       .host = stored(arena, row->host),
                                       .port = row->port,
                                       .path = stored(arena, row->path),
                                       .query = stored(arena, row->query)};
    struct buffer url = {0};
    row_append_url(&parts, &url);
    bool is_found = url.length > 0 && strcasestr(url.data, node->text) != NULL;
    buffer_fini(&url);
    return is_found;
}

static bool has_field(const struct filter_node *node, const struct fields *fields,
                      struct arena *arena)
{
    for (size_t i = 0; i < fields->count; i++)
        if (field_is_named(&fields->items[i], node->name) &&
            (node->text == NULL ||
             strcasestr(stored(arena, fields->items[i].value), node->text) != NULL))
            return true;
    return false;
}

static bool matches_fields(const struct filter_node *node, const struct exchange_row *row,
                           struct arena *arena)
{
    return has_field(node, &row->request_headers, arena) ||
           has_field(node, &row->response_headers, arena) ||
           has_field(node, &row->request_trailers, arena) ||
           has_field(node, &row->response_trailers, arena);
}

static bool matches_condition(const struct exchange_row *row, enum filter_field field)
{
    switch (field) {
    case FIELD_IS_ERROR:
        return row->error != NULL ||
               (row->state != ROW_STATE_DONE && row->state != ROW_STATE_PENDING);
    case FIELD_IS_PLAYBACK:
        return row->source == ROW_SOURCE_PLAYBACK;
    case FIELD_IS_TUNNEL:
        return row->kind == ROW_KIND_TUNNEL;
    case FIELD_IS_WEBSOCKET:
        return row->kind == ROW_KIND_WEBSOCKET;
    default:
        return false;
    }
}

static bool matches(const struct filter_node *node, const struct exchange_row *row)
{
    struct arena arena = {0};
    bool result = false;
    if (node->test == TEST_BETWEEN) {
        int64_t number = number_of(row, node->field);
        result = number >= 0 && node->low <= number && number <= node->high;
    } else if (node->test == TEST_IS) {
        result = matches_condition(row, node->field);
    } else if (node->field == FIELD_URL) {
        result = matches_url(node, row, &arena);
    } else if (node->field == FIELD_HEADERS) {
        result = matches_fields(node, row, &arena);
    } else {
        result = matches_text(node, stored(&arena, text_of(row, node->field)));
    }
    arena_fini(&arena);
    return result;
}

// --- verdicts ------------------------------------------------------------------------------------

// From when on a test that fails will go on to fail, and one that holds will go on to hold.
static enum filter_stage final_from(enum filter_field field)
{
    switch (field) {
    case FIELD_HOST:
    case FIELD_PORT:
    case FIELD_METHOD:
    case FIELD_SCHEME:
    case FIELD_CLIENT:
    case FIELD_PATH:
    case FIELD_URL:
    case FIELD_IS_TUNNEL:
        return FILTER_AT_REQUEST;
    case FIELD_STATUS:
    case FIELD_TYPE:
        return FILTER_AT_ANSWER;
    default:
        return FILTER_AT_END;
    }
}

// Once it holds it holds, whatever comes: header fields only become more, and a connection that is
// WebSocket stays so.
static bool only_grows(enum filter_field field)
{
    return field == FIELD_HEADERS || field == FIELD_IS_WEBSOCKET;
}

static enum filter_verdict judge_test(const struct filter_node *node,
                                      const struct exchange_row *row, enum filter_stage stage)
{
    bool is_final = stage >= final_from(node->field);
    if (!is_final && !only_grows(node->field))
        return FILTER_OPEN;
    if (matches(node, row))
        return FILTER_YES;
    return is_final ? FILTER_NO : FILTER_OPEN;
}

static enum filter_verdict judge_node(const struct filter_node *node,
                                      const struct exchange_row *row, enum filter_stage stage)
{
    if (node->kind == NODE_TEST)
        return judge_test(node, row, stage);
    enum filter_verdict left = judge_node(node->left, row, stage);
    if (node->kind == NODE_NOT)
        return left == FILTER_OPEN ? FILTER_OPEN : left == FILTER_YES ? FILTER_NO : FILTER_YES;
    enum filter_verdict decisive = node->kind == NODE_AND ? FILTER_NO : FILTER_YES;
    if (left == decisive)
        return decisive;
    enum filter_verdict right = judge_node(node->right, row, stage);
    return right == decisive || left != FILTER_OPEN ? right : FILTER_OPEN;
}

enum filter_verdict filter_judge(const struct filter *filter, const struct exchange_row *row,
                                 enum filter_stage stage)
{
    return filter->root == NULL ? FILTER_YES : judge_node(filter->root, row, stage);
}
