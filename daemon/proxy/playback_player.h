// SPDX-License-Identifier: MIT
// One request that is being answered from the recording.
#ifndef HARK_PROXY_PLAYBACK_PLAYER_H
#define HARK_PROXY_PLAYBACK_PLAYER_H

#include "hark/row.h"
#include "hark/store_reader.h"
#include "playback_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct playback;

enum stage {
    STAGE_REQUEST, // it is still coming
    STAGE_FIND,
    STAGE_READ, // its row may not be committed yet
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_END,
};

// Owner: the exchange's source, until detach. Thread: its worker's.
struct player {
    struct exchange *exchange;
    struct playback *playback;
    enum stage stage;
    bool may_forward;
    uint64_t head_key;
    uint64_t body;
    struct playback_digest digest;
    size_t looked_at; // bytes of the upload, where it is held

    int64_t id; // of the recorded exchange
    int64_t give_up_us;
    struct exchange_row *recorded;
    struct store_segment segment;
    bool has_segment; // read, and not given out yet
};

void player_destroy(struct player *player);
// Has its tick called at that time, which is returned.
int64_t player_look_again(struct player *player, int64_t at_us);
// The recording cannot be read as it should be. The player is gone afterwards.
void player_fail(struct player *player, const char *text);

// The recorded exchange is there, and is what answers.
void player_begin_answer(struct player *player);
// Gives what is due and fits. The player may be gone afterwards. Returns when to go on.
int64_t player_give(struct player *player);

#endif
