// SPDX-License-Identifier: MIT
// Members of a JSON object for the fields of a row. What is missing or null is nothing; what has
// the wrong type is a mistake, of which err keeps the first.
#ifndef HARK_FORMAT_IMPORT_VALUES_H
#define HARK_FORMAT_IMPORT_VALUES_H

#include "hark/err.h"
#include "hark/whole_exchange.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

// NULL if it is missing or null. Borrowed from the object.
const json_t *import_member(const json_t *object, const char *key);
// NULL if there is none. Borrowed from the object.
const char *import_text(const json_t *object, const char *key, struct err *err);
// The same in the row's arena; "" is nothing, too.
const char *import_row_text(struct exchange_row *row, const json_t *object, const char *key,
                            struct err *err);
// Also a number with a fraction, which is cut off.
int64_t import_integer(const json_t *object, const char *key, int64_t otherwise, struct err *err);
// A size or a duration; -1 if it is missing or negative.
int64_t import_count(const json_t *object, const char *key, struct err *err);
// Milliseconds as microseconds; -1 if it is missing, negative, or more than a person lives.
int64_t import_ms(const json_t *object, const char *key, struct err *err);
bool import_bool(const json_t *object, const char *key, struct err *err);
// An object or array as JSON text in the row's arena.
const char *import_json(struct exchange_row *row, const json_t *object, const char *key);
// [["Name","value"],…]
void import_pairs(struct exchange_row *row, struct fields *fields, const json_t *object,
                  const char *key, struct err *err);
// A member that has to be an object; NULL if it is missing.
const json_t *import_object(const json_t *object, const char *key, struct err *err);

// 2026-11-20T09:00:00.123456+01:00, as Unix microseconds; from 1970 to 9999. 0 or -1.
int import_date(const char *text, int64_t *wall_us);
// Fills in scheme, host, port, path and query. 0; 1 if its scheme is none of http, https, ws and
// wss; -1.
int import_url(struct exchange_row *row, const char *url, struct err *err);

// The columns of the table `exchange` under their names, as hark writes them, but for those of the
// heads, and for id, session, source and replay_of, which are new.
void import_columns(struct exchange_row *row, const json_t *object, struct err *err);

// A mark, or a comment that is not empty; what was said before of that kind is replaced.
void import_note(struct whole_exchange *exchange, bool is_mark, const char *text,
                 int64_t created_us);

// A body in one of its forms: `text` or, with `is_base64`, what it stands for.
struct import_body {
    enum body_side side;
    const json_t *text; // a string, or NULL for an empty body
    bool is_base64;
    const json_t *chunks; // [[at_us, bytes],…], or NULL: it came at once, at `at_us`
    int64_t at_us;
};
// Adds it; returns its length.
int64_t import_body(struct whole_exchange *exchange, const struct import_body *body,
                    struct err *err);

#endif
