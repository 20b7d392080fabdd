// SPDX-License-Identifier: MIT
// Files read and replaced whole, or written in pieces and then put in their place.
#ifndef HARK_CLI_FILE_H
#define HARK_CLI_FILE_H

#include "hark/buffer.h"
#include "hark/err.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

// Appends what the file holds to `content`.
int file_read(const char *path, struct buffer *content, struct err *err);
// Lets the file hold `content` and have `mode`, in one step, so that nobody ever reads half of it.
// A file that is like that already is left alone.
int file_replace(const char *path, const struct buffer *content, mode_t mode, struct err *err);

// Do both paths lead to the same existing file?
bool file_is_same(const char *a, const char *b);

// A file that is being written. What is no ordinary file (a terminal, a pipe) is written to at
// once. Owner: whoever declared it, until keep or discard.
struct file_draft {
    FILE *out;
    char *path;      // where it will be; links are followed
    char *fresh;     // where it is until it takes its place; NULL: in its place
    bool is_unnamed; // it is nowhere yet
};
// Only the user may read what comes of it.
int file_draft_begin(struct file_draft *draft, const char *path, struct err *err);
// Lets it take the place of what was there.
int file_draft_keep(struct file_draft *draft, struct err *err);
void file_draft_discard(struct file_draft *draft);

#endif
