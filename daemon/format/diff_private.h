// SPDX-License-Identifier: MIT
// What the files of the comparison share.
#ifndef HARK_FORMAT_DIFF_PRIVATE_H
#define HARK_FORMAT_DIFF_PRIVATE_H

#include "hark/body_view.h"
#include "hark/diff.h"

// One comparison.
struct diff {
    const struct diff_options *options;
    enum body_side side; // which is being compared
    difference_fn sink;
    void *ctx;
    bool is_different;
};

// Tells one difference; its side is filled in.
void diff_tell(struct diff *diff, const struct difference *difference);

// The bodies of `diff->side`. -1 if a recording cannot be read.
int diff_bodies(struct diff *diff, const struct diff_exchange *first,
                const struct diff_exchange *second, struct err *err);

// Two texts, NUL-terminated behind their length. False if one of them is no JSON, or none that can
// be compared without loss (a name twice in an object, numbers out of range); nothing is told then.
bool diff_json(struct diff *diff, const struct buffer *first, const struct buffer *second);

// Two texts in UTF-8. `where`: "body", of lines; or "message", with one in a line.
void diff_lines(struct diff *diff, const char *where, const struct buffer *first,
                const struct buffer *second);

// The messages that `diff->side` of a WebSocket has sent. -1 if a recording cannot be read.
int diff_messages(struct diff *diff, const struct diff_exchange *first,
                  const struct diff_exchange *second, struct err *err);

#endif
