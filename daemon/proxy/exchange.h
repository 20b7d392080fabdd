// SPDX-License-Identifier: MIT
// An exchange: one request and its answer, from the first byte of the one to the last of the
// other, and what becomes of them in the recording.
//
// It has three legs that overlap freely:
//
//   request   client → exchange    head and body of the request, as they arrive
//   response  source → exchange    head and body of the answer, as they arrive
//   delivery  exchange → client    the answer on its way to the client
//
// A recorded request that is sent again has no client: its request leg is fed by replay_request.h,
// its delivery leg goes nowhere and ends with the answer.
//
//   IDLE ──▶ HEAD ──▶ BODY ──▶ DONE      each leg moves to the right only, and leg_move() is the
//     └────────┴────────┴────▶ FAILED    one place that moves it
//
// Calls legal by phase of the request and response legs:
//
//   request  IDLE   exchange_request_head()
//            BODY   exchange_request_data(), exchange_request_end()
//   response IDLE   exchange_interim(), exchange_response_head(), exchange_response_fail()
//            BODY   exchange_response_data(), exchange_response_end(), exchange_response_fail()
//   any             exchange_client_gone(), exchange_delivered(), exchange_advance()
//
// The source answers through these calls: libcurl (upstream.h), or hark itself (local.h).
//
// Owner: its worker, from exchange_create() until all three legs have ended, the client side has
// let go and nobody waits for a commit; then it frees itself. Thread: its worker's.
#ifndef HARK_PROXY_EXCHANGE_H
#define HARK_PROXY_EXCHANGE_H

#include "client.h"
#include "flow.h"
#include "hark/message.h"
#include "hark/row.h"
#include "journal.h"
#include "login.h"
#include "route.h"
#include "upgrade.h"
#include "worker.h"

#include <stdbool.h>
#include <stdint.h>

// How long an answer that came before the end of its request waits for that end.
#define EARLY_ANSWER_US ((int64_t)50000)

enum leg_state {
    LEG_IDLE,
    LEG_HEAD,
    LEG_BODY,
    LEG_DONE,
    LEG_FAILED
};

// What the exchange tells its source. The source lives until detach, which also aborts what is
// still going on; it is called once.
struct source_ops {
    void (*more_request)(void *source); // request bytes, or the request's end, can be taken
    void (*more_room)(void *source);    // the response flow has room again
    // May be NULL. Time has passed; returns when to be called again, monotonic.
    int64_t (*tick)(void *source, int64_t now_us);
    void (*detach)(void *source);
};

struct replay_request;
struct ignore_rule;

struct exchange {
    struct worker *worker;
    struct exchange *previous; // in worker->live
    struct exchange *next;
    struct exchange *ready_next;
    bool is_ready;         // in the worker's ready list
    struct config *config; // the one that was current when it began, by reference

    struct ignore_rule *ignore; // what its configuration ignores, by reference; NULL: nothing

    struct exchange_row *row;   // never NULL; changed only while the journal does not lend it
    const char *request_target; // raw, in the row's arena
    const struct route *route;  // of its tunnel, in the row's arena; NULL: its target says where
    struct target target;
    int64_t started_us; // monotonic
    int64_t active_us;  // when bytes last moved, monotonic
    int64_t waiting_us; // since when the origin owes a head, monotonic; 0: it does not

    enum leg_state request;
    enum leg_state response;
    enum leg_state delivery;
    int64_t request_length;  // as request_head_check() gives it
    int64_t response_length; // as response_head_body_length() gives it
    struct flow upload;
    struct flow download;
    int64_t answered_us; // when the response head came, monotonic
    int64_t ended_us;    // when the response leg ended, monotonic
    int64_t continue_us; // until when 100 Continue is waited for, monotonic; 0: it is not
    bool may_continue;   // the origin wants the body that the client holds back (Expect)
    char *interim;       // row->interim, with room to grow
    size_t interim_length;
    size_t interim_capacity;
    bool is_too_large;  // the request's body is, and was refused
    bool is_late_abort; // the client left after the final row had gone to the recorder

    struct upstream *upstream;           // of its client's connection; NULL: everybody's
    const struct source_ops *source_ops; // NULL: no source (yet, or any more)
    void *source;
    bool source_paused;     // a source was told there is no room
    uint64_t playback_head; // what finds its answer once it is recorded; 0: nothing is to
    bool is_start_held;     // no source yet, since the recorder's queue is full

    struct replay_request *replay; // where the request comes from; NULL: from a client
    struct upgrade *upgrade;       // NULL: this is HTTP, or still is
    struct client_request client;
    struct exchange_login login;
    struct journal journal;
};

struct exchange *exchange_create(struct worker *worker, const char *client_addr,
                                 int64_t session_id);

