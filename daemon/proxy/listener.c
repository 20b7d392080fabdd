// SPDX-License-Identifier: MIT
// Accepting. All workers wait on the same sockets; the one that wakes passes the connection to the
// worker with the fewest. Each connection takes a second descriptor for its origin, so while
// descriptors run out, or max_connections are open, nobody is let in: for a moment clients wait in
// the kernel's queue, longer than that they are told.
#include "listener.h"

#include "admission.h"
#include "arrival.h"
#include "hark/clock.h"
#include "hark/listening.h"
#include "hark/mem.h"
#include "refusal.h"
#include "route.h"
#include "server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG         1024
#define ACCEPTS_AT_ONCE 16
#define PAUSE_US        ((int64_t)100000)

// --- sockets -----------------------------------------------------------------------------------

static void learn_address(struct listener *listener)
{
    struct sockaddr *socket_address = (struct sockaddr *)&listener->address.storage;
    listener->address.length = sizeof(listener->address.storage);
    getsockname(listener->fd, socket_address, &listener->address.length);
    address_format(socket_address, listener->text, sizeof(listener->text));
}

static int open_socket(struct listener *listener, int beside, struct err *err)
{
    listener->fd = listening_open(&listener->address, BACKLOG, beside);
    if (listener->fd < 0) {
        const char *hint =
            errno == EADDRINUSE ? " (another daemon? see hark status, or use --listen)" : "";
        return err_set(err, "listen on %s: %s%s", listener->asked, strerror(errno), hint);
    }
    learn_address(listener);
    return 0;
}

struct listener *listener_create(const char *address_text, int64_t session_id, int beside,
                                 struct err *err)
{
    struct listener *listener = mem_calloc(1, sizeof(*listener));
    atomic_init(&listener->refs, 1);
    listener->fd = -1;
    listener->session_id = session_id;
    snprintf(listener->asked, sizeof(listener->asked), "%s", address_text);
    int result = 0;
    if (address_parse(address_text, &listener->address) != 0)
        result = err_set(err, "listen: \"%s\" is no ADDR:PORT", address_text);
    if (result == 0)
        result = open_socket(listener, beside, err);
    if (result == 0)
        return listener;
    listener_release(listener);
    return NULL;
}

struct listener *listener_create_passed(int fd)
{
    struct listener *listener = mem_calloc(1, sizeof(*listener));
    atomic_init(&listener->refs, 1);
    listener->fd = fd;
    listener->is_passed = true;
    learn_address(listener);
    return listener;
}

void listener_set_origin(struct listener *listener, struct route *origin)
{
    listener->origin = origin;
    listener->asks_no_login = true;
    origin->listen_port = address_port(&listener->address);
}

void listener_retain(struct listener *listener)
{
    atomic_fetch_add(&listener->refs, 1);
}

void listener_release(struct listener *listener)
{
    if (listener == NULL || atomic_fetch_sub(&listener->refs, 1) != 1)
        return;
    if (listener->fd >= 0)
        close(listener->fd);
    route_destroy(listener->origin);
    free(listener);
}

// --- accepting ---------------------------------------------------------------------------------

// A worker's eye on one listener. Owner: the worker.
struct listen_watch {
    struct listen_watch *next;
    struct worker *worker;
    struct listener *listener;
    struct watch watch;
};

static void set_listening(struct worker *worker, bool is_listening)
{
    for (struct listen_watch *at = worker->listen_watches; at != NULL; at = at->next)
        worker_watch(worker, &at->watch, is_listening ? EPOLLIN | EPOLLEXCLUSIVE : 0);
}

static void pause_accepting(struct worker *worker)
{
    set_listening(worker, false);
    worker->accept_again_us = worker->now_us + PAUSE_US;
    worker_tick_by(worker, worker->accept_again_us);
}

static void accept_again(struct worker *worker)
{
    worker->accept_again_us = 0;
    set_listening(worker, true);
}

static void place(struct worker *worker, int fd, const struct peer *peer)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    struct worker *target = server_least_busy_worker(worker->server, worker);
    atomic_fetch_add(&target->connections, 1);
    counter_add(&worker->counters.accepted, 1);
    if (target == worker)
        arrival_adopt(worker, fd, peer);
    else
        worker_post(target, &(struct inbox_item){.kind = INBOX_ADOPT, .fd = fd, .peer = *peer});
}

static const char *const overload_text =
    "there is no room for one more connection (max_connections, ulimit -n); try again later";

