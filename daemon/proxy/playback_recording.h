// SPDX-License-Identifier: MIT
// What playback knows of the recording: the index, made when hark starts, and the thread that
// reads the bodies of requests for it when they are asked for.
//
// Owner: the server. Thread: any, but for opening and closing.
#ifndef HARK_PROXY_PLAYBACK_RECORDING_H
#define HARK_PROXY_PLAYBACK_RECORDING_H

#include "hark/config.h"
#include "hark/err.h"
#include "hark/log.h"
#include "hark/store_reader.h"
#include "playback_index.h"
#include "playback_tally.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct playback {
    struct config *config; // the first one, what the index was made with; by reference
    struct log *log;
    const char *db_path;
    struct playback_index *index;
    uint64_t empty_body; // its digest
    int64_t last_id;     // of the recording, when it was read
    atomic_int_fast64_t hits;
    atomic_int_fast64_t misses;
    struct playback_tallies tallies; // the same by session

    struct store_reader *bodies; // the thread's
    pthread_t thread;
    bool is_started;
    pthread_mutex_t mutex; // guards what follows
    pthread_cond_t wake;
    bool is_stopping;
    uint64_t *wanted; // heads whose bodies are to be read, the first of them being read
    size_t wanted_count;
};

// The path outlives it.
struct playback *playback_open(struct config *config, const char *db_path, struct log *log,
                               struct err *err);
void playback_close(struct playback *playback); // takes NULL
// A reader of recorded answers for one thread.
struct store_reader *playback_open_reader(const struct playback *playback, struct err *err);
// What was added since then is found once its end is committed: of an exchange that lasts there is
// a row before. The caller destroys the row.
enum store_found playback_get_row(const struct playback *playback, struct store_reader *reader,
                                  int64_t id, struct exchange_row **row, struct err *err);

// A recorded exchange can answer from now on.
void playback_add(struct playback *playback, uint64_t head_key, bool has_body, int64_t id,
                  const char *host, const char *path);
// A number for a host and path.
uint32_t playback_place(const char *host, const char *path);

void playback_count_hit(struct playback *playback, int64_t session_id);
void playback_count_miss(struct playback *playback, int64_t session_id);

enum playback_found {
    PLAYBACK_FOUND,
    PLAYBACK_WAIT, // recorded bodies are being read; ask again
    PLAYBACK_MISS
};
enum playback_found playback_find(struct playback *playback, uint64_t head_key, uint64_t body,
                                  int64_t *id);
// Does anything answer requests with this head? If not, no body has to be looked at.
bool playback_knows_head(struct playback *playback, uint64_t head_key);

#endif
