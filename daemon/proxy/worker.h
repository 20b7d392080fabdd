// SPDX-License-Identifier: MIT
// A worker: one thread with one epoll loop that drives everything of the connections it adopted,
// from the client's socket to the origin's.
//
// Owner: the server. Thread: its own, but for the functions marked "any thread". Nothing here
// waits for anything but epoll.
#ifndef HARK_PROXY_WORKER_H
#define HARK_PROXY_WORKER_H

#include "counters.h"
#include "hark/address.h"
#include "hark/buffer.h"
#include "hark/config.h"
#include "hark/log.h"
#include "recorder.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct exchange;
struct client_side;
struct upstream;
struct listener;
struct listen_watch;
struct arrival;
struct admission;
struct authority;
struct client_count;
struct playback;
struct store_reader;
struct farewell;
struct held_tunnel;
struct ignore_rule;
struct relay;
struct route;
struct socks_client;
struct tunnel;
struct server;
struct worker;

// A descriptor in the loop. Embedded in whatever it belongs to; zero-initialised is not watching.
struct watch {
    int fd;
    uint32_t events; // what the loop waits for; 0: not in the loop
    void (*on_event)(struct watch *watch, uint32_t events);
    void *ctx;
};

// A client: where it connects from, whose traffic it is, and what its listener stands in for.
struct peer {
    struct address address;
    int64_t session_id;
    bool asks_no_login;         // of a listener that cannot be logged in to
    struct client_count *count; // goes with the connection, see worker_end_connection()
    const struct route *origin; // the listener's, which lives as long as the server; NULL: a proxy
};

enum inbox_kind {
    INBOX_ADOPT,    // a new client connection: fd, peer
    INBOX_WRITTEN,  // a record that somebody waited for: record
    INBOX_ROOM,     // the recorder's queue has room again, or the disk began to refuse
    INBOX_CALL,     // call(worker, call_ctx)
    INBOX_CONFIG,   // use this configuration from now on: config
    INBOX_LISTEN,   // accept there, too: listener
    INBOX_UNLISTEN, // and no more
    INBOX_DRAIN,    // accept nothing new, answer with Connection: close
    INBOX_STOP,     // end everything that is left and leave the loop
};

struct inbox_item {
    struct inbox_item *next;
    enum inbox_kind kind;
    int fd;
    struct peer peer;
    struct record *record;
    struct listener *listener;
    struct config *config;       // a reference, taken over
    struct authority *authority; // of INBOX_CONFIG; NULL: nothing is intercepted
    void (*call)(struct worker *worker, void *ctx);
    void *call_ctx;
};

struct worker {
    struct server *server;
    struct recorder *recorder;
    struct log *log;
    struct config *config; // the current one, by reference
    char via[32];          // our pseudonym in Via: this process's alone, the same for all workers
    pthread_t thread;
    bool is_started;

    int epoll_fd;
    struct epoll_event *batch; // the events being handled
    int batch_count;
    struct watch inbox_watch;
    pthread_mutex_t inbox_mutex;
    struct inbox_item *inbox_first;
    struct inbox_item *inbox_last;

    struct client_side *clients;     // plain connections
    struct client_side *tls_clients; // intercepted ones; NULL: nothing is intercepted
    struct admission *admission;     // the server's
    struct authority *authority;     // the server's; NULL: nothing is intercepted
    struct playback *playback;       // the server's; NULL: nothing is played back
    const unsigned char *redact_key; // the server's
    struct store_reader *answers;    // what it reads recorded answers with
    struct upstream *upstream;       // everybody's
    struct upstream *upstreams;      // all, that one among them
    struct buffer peeked;            // scratch: the first bytes of the connection being judged
    struct arrival *arrivals;        // connections whose first bytes have not come yet
    struct socks_client *socks;      // who have not said where to yet
    struct tunnel *tunnels;          // whose first bytes have not come yet
    struct relay *relays;
    struct held_tunnel *held_tunnels;    // whose password is being checked
    struct farewell *farewells;          // refused connections on their way out
    struct listen_watch *listen_watches; // one for each listener
    int spare_fd;                        // see listener_open_spare()
    int64_t accept_again_us; // when to listen again after descriptors ran out; 0: listening

    struct ignore_rule *ignore;   // what `ignore` said when it was last looked at; NULL: nothing
    struct exchange *live;        // all exchanges, newest first
    struct exchange *ready_first; // those that have something to do for their client
    struct exchange *ready_last;
    int64_t now_us;  // monotonic, at the start of this turn of the loop
    int64_t tick_us; // when the next exchange wants a look

    struct log_limit spoke_tls; // to the proxy's address
    struct log_limit spoke_socks_4;
    struct log_limit missed; // in playback
    bool is_draining;
    bool is_stopping;
    atomic_int connections;          // client connections it has or is about to get
    atomic_int in_flight;            // exchanges
    atomic_int_fast64_t answered_us; // when it last answered server_is_alive(), monotonic
    atomic_int_fast64_t exchanges_total;
    atomic_int_fast64_t ignored; // of them, those not recorded for `ignore`
    struct counters counters;
};

struct worker *worker_create(struct server *server, struct config *config,
                             struct recorder *recorder, struct log *log);
// Opens the loop: from here on other threads may post to it.
int worker_open(struct worker *worker, struct err *err);
// Starts the thread. Every worker is open by then, since they hand connections to each other.
int worker_start(struct worker *worker, struct err *err);
void worker_join(struct worker *worker);    // after INBOX_STOP
void worker_destroy(struct worker *worker); // takes NULL

// Any thread. The item is copied.
void worker_post(struct worker *worker, const struct inbox_item *item);

// A client connection that it has had is closed. Thread: its own.
void worker_end_connection(struct worker *worker, struct client_count *count);

// Waits for `events` (0: no longer) on watch->fd.
void worker_watch(struct worker *worker, struct watch *watch, uint32_t events);
// Stops watching a descriptor that is closed already, and may be somebody else's by now.
void worker_forget_closed(struct worker *worker, struct watch *watch);

// Have the exchange looked at (exchange_advance) before the loop waits again.
void worker_mark_ready(struct worker *worker, struct exchange *exchange);
// Have exchange_tick() called at that time at the latest.
void worker_tick_by(struct worker *worker, int64_t at_us);

#endif
