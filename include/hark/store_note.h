// SPDX-License-Identifier: MIT
// What people say about an exchange: a mark, and a comment.
#ifndef HARK_STORE_NOTE_H
#define HARK_STORE_NOTE_H

#include "hark/store_job.h"

#include <stdbool.h>
#include <stdint.h>

// A change to both or one of them, done in one step.
struct store_note {
    int64_t exchange_id;
    bool sets_mark;
    bool is_marked;
    bool sets_text;
    const char *text; // NULL takes the comment away
    bool is_found;    // set by the step: false if there is no such exchange
};

enum store_step store_note_step(void *note, struct store_writer *writer, struct err *err);

#endif
