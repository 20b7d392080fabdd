// SPDX-License-Identifier: MIT
// A filter as SQL. What comes from the user is only ever a parameter.
//
// SQLite runs the operands of AND and OR from left to right, but what an index can answer first of
// all. So the operands are put in the order of their cost, and the conditions of the partial index
// are written out in the words of its definition, which is how SQLite recognises it.
#include "filter.h"
#include "schema.h"

#include <assert.h>

// Twice as many as words, since some words make two tests.
#define OPERANDS_MAX 400

enum cost {
    COST_KEY,     // a range of the table's or an index's keys
    COST_COLUMN,  // a comparison
    COST_PATTERN, // a short text is gone through
    COST_URL,     // it is made first
    COST_HEADERS, // JSON is gone through
    COST_BODY,    // bodies are read
};

struct field_sql {
    const char *expression;
    enum cost cost;
};

// Most requests have no body; one that goes on may have more than its row says.
#define BODY_OF(side, coding, segment)                              \
    "(" side "_size IS NOT 0 OR state <> 'done' OR kind <> 'http')" \
    " AND hark_body('" side "', ?, id, kind, " coding ", " side "_size, " segment ")"

// A short answer that is not coded is mostly one segment, which is had here for less than by a
// statement of its own. What a request's coding is, its row does not say; and how long a body is
// that has not ended well, it may not say.
#define SHORT_RESPONSE                                                                 \
    "CASE WHEN response_size <= 65536 AND response_encoding IS NULL AND kind = 'http'" \
    " AND state = 'done' THEN (SELECT data FROM body WHERE exchange_id = exchange.id"  \
    " AND side = 'response' AND seq = 0) END"

static const struct field_sql field_sqls[] = {
    [FIELD_ID] = {"id", COST_KEY},
    [FIELD_STARTED] = {"started_us", COST_COLUMN},
    [FIELD_DURATION] = {"duration_us", COST_COLUMN},
    [FIELD_SESSION] = {"session_id", COST_COLUMN},
    [FIELD_HOST] = {"host", COST_KEY},
    [FIELD_PORT] = {"port", COST_COLUMN},
    [FIELD_STATUS] = {"status", COST_COLUMN},
    [FIELD_REQUEST_SIZE] = {"request_size", COST_COLUMN},
    [FIELD_RESPONSE_SIZE] = {"response_size", COST_COLUMN},
    [FIELD_METHOD] = {"method COLLATE NOCASE", COST_COLUMN},
    [FIELD_SCHEME] = {"scheme", COST_COLUMN},
    [FIELD_CLIENT] = {"client_addr", COST_COLUMN},
    [FIELD_PATH] = {"path", COST_COLUMN},
    [FIELD_TYPE] = {"response_type", COST_COLUMN},
    [FIELD_URL] = {"hark_url(?, scheme, host, port, path, query)", COST_URL},
    [FIELD_HEADERS] = {"hark_header(?, ?, request_headers, response_headers, request_trailers,"
                       " response_trailers)",
                       COST_HEADERS},
    [FIELD_REQUEST_BODY] = {BODY_OF("request", "NULL", "NULL"), COST_BODY},
    [FIELD_RESPONSE_BODY] = {BODY_OF("response", "response_encoding", SHORT_RESPONSE), COST_BODY},
    [FIELD_IS_ERROR] = {"(error IS NOT NULL OR (state <> 'done' AND state <> 'pending'))",
                        COST_KEY},
    [FIELD_IS_IMPORT] = {"(source <> 'proxy' AND source = 'import')", COST_KEY},
    [FIELD_IS_MARKED] = {"id IN (SELECT exchange_id FROM note WHERE is_mark = 1)", COST_KEY},
    [FIELD_IS_PENDING] = {"(state <> 'done' AND state = 'pending')", COST_KEY},
    [FIELD_IS_PLAYBACK] = {"(source <> 'proxy' AND source = 'playback')", COST_KEY},
    [FIELD_IS_REPLAY] = {"(source <> 'proxy' AND source = 'replay')", COST_KEY},
    [FIELD_IS_TUNNEL] = {"(kind <> 'http' AND kind = 'tunnel')", COST_KEY},
    [FIELD_IS_WEBSOCKET] = {"(kind <> 'http' AND kind = 'websocket')", COST_KEY},
};

