// SPDX-License-Identifier: MIT
// libcurl in the worker's loop: its sockets, its timer, and what every job given to it needs.
#include "upstream_private.h"

#include "curl_compat.h"
#include "hark/address.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "routing.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256L
#define BUFFER_BYTES    (64L * 1024)

void upstream_set_problem(struct upstream_job *job, int status, const char *code, const char *text)
{
    if (job->problem.is_set)
        return;
    err_set(&job->problem, "%s", text);
    job->problem_code = code;
    job->problem_status = status;
}

// --- idle connections ---------------------------------------------------------------------------

static int own_port_of(int fd)
{
    struct sockaddr_storage own = {0};
    socklen_t length = sizeof(own);
    getsockname(fd, (struct sockaddr *)&own, &length);
    return ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                           : ((struct sockaddr_in *)&own)->sin_port);
}

static void enter_idle(struct upstream *upstream, struct upstream_socket *socket)
{
    socket->is_idle = true;
    if (socket->own_port == 0)
        socket->own_port = own_port_of(socket->watch.fd);
    socket->idle_previous = NULL;
    socket->idle_next = upstream->idle;
    if (upstream->idle != NULL)
        upstream->idle->idle_previous = socket;
    upstream->idle = socket;
}

static void leave_idle(struct upstream *upstream, struct upstream_socket *socket)
{
    if (!socket->is_idle)
        return;
    socket->is_idle = false;
    if (socket->idle_previous != NULL)
        socket->idle_previous->idle_next = socket->idle_next;
    else
        upstream->idle = socket->idle_next;
    if (socket->idle_next != NULL)
        socket->idle_next->idle_previous = socket->idle_previous;
}

// Two connections may share a port here, if they lead to different places: both leave then, and the
// idle one is only not looked at before it is used.
void upstream_leave_idle(struct upstream *upstream, int own_port)
{
    struct upstream_socket *next;
    for (struct upstream_socket *at = upstream->idle; at != NULL; at = next) {
        next = at->idle_next;
        if (at->own_port != own_port)
            continue;
        leave_idle(upstream, at);
        worker_watch(upstream->worker, &at->watch, 0);
    }
}

// --- sockets ------------------------------------------------------------------------------------

// An idle connection became readable: the origin closed it, or sends what nobody asked for. libcurl
// would take that for the answer to the next request; now it finds the connection closed.
static void spoil_idle_socket(struct upstream *upstream, struct watch *watch)
{
    char discarded[4096];
    while (recv(watch->fd, discarded, sizeof(discarded), MSG_DONTWAIT) > 0)
        continue;
    shutdown(watch->fd, SHUT_RDWR);
    worker_watch(upstream->worker, watch, 0);
}

