// SPDX-License-Identifier: MIT
// The runs that go on, so that one can be told to stop by its session.
#ifndef HARK_PROXY_REPLAY_LIST_H
#define HARK_PROXY_REPLAY_LIST_H

#include <pthread.h>

struct replay;

// Owner: the server. Thread: any.
struct replay_list {
    pthread_mutex_t mutex;
    struct replay *first; // under the mutex
};

#endif
