// SPDX-License-Identifier: MIT
// The listener: accepts, and gives each connection to the worker that has the fewest.
#ifndef HARK_PROXY_LISTENER_H
#define HARK_PROXY_LISTENER_H

#include "hark/address.h"
#include "hark/err.h"
#include "route.h"
#include "worker.h"

#include <stdbool.h>

// A listening socket, shared by all workers, and whose traffic comes through it. Never changes.
// Owner: the server and each worker that watches it, by reference.
struct listener {
    struct listener *next; // the server's list
    atomic_int refs;
    int fd;
    bool asks_no_login; // its clients cannot give a password
    bool is_passed;     // a service manager's, who goes on listening when we end
    int64_t session_id;
    char asked[64];         // what was asked for, "127.0.0.1:0"
    struct address address; // real, also where port 0 was asked for
    char text[64];
    struct route *origin; // what it stands in for; NULL: it is a proxy's
};

// A descriptor kept for the time when there are no more; -1 if there are none now.
int listener_open_spare(void);

// `beside` as for listening_open().
struct listener *listener_create(const char *address_text, int64_t session_id, int beside,
                                 struct err *err);
// For a listening socket that was passed to the process, which is taken over.
struct listener *listener_create_passed(int fd);
// From now on it stands in for an origin. The route is taken over.
void listener_set_origin(struct listener *listener, struct route *origin);
void listener_retain(struct listener *listener);  // any thread
void listener_release(struct listener *listener); // any thread; takes NULL

// Starts or stops waiting for connections; the worker's reference is taken over, and given up.
// Thread: the worker's.
void listener_watch(struct worker *worker, struct listener *listener);
void listener_unwatch(struct worker *worker, struct listener *listener);
// Takes what already waits there, so that closing the socket turns nobody away.
void listener_accept_last(struct worker *worker, struct listener *listener);
void listener_unwatch_all(struct worker *worker);

// Accepts again once a pause is over. Returns when to look again, monotonic.
int64_t listener_tick(struct worker *worker, int64_t now_us);

#endif
