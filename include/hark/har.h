// SPDX-License-Identifier: MIT
// HAR files (HTTP Archive 1.2): one entry an exchange, one line an entry.
#ifndef HARK_HAR_H
#define HARK_HAR_H

#include "hark/exchange_view.h"
#include "hark/json_out.h"

// What stands before the first entry and after the last one.
void har_begin(struct json_out *json);
int har_end(struct json_out *json);
extern const struct exchange_writer har_writer_stops; // ctx: struct json_out

#endif
