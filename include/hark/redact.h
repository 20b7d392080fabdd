// SPDX-License-Identifier: MIT
// Redaction: values that the configuration names are replaced by a mark before an exchange is
// recorded. docs/redaction.md lists what is found where.
//
// A mark is "redacted:" and 16 hexadecimal digits of a keyed hash, so that equal values can be
// told from different ones, and nothing else can. What is empty stays empty, and a mark stays the
// mark it is.
//
// Pure functions. A rule set points into its configuration, which outlives it.
#ifndef HARK_REDACT_H
#define HARK_REDACT_H

#include "hark/buffer.h"
#include "hark/config.h"
#include "hark/row.h"

#include <stdbool.h>
#include <stddef.h>

#define REDACT_KEY_BYTES  32
#define REDACT_MARK_WORD  "redacted"
#define REDACT_MARK_BYTES (sizeof(REDACT_MARK_WORD) + 16) // "redacted:" and the digits

struct redaction {
    const struct config_list *headers; // names of fields, "*" allowed in each
    const struct config_list *query;   // names of parameters
    const struct config_list *json;    // names or paths of fields in JSON bodies
    const struct config_list *form;    // names of fields of forms
    // REDACT_KEY_BYTES; NULL: the mark of each value is the bare word, for comparing what different
    // keys have marked.
    const unsigned char *key;
};

struct redaction redaction_of(const struct config *config, const unsigned char *key);
bool redaction_is_off(const struct redaction *rules);

// Is this text a mark?
bool redact_is_mark(const char *text, size_t length);

// Looks for marks in a text that comes in pieces. Zero-initialised is at its beginning.
struct redact_search {
    size_t matched; // bytes of what may become one
};
// Was a mark found whose end is in this piece?
bool redact_search(struct redact_search *search, const char *text, size_t length);
bool redact_has_mark(const char *text, size_t length);

bool redacts_field(const struct redaction *rules, const char *name);
// Is it none? Then any part of the line may be in its place.
bool redacts_method(const struct redaction *rules, const char *method);
bool redacts_parameter(const struct redaction *rules, const char *name, size_t length); // decoded

// Each appends the text with the values in it that are named replaced.
void redact_query(const struct redaction *rules, const char *query, struct buffer *out);
// A URL, or a text with URLs in it.
void redact_reference(const struct redaction *rules, const char *text, struct buffer *out);
// What stands in a request line, valid or not.
void redact_target(const struct redaction *rules, const char *target, struct buffer *out);
void redact_field(const struct redaction *rules, const char *name, const char *value,
                  struct buffer *out);

// The text of an error with this code (NULL: none): what is malformed is quoted in it, and may be
// any part of a message.
void redact_error(const struct redaction *rules, const char *code, const char *text,
                  struct buffer *out);

// A command line as it may be kept: its arguments may hold anything, so that of one that redacts
// only its first two words stay. The caller frees it.
char *redact_command(const struct redaction *rules, const char *command);

// Replaces what is named in the heads, the trailers and the target of a row; new texts are in its
// arena.
void redact_row(const struct redaction *rules, struct exchange_row *row);

#endif
