// SPDX-License-Identifier: MIT
// Who watches a connection's long calls, and may end them.
#ifndef HARK_STORE_WATCH_H
#define HARK_STORE_WATCH_H

#include "hark/store_reader.h"

// Owner and thread: those of the reader. Zero-initialised is unwatched.
struct watch {
    store_unwanted_fn is_unwanted; // NULL: nobody watches
    void *ctx;
    struct store_progress progress;
};

static inline bool watch_is_ended(const struct watch *watch)
{
    return watch != NULL && watch->is_unwanted != NULL && watch->is_unwanted(watch->ctx);
}

#endif
