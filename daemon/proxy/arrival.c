// SPDX-License-Identifier: MIT
#include "arrival.h"

#include "client.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/raw_head.h"
#include "hark/socks.h"
#include "login.h"
#include "refusal.h"
#include "reverse.h"
#include "route.h"
#include "socks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TLS_HANDSHAKE 0x16
#define SURE_ROOM     ((ssize_t)32 * 1024) // any socket has it

// A connection whose first bytes have not come yet.
struct arrival {
    struct arrival *previous;
    struct arrival *next;
    struct worker *worker;
    struct watch watch;
    struct peer peer;
    struct route *route; // NULL: no CONNECT came before
    int64_t deadline_us;
};

static void unlink_arrival(struct arrival *arrival)
{
    if (arrival->previous != NULL)
        arrival->previous->next = arrival->next;
    else
        arrival->worker->arrivals = arrival->next;
    if (arrival->next != NULL)
        arrival->next->previous = arrival->previous;
    worker_watch(arrival->worker, &arrival->watch, 0);
    free(arrival);
}

static void close_connection(struct worker *worker, int fd, const struct peer *peer)
{
    close(fd);
    worker_end_connection(worker, peer->count);
}

static void drop_arrival(struct arrival *arrival)
{
    struct worker *worker = arrival->worker;
    struct peer peer = arrival->peer;
    int fd = arrival->watch.fd;
    route_destroy(arrival->route);
    unlink_arrival(arrival);
    close_connection(worker, fd, &peer);
}

enum verdict {
    VERDICT_WAIT,
    VERDICT_HTTP,
    VERDICT_CONNECT,
    VERDICT_SOCKS_4,
    VERDICT_SOCKS_5,
    VERDICT_TLS,
    VERDICT_REFUSE,
    VERDICT_CLOSED
};

// What the first bytes of a connection are, as far as they have come. They stay in the socket.
struct first_bytes {
    enum verdict verdict;
    const char *bytes; // in the worker's peek buffer
    size_t head_length;
    int status; // for VERDICT_REFUSE
    struct err reason;
};

static int refuse_connect(struct first_bytes *first)
{
    err_set(&first->reason, REVERSE_REFUSES_CONNECT);
    return 400;
}

// The first head of a connection is checked byte by byte, since libmicrohttpd before 1.0 repairs
// what has to be refused.
static void judge_head(struct first_bytes *first, const struct route *route, size_t length,
                       size_t limit)
{
    struct arena arena = {0};
    struct request_head head;
    struct fields fields;
    first->head_length = raw_head_length(first->bytes, length);
    if (first->head_length == 0 && length < limit) {
        first->verdict = VERDICT_WAIT;
        return;
    }
    if (first->head_length == 0) {
        first->verdict = VERDICT_REFUSE;
        first->head_length = length;
        bool has_line = memchr(first->bytes, '\n', length) != NULL;
        first->status = has_line ? 431 : 414;
        err_set(&first->reason, "the %s is larger than max_header_bytes (%zu)",
                has_line ? "request head" : "request line", limit);
        return;
    }
    first->status =
        raw_head_parse(first->bytes, first->head_length, &arena, &head, &fields, &first->reason);
    bool is_connect = first->status == 0 && strcmp(head.method, "CONNECT") == 0;
    if (is_connect && route != NULL && route->is_reverse)
        first->status = refuse_connect(first);
    if (first->status != 0)
        first->verdict = VERDICT_REFUSE;
    else
        first->verdict = is_connect ? VERDICT_CONNECT : VERDICT_HTTP;
    arena_fini(&arena);
}

// What is only peeked at stays in the socket, which must have room for a whole head. The kernel
// grows it with what a reader says it waits for; the peek tells the client of the new room.
static void make_room(int fd, size_t head_bytes)
{
    int wanted = (int)head_bytes;
    int one = 1;
    char byte;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted));
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    recv(fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
}

static void judge(struct worker *worker, int fd, const struct route *route,
                  struct first_bytes *first)
{
    size_t limit = (size_t)worker->config->max_header_bytes;
    buffer_clear(&worker->peeked);
    *first = (struct first_bytes){.bytes = buffer_reserve(&worker->peeked, limit)};
    ssize_t count = recv(fd, worker->peeked.data, limit, MSG_PEEK | MSG_DONTWAIT);
    if (count < 0)
        first->verdict = errno == EAGAIN || errno == EINTR ? VERDICT_WAIT : VERDICT_CLOSED;
    else if (count == 0)
        first->verdict = VERDICT_CLOSED;
    else if (first->bytes[0] == TLS_HANDSHAKE)
        first->verdict = VERDICT_TLS;
    else if (route == NULL && first->bytes[0] == SOCKS_VERSION)
        first->verdict = VERDICT_SOCKS_5;
    else if (route == NULL && first->bytes[0] == SOCKS_VERSION_4)
        first->verdict = VERDICT_SOCKS_4;
    else
        judge_head(first, route, (size_t)count, limit);
    if (first->verdict == VERDICT_WAIT && count >= SURE_ROOM)
        make_room(fd, limit);
}

