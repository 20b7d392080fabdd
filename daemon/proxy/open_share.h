// SPDX-License-Identifier: MIT
// How much of the recording the exchanges that still go on may take. With keep_bytes the oldest
// make room for them, but they themselves stay, so what they bring has to have an end.
//
// A body may take as much as it leaves free for the others: one alone half of the limit, two alike
// a third each. So there is always something left for a small one.
//
// Thread: any.
#ifndef HARK_PROXY_OPEN_SHARE_H
#define HARK_PROXY_OPEN_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// Owner: the recorder's retention.
struct open_share {
    atomic_int_fast64_t limit_bytes; // INT64_MAX: none
    atomic_int_fast64_t used_bytes;
    atomic_int_fast64_t cuts; // bodies that came to their end
    atomic_bool is_said;      // that one did
};

void open_share_init(struct open_share *share);
void open_share_set_limit(struct open_share *share, int64_t limit_bytes);
// So many bytes of an exchange that goes on were pushed; less than 0: it has ended.
void open_share_count(struct open_share *share, int64_t bytes);
// May a body that has `bytes` of it get `more`?
bool open_share_has_room(const struct open_share *share, int64_t bytes, int64_t more);
// A body was cut for that. Is it the first one under this limit?
bool open_share_note_cut(struct open_share *share);

#endif
