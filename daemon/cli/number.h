// SPDX-License-Identifier: MIT
// Numbers and exchange ids on the command line.
#ifndef HARK_CLI_NUMBER_H
#define HARK_CLI_NUMBER_H

#include "hark/err.h"
#include "hark/store_reader.h"

#include <stdint.h>

// Digits only; -1 for anything else and for what does not fit.
int number_parse(const char *text, int64_t *number);

// An id as written: "12", "@last", "@-2" (the one before the last), or a range of two such,
// "10..20". `last` is the newest id. -1 for anything else.
struct id_range {
    int64_t first, last;
    bool is_single;
};

// Is it one of these forms? Needs no recording.
bool id_is_well_formed(const char *word);
// `word` is well formed. STORE_NOT_FOUND if it counts back further than there are exchanges.
enum store_found id_resolve(struct store_reader *reader, const char *word, struct id_range *range,
                            struct err *err);

#endif