static const char *const test_sqls[] = {
    [TEST_EQUAL] = " = ?",
    [TEST_GLOB] = " GLOB ?",
    [TEST_CONTAINS] = " LIKE ? ESCAPE '\\'",
    [TEST_BETWEEN] = " BETWEEN ? AND ?",
    [TEST_HAS] = "",
    [TEST_IS] = "",
    [TEST_NEWEST] = " = (SELECT id FROM exchange ORDER BY id DESC LIMIT 1 OFFSET ?)",
};

// --- order --------------------------------------------------------------------------------------

static enum cost cost_of(const struct filter_node *node)
{
    if (node == NULL)
        return COST_KEY;
    if (node->kind != NODE_TEST) {
        enum cost left = cost_of(node->left);
        enum cost right = cost_of(node->right);
        return left > right ? left : right;
    }
    enum cost cost = field_sqls[node->field].cost;
    bool is_pattern = node->test == TEST_GLOB || node->test == TEST_CONTAINS;
    return is_pattern && cost < COST_PATTERN ? COST_PATTERN : cost;
}

// The operands of a chain of one operator, which leans to the left, from its first on.
static size_t list_operands(struct filter_node *node, enum filter_node_kind kind,
                            struct filter_node **operands, size_t count)
{
    if (node->kind == kind) {
        count = list_operands(node->left, kind, operands, count);
        return list_operands(node->right, kind, operands, count);
    }
    assert(count < OPERANDS_MAX);
    operands[count] = node;
    return count + 1;
}

static void sort_operands(struct filter_node **operands, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct filter_node *moved = operands[i];
        enum cost cost = cost_of(moved);
        size_t to = i;
        for (; to > 0 && cost_of(operands[to - 1]) > cost; to--)
            operands[to] = operands[to - 1];
        operands[to] = moved;
    }
}

// Fills the leaves of a chain again, from its first on.
static size_t put_operands(struct filter_node *node, enum filter_node_kind kind,
                           struct filter_node **operands, size_t at)
{
    struct filter_node **sides[] = {&node->left, &node->right};
    for (size_t i = 0; i < 2; i++) {
        if ((*sides[i])->kind == kind)
            at = put_operands(*sides[i], kind, operands, at);
        else
            *sides[i] = operands[at++];
    }
    return at;
}

static void order_node(struct filter_node *node)
{
    if (node == NULL || node->kind == NODE_TEST)
        return;
    if (node->kind == NODE_NOT) {
        order_node(node->left);
        return;
    }
    struct filter_node *operands[OPERANDS_MAX];
    size_t count = list_operands(node, node->kind, operands, 0);
    for (size_t i = 0; i < count; i++)
        order_node(operands[i]);
    sort_operands(operands, count);
    put_operands(node, node->kind, operands, 0);
}

void filter_order(struct filter *filter)
{
    order_node(filter->root);
}

bool filter_is_expensive(const struct filter *filter)
{
    return cost_of(filter->root) >= COST_HEADERS;
}

// --- bounds -------------------------------------------------------------------------------------

static void narrow(const struct filter_node *node, int64_t *low, int64_t *high)
{
    if (node->low > *low)
        *low = node->low;
    if (node->high < *high)
        *high = node->high;
}

