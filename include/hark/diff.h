// SPDX-License-Identifier: MIT
// What differs between two exchanges: status, header fields, bodies as what they mean.
//
// Bodies are compared decoded. JSON is compared by structure: the order of members does not count,
// and 1.0 is 1; each difference has its JSON path. Text is compared by lines. What is neither, and
// what is over BODY_VIEW_WHOLE_MAX, is compared by size and SHA-256. Of WebSockets each direction's
// messages are compared, the client's with the request.
#ifndef HARK_DIFF_H
#define HARK_DIFF_H

#include "hark/buffer.h"
#include "hark/err.h"
#include "hark/row.h"
#include "hark/store_reader.h"
#include "hark/terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Names that are ignored unless `has_all_headers`: they differ between any two answers, or tell of
// the connection, not of the content. NULL-terminated.
extern const char *const diff_usual_headers[];

struct diff_options {
    const char *const *ignored_headers; // beside the usual ones; any case
    size_t ignored_count;
    bool has_all_headers; // none is ignored
    bool has_request;     // the requests are compared, too, before the responses
};

// An exchange and where its bodies are read. Borrowed.
struct diff_exchange {
    struct store_reader *reader;
    const struct exchange_row *row;
};

enum difference_kind {
    DIFFERENCE_CHANGED,
    DIFFERENCE_ADDED,   // the second has it, the first not
    DIFFERENCE_REMOVED, // the first has it, the second not
    DIFFERENCE_UNKNOWN, // it cannot be told; `note` says why
};

struct difference_value {
    const char *data; // NULL: there is none
    size_t length;
};

// Borrowed: good until the sink returns.
struct difference {
    enum body_side side;
    const char *where; // "method", "url", "status", "reason", "error", "header", "trailer", "body",
                       // "message" (of a WebSocket)
    const char *path;  // the name of a field, lower case; "$.items[3].price"; "line 12"; the number
                       // of a message; or ""
    enum difference_kind kind;
    struct difference_value old;
    struct difference_value new;
    bool is_json;     // the values are JSON texts
    const char *note; // for people; NULL: nothing to say
};

typedef void (*difference_fn)(void *ctx, const struct difference *difference);

// Tells the sink every difference. Returns 0 if there is none, 1 if there is one, -1 if a recording
// cannot be read.
int exchange_diff(const struct diff_exchange *first, const struct diff_exchange *second,
                  const struct diff_options *options, difference_fn sink, void *ctx,
                  struct err *err);

// --- writing a difference ------------------------------------------------------------------------

// As a JSON object: "side", "where", "path", "kind", "old" and "new" where there are such values
// (of JSON bodies as JSON, else strings), "note" if there is one.
void difference_append_json(const struct difference *difference, struct buffer *out);
// For people, in lines; cut to the width of a terminal, elsewhere in full.
void difference_write(const struct difference *difference, const struct terminal *terminal,
                      FILE *out);

#endif
