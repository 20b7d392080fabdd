// SPDX-License-Identifier: MIT
// One entry of a file becomes an exchange.
#ifndef HARK_FORMAT_IMPORT_ENTRY_H
#define HARK_FORMAT_IMPORT_ENTRY_H

#include "hark/err.h"
#include "hark/whole_exchange.h"

#include <jansson.h>

enum import_entry {
    IMPORT_READ,
    IMPORT_FOREIGN, // not HTTP
    IMPORT_INVALID, // err says why
};

// Each fills in an exchange that is new.
enum import_entry import_har_entry(struct whole_exchange *exchange, const json_t *entry,
                                   struct err *err);
enum import_entry import_jsonl_entry(struct whole_exchange *exchange, const json_t *line,
                                     struct err *err);

#endif
