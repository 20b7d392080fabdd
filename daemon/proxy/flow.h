// SPDX-License-Identifier: MIT
// A flow: the body of one side on its way through, bounded.
//
// What arrives is appended, what the peer takes is read. The chunks that carry it are sealed and
// handed to the recording as they fill up, fall silent or grow old, so that the recording has the
// time of each piece and no piece is copied for it.
//
// Owner: an exchange. Thread: its worker.
#ifndef HARK_PROXY_FLOW_H
#define HARK_PROXY_FLOW_H

#include "hark/chunk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The source of a flow pauses above the high mark and goes on below the low one.
#define FLOW_HIGH_BYTES ((size_t)256 * 1024)
#define FLOW_LOW_BYTES  ((size_t)128 * 1024)

// A chunk ends when nothing was added to it for this long, or when it is this old.
#define FLOW_GAP_US ((int64_t)5000)
#define FLOW_AGE_US ((int64_t)20000)

// Gets each chunk once it is sealed; takes a reference of its own if it keeps it.
typedef void (*flow_sealed_fn)(void *ctx, struct chunk *chunk);

struct flow {
    flow_sealed_fn on_sealed;
    void *ctx;
    int64_t epoch_us; // the monotonic time that chunk times are relative to

    struct chunk *first; // not yet read by the peer, oldest first
    struct chunk *last;
    size_t read_offset; // of `first`
    size_t unread_bytes;
    size_t hold_bytes;  // the source pauses above this, if it is more than the high mark
    bool has_no_reader; // the peer takes nothing any more: bytes are only recorded

    struct chunk *open; // the one being filled
    int64_t added_us;   // when bytes were last added, monotonic
    int64_t total_bytes;
    bool is_ended;
};

void flow_init(struct flow *flow, int64_t epoch_us, flow_sealed_fn on_sealed, void *ctx);
void flow_fini(struct flow *flow);

// Takes all of `data`, whatever the fill level: stopping the source in time is its user's part.
void flow_append(struct flow *flow, const void *data, size_t length, size_t capacity_hint,
                 int64_t now_us);
// No more bytes will come: seals what is open.
void flow_end(struct flow *flow);
// Drops what is queued for the peer and queues no more.
void flow_drop_reader(struct flow *flow);

// Copies out up to `size` bytes and lets them go.
size_t flow_read(struct flow *flow, void *buffer, size_t size);
// The bytes that stand `offset` behind the next to be read, as many as lie together; 0: none yet.
size_t flow_peek(const struct flow *flow, size_t offset, const void **data);
// The whole of an ended flow as one sealed chunk with a reference for the caller, if it is that
// (nothing read yet, one chunk); else NULL. The flow is then read to its end.
struct chunk *flow_take_whole(struct flow *flow);

bool flow_is_full(const struct flow *flow);    // the source should pause
bool flow_has_room(const struct flow *flow);   // a paused source may go on
bool flow_is_drained(const struct flow *flow); // ended, and everything read

// Seals the open chunk if it has become too old. Returns when to look again (monotonic), or
// INT64_MAX.
int64_t flow_tick(struct flow *flow, int64_t now_us);

#endif
