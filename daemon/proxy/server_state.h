// SPDX-License-Identifier: MIT
// The server itself, and what its files ask of each other: server.c starts and stops it, the others
// do one thing each.
#ifndef HARK_PROXY_SERVER_STATE_H
#define HARK_PROXY_SERVER_STATE_H

#include "hark/address.h"
#include "hark/redact.h"
#include "listener.h"
#include "server_private.h"

#include <pthread.h>
#include <stdatomic.h>

#define PROTECTED_MAX 4

// An older configuration lives on: exchanges that began with it still read it.
struct config_generation {
    struct config_generation *older;
    struct config *config;
};

struct server {
    struct log *log;
    struct config_generation *configs; // the current one first; thread: main
    char *db_path;
    char *data_dir;
    _Atomic(const struct config *) config;      // the current one; any thread
    unsigned char redact_key[REDACT_KEY_BYTES]; // set before a configuration that needs it
    bool has_redact_key;                        // thread: main
    struct store_writer *writer;                // NULL: the recording stays as it is
    struct recorder *recorder;
    struct playback *playback;   // NULL: the mode is none of playback's
    struct authority *authority; // NULL: nothing is intercepted
    pthread_mutex_t mutex;       // guards the list of listeners
    struct listener *listeners;  // in the order of opening; sessions come and go
    int64_t next_session_id;     // under the mutex
    struct worker **workers;
    size_t worker_count;
    struct address protected[PROTECTED_MAX]; // set before traffic can know of them
    atomic_size_t protected_count;
    struct admission *admission;
    int connections_max;
    atomic_int_fast64_t full_since_us; // monotonic; 0: there is room
    int64_t started_us;
    int64_t session_id;
    atomic_bool is_recording; // mode is not off
    atomic_int mode;          // enum config_mode
    atomic_bool is_draining;
    struct replay_list replays;
};

void server_post_to_all(struct server *server, const struct inbox_item *item);

// server_config.c: what the configuration allows.
// Does the mode write what passes?
bool server_records(const struct config *config);
void server_add_config(struct server *server, struct config *config);
void server_free_configs(struct server *server);
// Sees to it that there is a key if the configuration redacts.
int server_prepare_redaction(struct server *server, const struct config *config, struct err *err);

// server_listeners.c: the list of listeners.
int server_open_listeners(struct server *server, const struct server_options *options,
                          struct err *err);
void server_add_listener(struct server *server, struct listener *listener);
// Every worker accepts there.
void server_listen_everywhere(struct server *server, struct listener *listener);
void server_free_listeners(struct server *server);

// server_sessions.c
void server_close_sessions(struct server *server);

#endif