// --- from the client side ----------------------------------------------------------------------

// It came through a tunnel to there. The route is copied.
void exchange_set_route(struct exchange *exchange, const struct route *route);
// The head is in exchange->row (method, version, request_headers) and exchange->request_target.
// Checks it and starts a source; the answer to a bad one is there when this returns.
void exchange_request_head(struct exchange *exchange);
// The same, for a head whose framing libmicrohttpd has misread.
void exchange_request_misframed(struct exchange *exchange);
// A request that was refused with `status` (0: not known) without going through the legs.
void exchange_request_refused(struct exchange *exchange, int status, const char *code,
                              const char *reason);
// Gives it its source, once the client has logged in.
void exchange_start(struct exchange *exchange);
void exchange_request_data(struct exchange *exchange, const void *data, size_t length);
void exchange_request_end(struct exchange *exchange);
// libmicrohttpd refused the rest of the body with `status`; exchange_client_gone() follows.
void exchange_request_malformed(struct exchange *exchange, int status, const char *reason);
// The client holds its body back until the origin wants it (RFC 9110 section 10.1.1).
void exchange_expects_continue(struct exchange *exchange);
// May more of the request be read from the client now?
bool exchange_wants_request_data(const struct exchange *exchange);
// May delivery begin (there is a head, and if all of the answer is there, it may be finished)?
bool exchange_can_deliver(const struct exchange *exchange);
// Has an answer waited long enough for the end of its request?
bool exchange_must_answer_early(const struct exchange *exchange);
// May the client be given the very end of the answer (durability)?
bool exchange_may_finish(const struct exchange *exchange);
// Bytes of the download were taken by the client side.
void exchange_download_taken(struct exchange *exchange);
void exchange_delivery_begun(struct exchange *exchange);
void exchange_delivered(struct exchange *exchange);
void exchange_client_gone(struct exchange *exchange, const char *error_text);
// The client side has let go of the exchange for good.
void exchange_release(struct exchange *exchange);

// --- from the source ---------------------------------------------------------------------------

void exchange_attach(struct exchange *exchange, const struct source_ops *ops, void *source);
// The origin is connected: header_timeout runs, from here or from the request's end.
void exchange_connected(struct exchange *exchange);
// Bytes of the request for the source: how many were copied; 0: see the request leg.
size_t exchange_take_request_data(struct exchange *exchange, void *buffer, size_t size);
// The origin wants the body (100 Continue, or it was waited for long enough).
void exchange_continue(struct exchange *exchange);
void exchange_interim(struct exchange *exchange, const struct response_head *head);
void exchange_response_head(struct exchange *exchange, const struct response_head *head,
                            int64_t body_length);
// Is there room for response bytes? If not, more_room() will be called.
bool exchange_has_room(struct exchange *exchange);
void exchange_response_data(struct exchange *exchange, const void *data, size_t length);
void exchange_response_end(struct exchange *exchange);
// The source failed; `code` is a stable error code. Before the head the client gets `status` from
// hark instead, later the answer is cut.
void exchange_response_fail(struct exchange *exchange, int status, const char *code,
                            const char *text);
// The source lets another one take its place, to which the request is still to be given.
void exchange_give_up_source(struct exchange *exchange);
// The source ended by itself; it will not be called any more.
void exchange_detach_source(struct exchange *exchange);

// --- tunnels: relayed bytes instead of legs ----------------------------------------------------

void exchange_tunnel_begin(struct exchange *exchange, const struct route *route);
void exchange_count_relayed(struct exchange *exchange, enum body_side side, size_t length);
void exchange_tunnel_end(struct exchange *exchange, enum row_state state, const char *code,
                         const char *text);

// --- from the worker ---------------------------------------------------------------------------

// Does what became possible: start or continue the delivery, read on, free itself.
void exchange_advance(struct exchange *exchange);
// Time-outs, old chunks, the pending row. Returns when to look again, monotonic.
int64_t exchange_tick(struct exchange *exchange, int64_t now_us);
void exchange_recorder_has_room(struct exchange *exchange);
// The process ends: cut what is going on.
void exchange_abort(struct exchange *exchange);

// --- shared by the files of the exchange --------------------------------------------------------

bool leg_has_ended(enum leg_state state);
// Does it end only when its row is committed (durability, or a replay, which tells of the row)?
bool exchange_waits_for_commit(const struct exchange *exchange);
// Can it answer others before its client has the end of it? Then the client waits for that, and
// asking again is never faster.
bool exchange_learns_before_delivery(const struct exchange *exchange);
// The outcome that the row gets; the first one said wins.
void exchange_set_outcome(struct exchange *exchange, enum row_state state, const char *code,
                          const char *text);

#endif
