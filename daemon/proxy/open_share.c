// SPDX-License-Identifier: MIT
#include "open_share.h"

void open_share_init(struct open_share *share)
{
    atomic_init(&share->limit_bytes, INT64_MAX);
    atomic_init(&share->used_bytes, 0);
    atomic_init(&share->cuts, 0);
    atomic_init(&share->is_said, false);
}

void open_share_set_limit(struct open_share *share, int64_t limit_bytes)
{
    atomic_store(&share->limit_bytes, limit_bytes);
}

void open_share_count(struct open_share *share, int64_t bytes)
{
    atomic_fetch_add(&share->used_bytes, bytes);
}

bool open_share_has_room(const struct open_share *share, int64_t bytes, int64_t more)
{
    int64_t free_bytes = atomic_load(&share->limit_bytes) - atomic_load(&share->used_bytes);
    return bytes + more <= free_bytes;
}

bool open_share_note_cut(struct open_share *share)
{
    atomic_fetch_add(&share->cuts, 1);
    return !atomic_exchange(&share->is_said, true);
}
