// SPDX-License-Identifier: MIT
// The one error type.
//
// A function that can fail returns 0 or -1 (or NULL for a pointer) and takes a `struct err *` as
// its last parameter. The first error wins: setting an error that is already set does nothing, so
// clean-up code can never hide the cause. A message names the object and the action:
// "store: open /x/hark.db: disk full".
#ifndef HARK_ERR_H
#define HARK_ERR_H

#include <stdbool.h>

// Owner: the caller's stack. Initialise with `struct err err = {0};`.
struct err {
    bool is_set;
    char text[512];
};

// Sets the message unless one is set already; always returns -1, so that
// `return err_set(err, …)` is the usual way out.
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Puts "context: " in front of a message that is set; returns -1.
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