static void narrow_by(const struct filter_node *node, struct filter_bounds *bounds)
{
    if (node == NULL)
        return;
    if (node->kind == NODE_AND) {
        narrow_by(node->left, bounds);
        narrow_by(node->right, bounds);
    } else if (node->kind != NODE_TEST || node->test != TEST_BETWEEN) {
        return;
    } else if (node->field == FIELD_ID) {
        narrow(node, &bounds->min_id, &bounds->max_id);
    } else if (node->field == FIELD_STARTED) {
        narrow(node, &bounds->since_us, &bounds->until_us);
    }
}

void filter_bounds_of(const struct filter *filter, struct filter_bounds *bounds)
{
    *bounds = (struct filter_bounds){
        .min_id = 0, .max_id = INT64_MAX, .since_us = INT64_MIN, .until_us = INT64_MAX};
    narrow_by(filter->root, bounds);
}

// --- text ---------------------------------------------------------------------------------------

static void append_node(const struct filter_node *node, struct buffer *sql);

static void append_in_parentheses(const struct filter_node *node, struct buffer *sql)
{
    buffer_append_char(sql, '(');
    append_node(node, sql);
    buffer_append_char(sql, ')');
}

// No more parentheses than needed, because SQLite's parser takes only so many.
static void append_operand(const struct filter_node *node, enum filter_node_kind outer,
                           struct buffer *sql)
{
    if (outer == NODE_AND && node->kind == NODE_OR)
        append_in_parentheses(node, sql);
    else
        append_node(node, sql);
}

static void append_test(const struct filter_node *node, struct buffer *sql)
{
    if (node->field == FIELD_STATUS && node->low >= SCHEMA_NOTABLE_STATUS)
        buffer_printf(sql, "status >= %d AND ", SCHEMA_NOTABLE_STATUS);
    buffer_append_text(sql, field_sqls[node->field].expression);
    buffer_append_text(sql, test_sqls[node->test]);
}

static void append_node(const struct filter_node *node, struct buffer *sql)
{
    switch (node->kind) {
    case NODE_TEST:
        append_test(node, sql);
        break;
    case NODE_NOT: // also what has no value at all, such as the status of a pending exchange
        append_in_parentheses(node->left, sql);
        buffer_append_text(sql, " IS NOT TRUE");
        break;
    case NODE_AND:
    case NODE_OR:
        append_operand(node->left, node->kind, sql);
        buffer_append_text(sql, node->kind == NODE_AND ? " AND " : " OR ");
        append_operand(node->right, node->kind, sql);
        break;
    }
}

void filter_append_sql(const struct filter *filter, struct buffer *sql)
{
    if (filter->root == NULL)
        buffer_append_text(sql, "TRUE");
    else
        append_in_parentheses(filter->root, sql);
}

// --- parameters ---------------------------------------------------------------------------------

static int bind_test(const struct filter_node *node, sqlite3_stmt *statement, int next)
{
    switch (node->test) {
    case TEST_BETWEEN:
        sqlite3_bind_int64(statement, next++, node->low);
        sqlite3_bind_int64(statement, next++, node->high);
        return next;
    case TEST_NEWEST:
        sqlite3_bind_int64(statement, next++, node->low);
        return next;
    case TEST_HAS:
        if (node->name != NULL)
            sqlite3_bind_text(statement, next++, node->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, next++, node->text, -1, SQLITE_STATIC);
        return next;
    case TEST_EQUAL:
    case TEST_GLOB:
    case TEST_CONTAINS:
        sqlite3_bind_text(statement, next++, node->text, -1, SQLITE_STATIC);
        return next;
    case TEST_IS:
        return next;
    }
    return next;
}

static int bind_node(const struct filter_node *node, sqlite3_stmt *statement, int next)
{
    if (node == NULL)
        return next;
    if (node->kind == NODE_TEST)
        return bind_test(node, statement, next);
    return bind_node(node->right, statement, bind_node(node->left, statement, next));
}

int filter_bind(const struct filter *filter, sqlite3_stmt *statement, int first)
{
    return bind_node(filter->root, statement, first);
}
