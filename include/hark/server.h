// SPDX-License-Identifier: MIT
// The proxy as a whole: listeners, workers, recorder. What the command `serve` runs and what the
// control floor asks.
#ifndef HARK_SERVER_H
#define HARK_SERVER_H

#include "hark/buffer.h"
#include "hark/config.h"
#include "hark/err.h"
#include "hark/log.h"
#include "hark/store_job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct server;

struct server_options {
    struct config *config; // taken over: the server destroys it
    const char *data_dir;  // where the certificate authority lives
    const char *db_path;
    const char *command; // the command line, for the session row
    bool has_no_clients; // it listens nowhere and needs no authority: for replays alone
    const int *sockets;  // listening ones, taken over, in the place of config->listen
    size_t socket_count; // 0: it binds its own
    struct log *log;     // outlives the server
};

// Is every setting one that this version acts on? What would be ignored in silence is refused; the
// message names where it was set.
int server_check_config(const struct config *config, struct err *err);

// Opens the recording, binds the listeners, starts the threads; on return it takes requests.
struct server *server_start(const struct server_options *options, struct err *err);
// Appends where it listens, "http://127.0.0.1:4275", with real ports. Thread: any.
void server_append_addresses(struct server *server, const char *separator, struct buffer *out);

// Where it stands in for an origin; false past the last one. The texts live as long as the server.
// Thread: any.
struct server_reverse {
    const char *address; // "127.0.0.1:9000"
    const char *scheme;  // of the origin
    const char *authority;
};
bool server_reverse_address(struct server *server, size_t index, struct server_reverse *reverse);

// Works by another configuration (taken over) from now on; what takes a restart keeps its value.
// -1 if that cannot be: everything stays as it is. Thread: main.
int server_reload(struct server *server, struct config *config, struct err *err);
// A reference to the current configuration, for config_release(). Thread: any.
struct config *server_hold_config(struct server *server);
// The configuration could not even be read. Thread: main.
void server_note_bad_reload(struct server *server, const char *reason);
// What became of the last reload. Thread: any.
struct server_reload {
    int64_t count; // since the start; 0: there was none
    int64_t at_us;
    char changed[1024]; // keys, separated by spaces
    char waiting[1024]; // keys that take effect with the next start
    char problem[512];  // why the older configuration stayed; empty if it did not
};
void server_get_reload(struct server *server, struct server_reload *reload);
// Where hark's own page is; NULL: nowhere. Requests through the proxy to this address are refused
// (403). Thread: any.
void server_set_page_address(struct server *server, const char *address);
// May a client with this address see the page: is it loopback, or in `allow`? Thread: any.
bool server_admits(struct server *server, const struct sockaddr *peer, socklen_t length);

// A session of its own beside the daemon's, for one program: exchanges that come through the
// address it gets (loopback, a free port) bear its id. Thread: main or control.
struct server_session {
    int64_t id;
    char address[64]; // "127.0.0.1:40001"
};
int server_open_session(struct server *server, const char *command, struct server_session *session,
                        struct err *err);
// What came through it so far, or, of the server's own, through all other addresses; false: it is
// not open. Thread: any.
struct server_session_counts {
    int64_t played_back;
    int64_t playback_misses;
};
bool server_count_session(struct server *server, int64_t id, struct server_session_counts *counts);
// Closes its address; exchanges in flight go on. An id that is not open is an error.
int server_close_session(struct server *server, int64_t id, struct err *err);

// Runs a job on the recording between the traffic's batches, and waits for it. Thread: any that may
// wait.
int server_run_job(struct server *server, store_step_fn step, void *ctx, struct err *err);

// The certificate of the authority as PEM; NULL with intercept = off. The server's.
const char *server_authority_pem(const struct server *server);

// Has each worker and the writer come round in the last `age_max_us`? Each call asks the workers,
// so it has to be called more often than that, and the first one says no. Thread: main.
bool server_is_alive(struct server *server, int64_t age_max_us);

// Stops accepting; exchanges in flight go on. Sockets that were passed keep what waits there for
// the next daemon.
void server_drain(struct server *server);
// Is nothing in flight any more? Thread: any.
bool server_is_drained(const struct server *server);
// Ends what is left, flushes the recorder, checkpoints, frees everything.
void server_stop(struct server *server);

// A snapshot of the counters. Thread: any.
struct server_status {
    int64_t session_id;
    int64_t started_us;
    int64_t workers;
    int64_t connections;        // client connections open now
    int64_t refused_forbidden;  // connections refused: not in `allow`
    int64_t refused_per_client; // max_connections_per_client
    int64_t refused_overload;   // max_connections, or no descriptors left
    int64_t failed_logins;
    bool wants_login;            // proxy_auth is set
    int64_t exchanges_in_flight; // requests being handled now
    int64_t exchanges_total;     // since the start
    int64_t ignored;             // of them, those not recorded for `ignore`
    int64_t queue_bytes;         // waiting for the writer
    int64_t queue_limit_bytes;
    int64_t queue_stalls;   // times the full queue slowed the traffic down
    int64_t commits;        // transactions written
    int64_t commit_last_us; // how long the last one took
    int64_t wal_bytes;
    int64_t db_bytes;
    int64_t lost_exchanges; // not recorded because the disk refused
    int64_t lost_bytes;
    int64_t keep_age_ms;       // 0: for ever
    int64_t keep_bytes;        // 0: without limit
    int64_t retired_exchanges; // deleted for these two
    int64_t retired_bytes;
    bool is_over_keep_bytes; // what stays takes more, or somebody reads for long
    bool is_crowded;         // what is marked leaves no room in it: what is new goes at once
    int64_t cut_bodies;      // recorded in part, since they went on and took much of it
    const char *mode;        // as in the configuration
    int64_t played_back;     // requests answered from the recording
    int64_t playback_misses; // those that it had no answer for
    bool must_record;        // false with mode = off, and in playback
    bool is_recording;       // false then, and while the disk refuses
    bool is_held_up;         // another program has the recording locked
    bool is_queue_full;      // the traffic waits for the disk
    bool is_draining;        // it is about to end
    bool is_ready;           // else `not_ready` says why not
    const char *not_ready;   // points into the status, or is constant
    char problem[512];       // why it is not recording; empty if it is
};
void server_get_status(const struct server *server, struct server_status *status);

#endif
