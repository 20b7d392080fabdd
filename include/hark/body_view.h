// SPDX-License-Identifier: MIT
// A recorded body for showing: content codings undone, at any size, in bounded memory.
//
// A body is read twice: once to learn what it is, once to be written. A small one is kept from the
// first reading.
#ifndef HARK_BODY_VIEW_H
#define HARK_BODY_VIEW_H

#include "hark/buffer.h"
#include "hark/charset.h"
#include "hark/coding.h"
#include "hark/err.h"
#include "hark/row.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_VIEW_WHOLE_MAX  ((size_t)4 * 1024 * 1024)
#define BODY_VIEW_HEAD_BYTES 64

enum body_form {
    BODY_DECODED, // content codings undone
    BODY_RAW,     // as on the wire
};

// What the first reading found. Owner: the caller, who ends it with body_view_fini().
struct body_view {
    struct store_reader *reader;
    int64_t exchange_id;
    enum body_side side;
    const char *coding;       // to be undone; NULL for none
    const char *content_type; // the field's value, or NULL; the row's

    int64_t wire_bytes;  // recorded, as on the wire
    int64_t shown_bytes; // in the form asked for
    int64_t segments;
    bool is_cut;         // not all that passed was recorded
    bool is_utf8;        // the shown bytes are UTF-8 without NUL
    bool has_nul;        // among the shown bytes
    struct err problem;  // why decoding stopped, or was not begun; not set if all is well
    bool is_undecodable; // a coding hark does not know: the bytes are shown as on the wire

    bool is_whole; // `head` has all shown bytes
    struct arena arena;
    struct buffer head; // the first shown bytes, at least BODY_VIEW_HEAD_BYTES if there are
};

// Reads the body through. -1 if the recording cannot be read.
int body_view_init(struct body_view *view, struct store_reader *reader,
                   const struct exchange_row *row, enum body_side side, enum body_form form,
                   struct err *err);
void body_view_fini(struct body_view *view);

// Gives the shown bytes to the sink. Returns 0, the sink's positive number, or -1 if the recording
// cannot be read. What cannot be decoded ends the bytes, as `problem` has said.
int body_view_walk(const struct body_view *view, coding_sink_fn sink, void *ctx, struct err *err);

// --- text ----------------------------------------------------------------------------------------

// Are the shown bytes text, in some character set?
bool body_view_is_text(const struct body_view *body);
// What makes the text UTF-8; NULL if it is that already, and with a set that is not known: then err
// says so. The caller destroys it.
struct charset_reader *body_view_charset(const struct body_view *body, struct err *err);
// As body_view_walk(), in UTF-8 by what body_view_charset() gave.
int body_view_walk_text(const struct body_view *body, struct charset_reader *charset,
                        coding_sink_fn sink, void *ctx, struct err *err);

#endif
