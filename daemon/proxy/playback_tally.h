// SPDX-License-Identifier: MIT
// What playback has come to for each session: runs that share a daemon are told of their own
// requests only.
//
// Owner: the playback. Thread: any, but for the beginning and the end.
#ifndef HARK_PROXY_PLAYBACK_TALLY_H
#define HARK_PROXY_PLAYBACK_TALLY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct playback_tally {
    int64_t session_id;
    int64_t hits;
    int64_t misses;
};

struct playback_tallies {
    pthread_mutex_t mutex;
    struct playback_tally *items; // of the sessions that are open
    size_t count;
};

void playback_tallies_init(struct playback_tallies *tallies);
void playback_tallies_fini(struct playback_tallies *tallies);

void playback_tallies_open(struct playback_tallies *tallies, int64_t session_id);
void playback_tallies_close(struct playback_tallies *tallies, int64_t session_id);
// What comes for a session that is not open, such as the last requests of a program that was
// killed, is nobody's.
void playback_tallies_add(struct playback_tallies *tallies, int64_t session_id, bool is_hit);
// Zeroes if it is not open.
struct playback_tally playback_tallies_get(struct playback_tallies *tallies, int64_t session_id);

#endif
