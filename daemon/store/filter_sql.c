// SPDX-License-Identifier: MIT
// A filter as SQL. What comes from the user is only ever a parameter.
#include "filter.h"
#include "schema.h"

static const char *field_sql(enum filter_field field)
{
    switch (field) {
    case FIELD_HOST:
        return "host";
    case FIELD_PORT:
        return "port";
    case FIELD_METHOD:
        return "method COLLATE NOCASE";
    case FIELD_PATH:
        return "path";
    case FIELD_STATUS:
        return "status";
    case FIELD_URL:
        return schema_url_sql;
    case FIELD_SESSION:
        return "session_id";
    case FIELD_KIND:
        return "kind";
    case FIELD_SOURCE:
        return "source";
    case FIELD_STATE:
        return "state";
    case FIELD_ERROR:
        return "error";
    }
    return "NULL";
}

static const char *test_sql(enum filter_test test)
{
    switch (test) {
    case TEST_EQUAL:
        return " = ?";
    case TEST_GLOB:
        return " GLOB ?";
    case TEST_CONTAINS:
        return " LIKE ? ESCAPE '\\'";
    case TEST_BETWEEN:
        return " BETWEEN ? AND ?";
    case TEST_PRESENT:
        return " IS NOT NULL";
    }
    return "";
}

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

static void append_node(const struct filter_node *node, struct buffer *sql)
{
    switch (node->kind) {
    case NODE_TEST:
        buffer_append_text(sql, field_sql(node->field));
        buffer_append_text(sql, test_sql(node->test));
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

static int bind_node(const struct filter_node *node, sqlite3_stmt *statement, int next)
{
    if (node == NULL)
        return next;
    if (node->kind != NODE_TEST)
        return bind_node(node->right, statement, bind_node(node->left, statement, next));
    if (node->test == TEST_BETWEEN) {
        sqlite3_bind_int64(statement, next++, node->low);
        sqlite3_bind_int64(statement, next++, node->high);
    } else if (node->test != TEST_PRESENT) {
        sqlite3_bind_text(statement, next++, node->text, -1, SQLITE_STATIC);
    }
    return next;
}

int filter_bind(const struct filter *filter, sqlite3_stmt *statement, int first)
{
    return bind_node(filter->root, statement, first);
}
