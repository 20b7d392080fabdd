// SPDX-License-Identifier: MIT
// What is looked for is made ready once a statement, not once a row.
#include "filter_functions.h"

#include "hark/fields.h"
#include "hark/row.h"
#include "sql.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

// What is looked for: argument `at`. SQLite keeps what was made of it for the other rows.
static struct body_needle *needle_of(sqlite3_context *context, sqlite3_value **values, int at)
{
    struct body_needle *needle = sqlite3_get_auxdata(context, at);
    if (needle != NULL || sqlite3_value_bytes(values[at]) == 0)
        return needle;
    needle = body_needle_create(text_of(values[at]), (size_t)sqlite3_value_bytes(values[at]));
    sqlite3_set_auxdata(context, at, needle, body_needle_destroy);
    return sqlite3_get_auxdata(context, at);
}

// --- URLs ---------------------------------------------------------------------------------------

static void url_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct body_needle *needle = needle_of(context, values, 0);
    struct buffer *url = sqlite3_user_data(context);
    const struct exchange_row row = {.scheme = text_of(values[1]),
                                     .host = text_of(values[2]),
                                     .port = sqlite3_value_int(values[3]),
                                     .path = text_of(values[4]),
                                     .query = text_of(values[5])};
    buffer_clear(url);
    row_append_url(&row, url);
    if (needle != NULL)
        text_search_restart(needle->search);
    sqlite3_result_int(context,
                       needle != NULL && text_search_feed(needle->search, url->data, url->length));
}

// --- header fields ------------------------------------------------------------------------------

// Is it in the JSON as it stands? Reading the JSON costs ten times as much.
static bool may_have(const char *json, const char *text)
{
    bool is_escaped = text == NULL || strpbrk(text, "\"\\\t\n\r") != NULL;
    return is_escaped || strcasestr(json, text) != NULL;
}

static bool has_field(const char *json, const char *name, const char *text)
{
    if (json == NULL || !may_have(json, name) || !may_have(json, text))
        return false;
    struct arena arena = {0};
    struct fields fields = {0};
    struct err ignored = {0};
    bool is_found = false;
    if (fields_from_json(&fields, &arena, json, &ignored) == 0)
        for (size_t i = 0; i < fields.count && !is_found; i++)
            is_found = field_is_named(&fields.items[i], name) &&
                       (text == NULL || strcasestr(fields.items[i].value, text) != NULL);
    arena_fini(&arena);
    return is_found;
}

static void header_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *name = count >= 2 ? text_of(values[0]) : NULL;
    bool is_found = false;
    for (int i = 2; i < count && name != NULL && !is_found; i++)
        is_found = has_field(text_of(values[i]), name, text_of(values[1]));
    sqlite3_result_int(context, is_found);
}

// --- bodies -------------------------------------------------------------------------------------

// Is the whole body at hand, to be searched as it is? It is if the first segment, which is text, is
// as long as the body.
static bool is_whole_text(const struct body_needle *needle, sqlite3_value *size,
                          sqlite3_value *segment)
{
    return needle->is_ascii && sqlite3_value_type(segment) == SQLITE_TEXT &&
           sqlite3_value_int64(size) == sqlite3_value_bytes(segment);
}

static bool has_text(struct body_needle *needle, sqlite3_value *segment)
{
    text_search_restart(needle->search);
    return text_search_feed(needle->search, sqlite3_value_blob(segment),
                            (size_t)sqlite3_value_bytes(segment));
}

static void body_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *side = text_of(values[0]);
    const char *kind = text_of(values[3]);
    struct body_needle *needle = needle_of(context, values, 1);
    if (needle == NULL || side == NULL || kind == NULL) {
        sqlite3_result_int(context, 0);
        return;
    }
    if (is_whole_text(needle, values[5], values[6])) {
        sqlite3_result_int(context, has_text(needle, values[6]));
        return;
    }
    const struct body_place place = {
        .exchange_id = sqlite3_value_int64(values[2]),
        .side = strcmp(side, "request") == 0 ? BODY_REQUEST : BODY_RESPONSE,
        .is_websocket = strcmp(kind, "websocket") == 0,
        .coding = text_of(values[4]),
    };
    bool is_found = false;
    int code = body_search_run(sqlite3_user_data(context), &place, needle, &is_found);
    if (code == SQLITE_OK)
        sqlite3_result_int(context, is_found);
    else
        sqlite3_result_error_code(context, code);
}

// --- entry --------------------------------------------------------------------------------------

int filter_functions_add(struct filter_functions *functions, sqlite3 *db, struct watch *watch,
                         const char *path, struct err *err)
{
    const struct {
        const char *name;
        int count; // of arguments; -1: any
        void (*call)(sqlite3_context *, int, sqlite3_value **);
        void *ctx;
    } wanted[] = {
        {"hark_body", 7, body_function, &functions->bodies},
        {"hark_header", -1, header_function, NULL},
        {"hark_url", 6, url_function, &functions->url},
    };
    functions->bodies.db = db;
    functions->bodies.watch = watch;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (sqlite3_create_function(db, wanted[i].name, wanted[i].count,
                                    SQLITE_UTF8 | SQLITE_DIRECTONLY, wanted[i].ctx, wanted[i].call,
                                    NULL, NULL) != SQLITE_OK)
            return sql_fail(err, db, "set up", path);
    return 0;
}

void filter_functions_fini(struct filter_functions *functions)
{
    body_search_fini(&functions->bodies);
    buffer_fini(&functions->url);
}