static void on_socket_ready(struct watch *watch, uint32_t events)
{
    struct upstream *upstream = watch->ctx;
    if (upstream->sockets[watch->fd]->is_idle) {
        spoil_idle_socket(upstream, watch);
        return;
    }
    int flags = ((events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
                ((events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
                ((events & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
    int running = 0;
    curl_multi_socket_action(upstream->multi, watch->fd, flags, &running);
    upstream->must_collect = true;
}

void upstream_check_fresh(struct upstream *upstream)
{
    char byte;
    for (struct upstream_socket *at = upstream->fresh; at != NULL; at = at->fresh_next)
        if (at->is_idle && recv(at->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
            spoil_idle_socket(upstream, &at->watch);
}

static void forget_fresh(struct upstream *upstream)
{
    while (upstream->fresh != NULL) {
        upstream->fresh->is_fresh = false;
        upstream->fresh = upstream->fresh->fresh_next;
    }
}

void upstream_begin_turn(struct worker *worker)
{
    for (struct upstream *at = worker->upstreams; at != NULL; at = at->next)
        forget_fresh(at);
}

static struct upstream_socket *socket_of(struct upstream *upstream, int fd)
{
    size_t index = (size_t)fd;
    if (index >= upstream->socket_count) {
        size_t count = index + 64;
        upstream->sockets = mem_realloc(upstream->sockets, count * sizeof(upstream->sockets[0]));
        memset(upstream->sockets + upstream->socket_count, 0,
               (count - upstream->socket_count) * sizeof(upstream->sockets[0]));
        upstream->socket_count = count;
    }
    if (upstream->sockets[index] == NULL) {
        struct upstream_socket *created = mem_calloc(1, sizeof(*created));
        created->watch = (struct watch){.fd = fd, .on_event = on_socket_ready, .ctx = upstream};
        upstream->sockets[index] = created;
    }
    return upstream->sockets[index];
}

static void forget_socket(struct upstream *upstream, int fd)
{
    if ((size_t)fd >= upstream->socket_count || upstream->sockets[fd] == NULL)
        return;
    worker_watch(upstream->worker, &upstream->sockets[fd]->watch, 0);
    struct upstream_socket **link = &upstream->fresh;
    while (upstream->sockets[fd]->is_fresh && *link != upstream->sockets[fd])
        link = &(*link)->fresh_next;
    if (upstream->sockets[fd]->is_fresh)
        *link = upstream->sockets[fd]->fresh_next;
    leave_idle(upstream, upstream->sockets[fd]);
    free(upstream->sockets[fd]);
    upstream->sockets[fd] = NULL;
}

// A transfer that is paused wants no events either, but its connection is not idle.
static bool is_paused(const struct upstream_job *job)
{
    return job != NULL && job->is_paused;
}

// libcurl closes a socket that has not become a connection without a word, and only then says that
// it wants no more events. The number may be another thread's by now.
static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof(cookie);
    getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

static void unwatch_if_open(struct upstream *upstream, struct upstream_socket *socket)
{
    if (cookie_of(socket->watch.fd) == socket->cookie)
        worker_watch(upstream->worker, &socket->watch, 0);
    else
        worker_forget_closed(upstream->worker, &socket->watch);
}

// Is a connection that wants no more events idle? Not one that has not become a connection, or has
// lost the race of two addresses (it has only waited to become writable).
static bool becomes_idle(const struct upstream_socket *socket, const struct upstream_job *job)
{
    bool is_used = job == NULL || job->is_connected;
    return is_used && (socket->watch.events & EPOLLIN) != 0;
}

static struct upstream_job *job_of(CURL *easy)
{
    struct upstream_job *job = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&job);
    return job;
}

static int on_socket_wish(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct upstream *upstream = ctx;
    struct upstream_socket *found = socket_of(upstream, fd);
    (void)socket_ctx;
    leave_idle(upstream, found);
    struct upstream_job *job = job_of(easy);
    if (what != CURL_POLL_REMOVE) {
        if (job != NULL && found->is_connection)
            job->fd = fd;
        uint32_t events =
            ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u);
        worker_watch(upstream->worker, &found->watch, events);
    } else if (!found->is_connection) {
        forget_socket(upstream, fd);
    } else if (is_paused(job)) {
        worker_watch(upstream->worker, &found->watch, 0);
        upstream_note_quiet(job);
    } else if (!becomes_idle(found, job)) {
        unwatch_if_open(upstream, found);
    } else {
        enter_idle(upstream, found);
        if (!found->is_fresh) {
            found->is_fresh = true;
            found->fresh_next = upstream->fresh;
            upstream->fresh = found;
        }
    }
    return 0;
}

static int on_close_socket(void *ctx, curl_socket_t fd)
{
    forget_socket(ctx, fd);
    return close(fd);
}

// Called with the address libcurl is about to connect to: whatever the name was, here it shows if
// the request would come back to hark itself.
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct upstream_job *job = ctx;
    struct address address = {.length = to->addrlen};
    (void)purpose;
    upstream_end_lookup(job);
    memcpy(&address.storage, &to->addr, to->addrlen);
    switch (server_is_own_address(job->upstream->worker->server, &address)) {
    case OWN_PROXY:
        upstream_set_problem(job, 508, "loop", "the target is hark's own proxy address");
        return CURL_SOCKET_BAD;
    case OWN_PAGE:
        upstream_set_problem(job, 403, "forbidden", "the target is hark's own page");
        return CURL_SOCKET_BAD;
    case OWN_NONE:
        break;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    // What libcurl knows of this number may be of an attempt that it closed without a word. It will
    // not ask again for what it has asked for then.
    struct upstream_socket *opened = socket_of(job->upstream, fd);
    uint32_t events = opened->watch.events;
    worker_forget_closed(job->upstream->worker, &opened->watch);
    worker_watch(job->upstream->worker, &opened->watch, events);
    counter_add(&job->upstream->worker->counters.upstream_opened, 1);
    opened->is_connection = true;
    opened->cookie = cookie_of(fd);
    return fd;
}

// --- jobs --------------------------------------------------------------------------------------

// What is the same for all requests.
static void set_manners(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    // Without it the end of a transfer whose name is still being resolved waits for the resolver.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

void upstream_begin_job(struct upstream *upstream, struct upstream_job *job, struct config *config,
                        void (*on_finished)(struct upstream_job *, CURLcode))
{
    job->upstream = upstream;
    job->on_finished = on_finished;
    job->fd = -1;
    job->began_us = clock_monotonic_us();
    job->connect_by_us = job->began_us + config->connect_timeout_ms * 1000;
    job->easy = curl_easy_init();
    assert(job->easy != NULL);
    curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job);
    curl_easy_setopt(job->easy, CURLOPT_ERRORBUFFER, job->error_text);
    curl_easy_setopt(job->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(job->easy, CURLOPT_OPENSOCKETDATA, job);
    curl_easy_setopt(job->easy, CURLOPT_RESOLVER_START_FUNCTION, upstream_on_lookup);
    curl_easy_setopt(job->easy, CURLOPT_RESOLVER_START_DATA, job);
    curl_easy_setopt(job->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    curl_easy_setopt(job->easy, CURLOPT_CLOSESOCKETDATA, upstream);
    set_manners(job->easy);
    upstream_set_route(job, config);
}

// An easy handle is not used again: before libcurl 8.0 it keeps a pointer to a freed header, and
// 8.14 wants to rewind the upload of the transfer before.
void upstream_end_job(struct upstream_job *job)
{
    upstream_stop_waiting(job);
    upstream_give_up_lookup(job);
    curl_multi_remove_handle(job->upstream->multi, job->easy);
    curl_easy_cleanup(job->easy);
    upstream_leave_route(job);
}

struct failure {
    CURLcode result;
    int status;
    const char *code;
};

static const struct failure failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, 502, "dns"},
    {CURLE_COULDNT_RESOLVE_PROXY, 502, "dns"},
    {CURLE_COULDNT_CONNECT, 502, "connect"},
    {CURLE_OPERATION_TIMEDOUT, 504, "connect-timeout"}, // hark's own clock does the rest
    {CURLE_UNSUPPORTED_PROTOCOL, 502, "bad-response"},  // no status line: HTTP/0.9 is off
    {CURLE_WEIRD_SERVER_REPLY, 502, "bad-response"},
    {CURL_COMPAT_TOO_LARGE, 502, "bad-response"}, // a header line over 100 KiB
    {CURLE_WRITE_ERROR, 502, "bad-response"},
    {CURLE_BAD_CONTENT_ENCODING, 502, "bad-response"},
    {CURLE_PEER_FAILED_VERIFICATION, 502, "tls-verify"},
    {CURLE_SSL_CACERT_BADFILE, 502, "tls-verify"},
    {CURLE_SSL_CONNECT_ERROR, 502, "tls"},
    {CURLE_SSL_CERTPROBLEM, 502, "tls"}, // of upstream_client_cert
};

// In TLS 1.3 the client is done before the origin has looked at its certificate, so a refusal comes
// when the answer is read.
static bool is_tls_alert(CURLcode result, const char *text)
{
    return (result == CURLE_RECV_ERROR || result == CURLE_SSL_CONNECT_ERROR) &&
           strstr(text, "SSL routines") != NULL && strstr(text, " alert ") != NULL;
}

void upstream_describe_failure(const struct upstream_job *job, CURLcode result,
                               struct upstream_failure *failure)
{
    const char *text = job->error_text[0] != '\0' ? job->error_text : curl_easy_strerror(result);
    *failure = (struct upstream_failure){.status = 502, .code = "upstream-reset"};
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (failures[i].result == result) {
            failure->status = failures[i].status;
            failure->code = failures[i].code;
        }
    }
    if (is_tls_alert(result, text))
        failure->code = "tls";
    if (result == CURLE_BAD_FUNCTION_ARGUMENT) { // what libcurl says of a head it cannot store
        failure->code = "bad-response";
        text = "a line of the head is malformed";
    }
    if (result == CURLE_SEND_FAIL_REWIND) // it would have sent the request again
        text = "the origin closed the connection without an answer";
    if (job->problem.is_set) {
        failure->status = job->problem_status;
        failure->code = job->problem_code;
        text = job->problem.text;
    }
    snprintf(failure->text, sizeof(failure->text), "%s", text);
}

static void collect(struct upstream *upstream)
{
    upstream_settle_unsent(upstream);
    int left = 0;
    CURLMsg *message;
    upstream->must_collect = false;
    while ((message = curl_multi_info_read(upstream->multi, &left)) != NULL) {
        struct upstream_job *job = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        if (result == CURLE_COULDNT_RESOLVE_HOST || result == CURLE_COULDNT_RESOLVE_PROXY)
            upstream_end_lookup(job);
        if (job->must_wait)
            upstream_wait_for_lookup(job);
        else
            job->on_finished(job, result);
    }
    upstream_run_waiting(upstream);
}

// --- the timer ---------------------------------------------------------------------

static int on_timer_wish(CURLM *multi, long timeout_ms, void *ctx)
{
    struct upstream *upstream = ctx;
    (void)multi;
    upstream->due_us = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * 1000;
    return 0;
}

static void run_one(struct upstream *upstream, int64_t now_us)
{
    if (now_us >= upstream->due_us) {
        int running = 0;
        upstream->due_us = INT64_MAX;
        curl_multi_socket_action(upstream->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        upstream->must_collect = true;
    }
    if (upstream->must_collect || now_us >= upstream_waiting_due_us(upstream))
        collect(upstream);
}

void upstream_run(struct worker *worker, int64_t now_us)
{
    for (struct upstream *at = worker->upstreams; at != NULL; at = at->next)
        run_one(at, now_us);
}

int64_t upstream_due_us(const struct worker *worker)
{
    int64_t due_us = INT64_MAX;
    for (const struct upstream *at = worker->upstreams; at != NULL; at = at->next) {
        int64_t its_us = at->must_collect ? 0 : at->due_us;
        due_us = its_us < due_us ? its_us : due_us;
        int64_t waiting_us = upstream_waiting_due_us(at);
        due_us = waiting_us < due_us ? waiting_us : due_us;
    }
    return due_us;
}

// --- life --------------------------------------------------------------------------------------

void upstream_init_library(void)
{
    curl_global_init(CURL_GLOBAL_ALL);
}

struct upstream *upstream_create(struct worker *worker, struct err *err)
{
    struct upstream *upstream = mem_calloc(1, sizeof(*upstream));
    upstream->worker = worker;
    upstream->due_us = INT64_MAX;
    upstream->multi = curl_multi_init();
    if (upstream->multi == NULL) {
        err_set(err, "proxy: libcurl does not start");
        upstream_destroy(upstream);
        return NULL;
    }
    curl_multi_setopt(upstream->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(upstream->multi, CURLMOPT_SOCKETDATA, upstream);
    curl_multi_setopt(upstream->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(upstream->multi, CURLMOPT_TIMERDATA, upstream);
    curl_multi_setopt(upstream->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
    upstream->next = worker->upstreams;
    if (upstream->next != NULL)
        upstream->next->previous = upstream;
    worker->upstreams = upstream;
    return upstream;
}

static void unlink_upstream(struct upstream *upstream)
{
    if (upstream->previous != NULL)
        upstream->previous->next = upstream->next;
    else if (upstream->worker->upstreams == upstream)
        upstream->worker->upstreams = upstream->next;
    if (upstream->next != NULL)
        upstream->next->previous = upstream->previous;
}

void upstream_destroy(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    unlink_upstream(upstream);
    if (upstream->multi != NULL)
        curl_multi_cleanup(upstream->multi);
    upstream_free_routes(upstream);
    for (size_t i = 0; i < upstream->socket_count; i++)
        free(upstream->sockets[i]);
    free(upstream->sockets);
    free(upstream);
}
