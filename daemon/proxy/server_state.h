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

struct server {
    struct log *log;
    struct config *config; // the current one, by reference; under the mutex for all but main
    char *data_dir;
    char *db_path;
    unsigned char redact_key[REDACT_KEY_BYTES]; // set before a configuration that needs it
    bool has_redact_key;                        // thread: main
    struct store_writer *writer;                // NULL: the recording stays as it is
    struct recorder *recorder;
    struct playback *playback;           // NULL: the mode is none of playback's
    struct authority *_Atomic authority; // NULL: nothing is intercepted
    pthread_mutex_t mutex;               // guards the configuration and the list of listeners
    struct listener *listeners;          // in the order of opening; sessions come and go
    int64_t next_session_id;             // under the mutex
    struct worker **workers;
    size_t worker_count;
    struct address page; // under the mutex, as the next
    bool has_page;
    struct admission *admission;
    struct authenticator *authenticator;
    atomic_int connections_max;
    atomic_int_fast64_t full_since_us; // monotonic; 0: there is room
    int64_t started_us;
    int64_t session_id;
    atomic_bool must_record;     // the mode writes what passes
    struct server_reload reload; // what became of the last one; under the mutex
    atomic_int mode;             // enum config_mode
    atomic_bool is_draining;
    atomic_bool has_workers; // all are open, and stay until the recorder has ended
    atomic_bool wants_login; // proxy_auth is set
    struct replay_list replays;
};

void server_post_to_all(struct server *server, const struct inbox_item *item);

// How many connections the configuration and the descriptors allow.
int server_connection_limit(const struct config *config, struct log *log);

// Opens the authority if `config` wants one and there is none yet.
int server_open_authority(struct server *server, const struct config *config, struct err *err);

// server_config.c: what the configuration allows.
// Does the mode write what passes?
bool server_records(const struct config *config);
// Sees to it that there is a key if the configuration redacts.
int server_prepare_redaction(struct server *server, const struct config *config, struct err *err);

// server_listeners.c: the list of listeners.
int server_open_listeners(struct server *server, const struct server_options *options,
                          struct err *err);
// For a reload: opens what `config` listens on and the current one does not, as a list for
// server_change_listeners(), which closes what `config` does not listen on.
int server_prepare_listeners(struct server *server, const struct config *config,
                             struct listener **added, struct err *err);
void server_change_listeners(struct server *server, const struct config *config,
                             struct listener *added);
void server_add_listener(struct server *server, struct listener *listener);
// Every worker accepts there.
void server_listen_everywhere(struct server *server, struct listener *listener);
void server_free_listeners(struct server *server);

// server_sessions.c
void server_close_sessions(struct server *server);

#endif
