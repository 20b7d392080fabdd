// SPDX-License-Identifier: MIT
// Exchanges from a file: HAR of any tool, or the JSON lines that hark exports.
//
// The file is read twice, the first time to see whether all of it can be read, so that one with
// mistakes adds nothing. Memory grows with the longest entry, not with the file.
#ifndef HARK_IMPORT_H
#define HARK_IMPORT_H

#include "hark/err.h"
#include "hark/whole_exchange.h"

#include <stdbool.h>
#include <stdint.h>

struct import_result {
    int64_t added;
    int64_t foreign; // entries that are not HTTP (data:, blob:, …), left out
    int64_t invalid; // left out, with `skips_invalid`
};

// Of an entry as JSON text: it is parsed whole.
#define IMPORT_ENTRY_MAX_BYTES ((int64_t)256 * 1024 * 1024)

struct import_options {
    int fd;                  // can be read at any place
    int64_t entry_max_bytes; // 0: IMPORT_ENTRY_MAX_BYTES
    bool skips_invalid;      // what is too long is, too
    // Takes the exchange over. -1 ends the import.
    int (*on_exchange)(void *ctx, struct whole_exchange *exchange, struct err *err);
    // Told, in the first reading, of each entry that is left out as invalid; NULL if nobody asks.
    void (*on_invalid)(void *ctx, const char *problem);
    void *ctx;
};

// How the message ends where `skips_invalid` would help.
#define IMPORT_CAN_SKIP "such entries can be left out"

// 0, or -1: the message names the entry and what is wrong with it. `result` says what was added.
int import_read(const struct import_options *options, struct import_result *result,
                struct err *err);

#endif
