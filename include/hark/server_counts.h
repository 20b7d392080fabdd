// SPDX-License-Identifier: MIT
// What the server counts besides its status: sums since the start, for whoever watches it.
#ifndef HARK_SERVER_COUNTS_H
#define HARK_SERVER_COUNTS_H

#include "hark/row.h"

#include <stddef.h>
#include <stdint.h>

#define COUNTS_KINDS   3 // enum row_kind
#define COUNTS_CLASSES 6 // of status: none, 1xx, … 5xx
#define COUNTS_ERRORS  19
#define COUNTS_BOUNDS  12

struct server_counts {
    int64_t ended[COUNTS_KINDS][COUNTS_CLASSES]; // exchanges
    int64_t errors[COUNTS_ERRORS];               // exchanges with counts_error_code()
    int64_t request_bytes;                       // of bodies, when their exchange ends
    int64_t response_bytes;
    int64_t replayed;                   // exchanges that were sent again
    int64_t accepted;                   // client connections
    int64_t upstream_opened;            // connections towards origins
    int64_t commits[COUNTS_BOUNDS + 1]; // by how long they took, the last: longer than all bounds
    int64_t commit_us;                  // all of them
    int64_t records;                    // written by them
    int64_t certificates_minted;        // leaves
    int64_t certificates_cached;        // now
};

// The stable codes in their order; the last is "other". NULL past it.
const char *counts_error_code(size_t index);
// The upper bounds of commits[] in ascending order.
extern const int64_t counts_bounds_us[COUNTS_BOUNDS];

struct server;
// Thread: any.
void server_get_counts(const struct server *server, struct server_counts *counts);

#endif
