// SPDX-License-Identifier: MIT
// What the files of the upstream share.
#ifndef HARK_PROXY_UPSTREAM_PRIVATE_H
#define HARK_PROXY_UPSTREAM_PRIVATE_H

#include "exchange.h"
#include "upstream.h"

#include <curl/curl.h>
#include <stdbool.h>

// `connect_to` of one configuration, as libcurl wants it: kept while it is the newest, and while
// jobs that began before a reload still use it.
struct connect_to {
    struct connect_to *next;
    struct config *config; // by reference, so that no other one has its address
    struct curl_slist *entries;
    int jobs;
};

// A socket of libcurl's. It stays in the loop while it is idle between two requests, since taking
// it out and putting it back would cost two system calls a request.
struct upstream_socket {
    struct watch watch;
    bool is_connection; // to an origin; else one of the resolver's, which libcurl closes by itself
    uint64_t cookie;    // which socket it is, among all that ever had this number
    bool is_idle;
    int own_port; // known once it has been idle
    struct upstream_socket *idle_previous;
    struct upstream_socket *idle_next;
    struct upstream_socket *fresh_next; // of those that became idle in this turn of the loop
    bool is_fresh;                      // in that list
};

#define LOOKUPS_MAX 256 // at a time, of each worker

struct upstream {
    struct upstream *previous; // in the worker's list
    struct upstream *next;
    struct worker *worker;
    CURLM *multi;
    struct connect_to *connect_to;    // the newest first
    struct upstream_socket **sockets; // by descriptor; NULL: not libcurl's
    size_t socket_count;
    struct upstream_socket *idle;
    struct upstream_socket *fresh;    // became idle in this turn: the loop has not looked at them
    int lookups;                      // names being looked up, those that were given up among them
    int64_t given_up_us[LOOKUPS_MAX]; // a ring: when they were, monotonic
    size_t given_up_first;
    size_t given_up_count;
    struct upstream_job *waiting; // for a lookup's place, the oldest first
    struct upstream_job *waiting_last;
    int64_t due_us;
    struct transfer *unsent; // whose sending is to be ended; see upstream_settle_unsent()
    bool must_collect;       // something was done that may have finished a transfer
};

// What every job given to libcurl has: the first member of it, and what libcurl's PRIVATE is.
struct upstream_job {
    struct upstream *upstream;
    struct connect_to *connect_to;
    CURL *easy;
    void (*on_finished)(struct upstream_job *job, CURLcode result); // from the loop
    int64_t began_us;                                               // libcurl did, monotonic
    int64_t connect_by_us;                                          // monotonic
    bool is_looking_up; // has one of the places for that
    bool must_wait;     // there was none: libcurl is about to say that it failed
    bool is_waiting;
    struct upstream_job *waiting_next;
    bool is_connected;  // the request is being sent, or was
    int fd;             // the connection that libcurl has last waited for; -1: none yet
    bool is_paused;     // libcurl wants no events of its socket, but the connection is not idle
    struct err problem; // why a callback stopped libcurl
    const char *problem_code;
    int problem_status;
    char error_text[CURL_ERROR_SIZE];
};

// Prepares the job's easy handle, all but what it is to do. Adding it to the multi is the caller's.
void upstream_begin_job(struct upstream *upstream, struct upstream_job *job, struct config *config,
                        void (*on_finished)(struct upstream_job *, CURLcode));
void upstream_end_job(struct upstream_job *job); // aborts it if it still goes on
// Remembers why a callback makes libcurl give up; the first reason wins.
void upstream_set_problem(struct upstream_job *job, int status, const char *code, const char *text);

// A request goes out on a connection that was idle. libcurl need not say so: if it can read the
// answer at once, and that is paused, it never waits for anything.
void upstream_leave_idle(struct upstream *upstream, int own_port);

// libcurl is about to look a name up: its callback for that; ctx is the job.
int upstream_on_lookup(void *resolver, void *reserved, void *ctx);
// The job's lookup is over, or it needed none.
void upstream_end_lookup(struct upstream_job *job);
// Nobody wants to know any more: if it still goes on, it keeps its place for a while.
void upstream_give_up_lookup(struct upstream_job *job);
// The job failed for there was no place: it is to begin again when there is one.
void upstream_wait_for_lookup(struct upstream_job *job);
void upstream_stop_waiting(struct upstream_job *job);
void upstream_run_waiting(struct upstream *upstream);
int64_t upstream_waiting_due_us(const struct upstream *upstream); // INT64_MAX: nobody waits

// Why a job failed: the status to answer, the stable code, the reason for people.
struct upstream_failure {
    int status;
    const char *code;
    char text[512];
};
void upstream_describe_failure(const struct upstream_job *job, CURLcode result,
                               struct upstream_failure *failure);

// One request on its way. Owner: the upstream, from upstream_start() until it is finished or its
// exchange lets go of it.
struct transfer {
    struct upstream_job job;
    struct exchange *exchange;
    struct curl_slist *headers;
    struct response_head head;
    struct response_head trailer; // the trailer section; version is NULL before its first line
    size_t heads_bytes;           // of all heads so far, interim ones and trailers too
    struct transfer *unsent_next;
    bool is_unsent; // in upstream->unsent
    bool must_shut_sending;
    bool has_final_head;
    bool is_chunked;       // the request's body is
    bool may_upgrade;      // it asks for another protocol, and no final answer has come
    bool is_upgraded;      // it got one
    bool has_origin_ended; // after that
    bool is_sending_paused;
    bool is_receiving_paused;
    bool is_asked_for_certificate; // the origin wants to know who asks
    const char *client_cert;       // what it is shown; NULL: nothing
    bool is_complete_at_head; // a HEAD with a body of its own: libcurl must not wait for content
    int64_t sent_us;          // monotonic: when request bytes were last taken; 0: there were none
    int64_t first_byte_us;    // monotonic: when the final head began; 0: it has not
};

// Spoils the connections that became idle in this turn and have something to read already.
void upstream_check_fresh(struct upstream *upstream);
// libcurl wants nothing more of a paused job's socket.
void upstream_note_quiet(struct upstream_job *job);
// Lets transfers end that were answered before their request was sent.
void upstream_settle_unsent(struct upstream *upstream);
// Records what was agreed on with the origin: TLS version, cipher, certificate.
void upstream_take_tls(struct transfer *transfer);
// Does the origin's certificate say in the place for it which names and addresses it is for?
bool upstream_has_alternative_name(struct transfer *transfer);
// Did the origin ask for a client certificate in the handshake?
bool upstream_wants_client_cert(struct transfer *transfer);
// libcurl's callback for a new OpenSSL context.
CURLcode upstream_on_tls_context(CURL *easy, void *context, void *ctx);

// Does each file of `upstream_client_cert` hold a certificate and its key?
int upstream_check_client_certs(const struct config *config, struct err *err);
// The file of the certificate that `upstream_client_cert` chooses for this host; NULL: none.
const char *upstream_find_client_cert(const struct config *config, const char *host, int port);

// Sets the request: method, target, fields in their order, body framing.
void upstream_set_request(struct transfer *transfer);
// Is the proxy behind hark one that takes HTTP requests, and does it want TLS for them?
bool upstream_has_http_proxy(const struct config *config);
bool upstream_has_tls_proxy(const struct config *config);
// Sets what concerns the way: proxy, connect_to, time-outs, what TLS trusts.
void upstream_set_route(struct upstream_job *job, struct config *config);
// The job no longer uses its list; lists that nobody needs are freed.
void upstream_leave_route(struct upstream_job *job);
void upstream_free_routes(struct upstream *upstream);

#endif
