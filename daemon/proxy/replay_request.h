// SPDX-License-Identifier: MIT
// One request of a run, between the run's thread and the worker that carries it.
//
// The run makes it and posts it to a worker, where it becomes an exchange. Its body follows a
// segment at a time, each asked for by the worker once it has taken the one before. What the worker
// has to say comes back through the run's mailbox: that it wants more of the body, that the
// exchange has ended, and then that its row is written.
//
// Owner: the run; the worker's exchange and each call on its way to the worker hold a reference.
// Thread: as the fields say. What one thread writes for the other goes with a post or a mail.
#ifndef HARK_PROXY_REPLAY_REQUEST_H
#define HARK_PROXY_REPLAY_REQUEST_H

#include "exchange.h"
#include "hark/replay.h"
#include "replay_message.h"

#include <stdatomic.h>

enum replay_news {
    NEWS_WANTS_BODY = 1, // the worker has taken what was offered
    NEWS_ENDED = 2,      // the answer is there: another may begin
    NEWS_WRITTEN = 4,    // the row is, too: this is the last of it
};

// Where news goes. Owner: a run. Thread: any, but for what is said.
struct replay_mailbox {
    pthread_mutex_t mutex;
    struct replay_request *first; // that have news, under the mutex
    struct replay_request *last;
    int wake_fd; // an eventfd
};

struct replay_request {
    atomic_int refs;
    struct replay_mailbox *mailbox; // outlives what may still be mailed
    struct worker *worker;
    size_t worker_index;
    int64_t session_id;

    struct exchange_row *recorded;
    struct replay_message message;

    // The body on its way. The run offers, then posts; the worker takes.
    struct chunk *offered;
    bool is_last_offered;
    struct store_segment segment; // the run's
    size_t going_index;           // the run's
    int64_t number;               // the run's: from 0, in the order in which they began
    bool is_written;              // the run's

    // The worker's.
    struct exchange *exchange;
    struct chunk *given; // offered, and not yet in the exchange
    bool is_last_given;
    bool is_awaiting; // the run was asked for more
    bool has_ended;

    // The mail, under the mailbox's mutex.
    struct replay_request *next;
    unsigned news;

    // What became of it, the run's from NEWS_WRITTEN on.
    struct exchange_row *row;
    bool is_recorded;
};

// `recorded` is taken over.
struct replay_request *replay_request_create(struct replay_mailbox *mailbox,
                                             struct exchange_row *recorded);
void replay_request_unref(struct replay_request *request);

// --- from the run ------------------------------------------------------------------------------

// With the message and the first of the body offered.
void replay_request_begin(struct replay_request *request);
// More of the body is offered.
void replay_request_give(struct replay_request *request);
void replay_request_abort(struct replay_request *request);

// --- from the exchange; thread: its worker's -----------------------------------------------------

void replay_request_advance(struct exchange *exchange);
// The exchange is about to go; its row is taken.
void replay_request_let_go(struct exchange *exchange);

#endif