static void turn_away(struct worker *worker, int fd, const struct peer *peer,
                      enum admission_verdict verdict)
{
    if (verdict == ADMISSION_FORBIDDEN)
        refusal_turn_away(worker, fd, 403, "forbidden",
                          "your address is not among those that may use this proxy (allow)");
    else if (verdict == ADMISSION_TOO_MANY)
        refusal_turn_away(worker, fd, 503, "too-many-connections",
                          "your address has as many connections as max_connections_per_client");
    else
        refusal_turn_away(worker, fd, 503, "too-many-connections", overload_text);
    admission_leave(worker->admission, peer->count);
}

static void admit(struct worker *worker, int fd, struct peer *peer, bool has_room)
{
    enum admission_verdict verdict =
        admission_enter(worker->admission, &peer->address, &peer->count);
    if (verdict == ADMITTED && has_room) {
        place(worker, fd, peer);
        return;
    }
    if (verdict == ADMITTED)
        admission_count_overload(worker->admission);
    turn_away(worker, fd, peer, verdict);
}

enum accepted {
    ACCEPTED,
    TURNED_AWAY, // for there is no room
    NOT_YET,     // there is no room, or no descriptor
    NOBODY       // is waiting
};

int listener_open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// With no descriptor left the spare one serves to tell a client so.
static void refuse_with_spare(struct worker *worker, int listen_fd)
{
    if (worker->spare_fd >= 0)
        close(worker->spare_fd);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        admission_count_overload(worker->admission);
        refusal_tell(fd, 503, "too-many-connections", overload_text);
        close(fd);
    }
    worker->spare_fd = listener_open_spare();
}

static enum accepted accept_one(struct worker *worker, const struct listener *listener)
{
    enum server_room room = server_find_room(worker->server, worker->now_us);
    if (room == ROOM_SOON)
        return NOT_YET;
    struct peer peer = {.address.length = sizeof(peer.address.storage),
                        .session_id = listener->session_id,
                        .origin = listener->origin,
                        .asks_no_login = listener->asks_no_login};
    int fd = accept4(listener->fd, (struct sockaddr *)&peer.address.storage, &peer.address.length,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        admit(worker, fd, &peer, room == ROOM_THERE);
        return room == ROOM_THERE ? ACCEPTED : TURNED_AWAY;
    }
    if (errno == ECONNABORTED || errno == EINTR)
        return ACCEPTED;
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
        return NOBODY;
    refuse_with_spare(worker, listener->fd);
    return NOT_YET;
}

static void on_connection_waiting(struct watch *watch, uint32_t events)
{
    struct listen_watch *listening = watch->ctx;
    enum accepted result = ACCEPTED;
    bool has_room = true;
    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE && (result == ACCEPTED || result == TURNED_AWAY); i++) {
        result = accept_one(listening->worker, listening->listener);
        has_room = has_room && result != TURNED_AWAY && result != NOT_YET;
    }
    if (!has_room)
        pause_accepting(listening->worker);
}

void listener_watch(struct worker *worker, struct listener *listener)
{
    struct listen_watch *listening = mem_calloc(1, sizeof(*listening));
    listening->worker = worker;
    listening->listener = listener;
    listening->watch =
        (struct watch){.fd = listener->fd, .on_event = on_connection_waiting, .ctx = listening};
    listening->next = worker->listen_watches;
    worker->listen_watches = listening;
    if (!worker->is_draining)
        worker_watch(worker, &listening->watch, EPOLLIN | EPOLLEXCLUSIVE);
}

void listener_unwatch(struct worker *worker, struct listener *listener)
{
    struct listen_watch **link = &worker->listen_watches;
    while (*link != NULL && (*link)->listener != listener)
        link = &(*link)->next;
    struct listen_watch *listening = *link;
    if (listening == NULL)
        return;
    *link = listening->next;
    worker_watch(worker, &listening->watch, 0);
    free(listening);
    listener_release(listener);
}

void listener_accept_last(struct worker *worker, struct listener *listener)
{
    struct listen_watch *at = worker->listen_watches;
    while (at != NULL && at->listener != listener)
        at = at->next;
    if (at == NULL || worker->is_draining)
        return;
    for (int i = 0; i < BACKLOG; i += ACCEPTS_AT_ONCE)
        on_connection_waiting(&at->watch, EPOLLIN);
}

void listener_unwatch_all(struct worker *worker)
{
    while (worker->listen_watches != NULL)
        listener_unwatch(worker, worker->listen_watches->listener);
}

int64_t listener_tick(struct worker *worker, int64_t now_us)
{
    if (worker->accept_again_us != 0 && now_us >= worker->accept_again_us)
        accept_again(worker);
    return worker->accept_again_us != 0 ? worker->accept_again_us : INT64_MAX;
}
