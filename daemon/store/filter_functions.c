// SPDX-License-Identifier: MIT
// The SQL functions that a filter's conditions call.
//
//     hark_header(name, text, headers, …)
//         Has one of the lists of fields one of that name (in lower case), and the text in its
//         value? NULL stands for any value.
//     hark_body(side, text, id, kind, coding, headers)
//         Is the text in that body of an exchange? `coding` may be NULL even if there is one.
#include "body_search.h"
#include "filter.h"
#include "hark/fields.h"
#include "reader.h"
#include "sql.h"

#include <stdlib.h>
#include <string.h>

static const char *text_of(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

// --- header fields ------------------------------------------------------------------------------

static bool has_field(const char *json, const char *name, const char *text)
{
    if (json == NULL || strcasestr(json, name) == NULL)
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

// SQLite keeps what was made of the text for the other rows of the same statement.
static struct body_needle *needle_of(sqlite3_context *context, sqlite3_value *text)
{
    struct body_needle *needle = sqlite3_get_auxdata(context, 1);
    if (needle != NULL || sqlite3_value_bytes(text) == 0)
        return needle;
    needle = body_needle_create(text_of(text), (size_t)sqlite3_value_bytes(text));
    sqlite3_set_auxdata(context, 1, needle, body_needle_destroy);
    return sqlite3_get_auxdata(context, 1);
}

static void body_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const char *side = text_of(values[0]);
    const char *kind = text_of(values[3]);
    struct body_needle *needle = needle_of(context, values[1]);
    if (needle == NULL || side == NULL || kind == NULL) {
        sqlite3_result_int(context, 0);
        return;
    }
    const struct body_place place = {
        .exchange_id = sqlite3_value_int64(values[2]),
        .side = strcmp(side, "request") == 0 ? BODY_REQUEST : BODY_RESPONSE,
        .is_websocket = strcmp(kind, "websocket") == 0,
        .coding = text_of(values[4]),
        .headers = text_of(values[5]),
    };
    bool is_found = false;
    int code = body_search_run(sqlite3_user_data(context), &place, needle, &is_found);
    if (code == SQLITE_OK)
        sqlite3_result_int(context, is_found);
    else
        sqlite3_result_error_code(context, code);
}

// --- entry --------------------------------------------------------------------------------------

int filter_functions_add(sqlite3 *db, struct body_search *bodies, const char *path, struct err *err)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    if (sqlite3_create_function(db, "hark_header", -1, flags, NULL, header_function, NULL, NULL) !=
            SQLITE_OK ||
        sqlite3_create_function(db, "hark_body", 6, flags, bodies, body_function, NULL, NULL) !=
            SQLITE_OK)
        return sql_fail(err, db, "set up", path);
    return 0;
}