static void say_tls(struct worker *worker, const struct peer *peer)
{
    int64_t unsaid = log_limit_pass(&worker->spoke_tls);
    if (unsaid > 0)
        log_warn(worker->log, "listener",
                 "a client spoke TLS to %s: its address must begin with http:// "
                 "(%" PRId64 " since this was last said)",
                 peer->origin == NULL ? "the proxy" : "an address of reverse", unsaid);
}

static void hand_over(struct worker *worker, int fd, const struct peer *peer,
                      const struct first_bytes *first, struct route *route)
{
    if (first->verdict != VERDICT_HTTP)
        route_destroy(route);
    switch (first->verdict) {
    case VERDICT_HTTP:
        client_side_adopt(worker->clients, fd, peer, route);
        break;
    case VERDICT_CONNECT:
        login_adopt_tunnel(worker, fd, peer, first->bytes, first->head_length);
        break;
    case VERDICT_SOCKS_4:
        socks_refuse_version_4(worker, fd, peer);
        break;
    case VERDICT_SOCKS_5:
        socks_adopt(worker, fd, peer);
        break;
    case VERDICT_REFUSE:
        refusal_send(worker, fd, peer,
                     &(struct refusal){.head = first->bytes,
                                       .head_length = first->head_length,
                                       .kind = ROW_KIND_HTTP,
                                       .status = first->status,
                                       .code = "bad-request",
                                       .reason = first->reason.text});
        break;
    case VERDICT_TLS:
        say_tls(worker, peer);
        close_connection(worker, fd, peer);
        break;
    case VERDICT_CLOSED:
    case VERDICT_WAIT:
        close_connection(worker, fd, peer);
        break;
    }
}

static void on_first_bytes(struct watch *watch, uint32_t events)
{
    struct arrival *arrival = watch->ctx;
    struct first_bytes first;
    judge(arrival->worker, watch->fd, arrival->route, &first);
    bool is_closed = (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
    if (first.verdict == VERDICT_WAIT && !is_closed)
        return;
    struct worker *worker = arrival->worker;
    struct peer peer = arrival->peer;
    struct route *route = arrival->route;
    int fd = watch->fd;
    unlink_arrival(arrival);
    hand_over(worker, fd, &peer, &first, route);
}

// An edge each time bytes come: the ones that were peeked at stay in the socket.
static void await_first_bytes(struct worker *worker, int fd, const struct peer *peer,
                              struct route *route)
{
    struct arrival *arrival = mem_calloc(1, sizeof(*arrival));
    arrival->worker = worker;
    arrival->peer = *peer;
    arrival->route = route;
    arrival->deadline_us = clock_monotonic_us() + worker->config->header_timeout_ms * 1000;
    arrival->watch = (struct watch){.fd = fd, .on_event = on_first_bytes, .ctx = arrival};
    arrival->next = worker->arrivals;
    if (arrival->next != NULL)
        arrival->next->previous = arrival;
    worker->arrivals = arrival;
    worker_watch(worker, &arrival->watch, EPOLLIN | EPOLLRDHUP | EPOLLET);
    worker_tick_by(worker, arrival->deadline_us);
}

void arrival_adopt(struct worker *worker, int fd, const struct peer *peer)
{
    if (worker->is_draining)
        close_connection(worker, fd, peer);
    else
        arrival_adopt_routed(worker, fd, peer,
                             peer->origin == NULL ? NULL : route_clone(peer->origin));
}

void arrival_adopt_routed(struct worker *worker, int fd, const struct peer *peer,
                          struct route *route)
{
    struct first_bytes first;
    judge(worker, fd, route, &first);
    if (first.verdict == VERDICT_WAIT)
        await_first_bytes(worker, fd, peer, route);
    else
        hand_over(worker, fd, peer, &first, route);
}

int64_t arrival_tick(struct worker *worker, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    struct arrival *next;
    for (struct arrival *arrival = worker->arrivals; arrival != NULL; arrival = next) {
        next = arrival->next;
        if (now_us >= arrival->deadline_us)
            drop_arrival(arrival);
        else if (arrival->deadline_us < due_us)
            due_us = arrival->deadline_us;
    }
    return due_us;
}

void arrival_close_all(struct worker *worker)
{
    while (worker->arrivals != NULL)
        drop_arrival(worker->arrivals);
}
