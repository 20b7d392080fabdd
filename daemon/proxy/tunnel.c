// SPDX-License-Identifier: MIT
// Tunnels from their head to the decision. Bytes are only peeked at, so whoever gets the
// connection finds all of them.
#include "tunnel.h"

#include "arrival.h"
#include "client.h"
#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/raw_head.h"
#include "hello.h"
#include "playback.h"
#include "playback_recording.h"
#include "refusal.h"
#include "relay.h"
#include "route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A client that says nothing for so long waits for the server to speak first; but no server does on
// the port of HTTPS, and a Java program may take seconds to get its TLS ready.
#define SILENCE_US ((int64_t)1000000)
#define HTTPS_PORT 443
#define SMTP_PORT  25

struct tunnel {
    struct tunnel *previous;
    struct tunnel *next;
    struct worker *worker;
    struct watch watch;
    struct peer peer;
    struct route *route;
    int64_t deadline_us;
};

// Unlinks and frees it; the descriptor and the route are the caller's then.
static void dissolve(struct tunnel *tunnel)
{
    struct worker *worker = tunnel->worker;
    if (tunnel->previous != NULL)
        tunnel->previous->next = tunnel->next;
    else
        worker->tunnels = tunnel->next;
    if (tunnel->next != NULL)
        tunnel->next->previous = tunnel->previous;
    worker_watch(worker, &tunnel->watch, 0);
    free(tunnel);
}

static void drop(struct tunnel *tunnel, enum row_state state, const char *code, const char *text)
{
    struct worker *worker = tunnel->worker;
    int fd = tunnel->watch.fd;
    char client[64];
    address_format((const struct sockaddr *)&tunnel->peer.address.storage, client, sizeof(client));
    struct exchange *exchange = exchange_create(worker, client, tunnel->peer.session_id);
    exchange_tunnel_begin(exchange, tunnel->route);
    exchange_tunnel_end(exchange, state, code, text);
    exchange_release(exchange);
    struct client_count *count = tunnel->peer.count;
    route_destroy(tunnel->route);
    dissolve(tunnel);
    close(fd);
    worker_end_connection(worker, count);
}

// Bytes that are not read cannot be played back, and nothing goes out.
static void refuse_relay(struct tunnel *tunnel)
{
    const struct route *route = tunnel->route;
    playback_say_miss(
        tunnel->worker, "miss: CONNECT %s: %s; in playback nothing is relayed", route->authority,
        route->why_relayed != NULL ? route->why_relayed
                                   : "it is in passthrough, intercept is off, or it is "
                                     "neither TLS nor HTTP");
    playback_count_miss(tunnel->worker->playback, tunnel->peer.session_id);
    drop(tunnel, ROW_STATE_DONE, "playback-miss", "in playback nothing is relayed");
}

enum destination {
    TO_TLS,
    TO_HTTP,
    TO_RELAY
};

static void hand_over(struct tunnel *tunnel, enum destination destination)
{
    struct worker *worker = tunnel->worker;
    if (destination == TO_RELAY && playback_is_closed(worker->config)) {
        refuse_relay(tunnel);
        return;
    }
    struct peer peer = tunnel->peer;
    struct route *route = tunnel->route;
    int fd = tunnel->watch.fd;
    dissolve(tunnel);
    switch (destination) {
    case TO_TLS:
        client_side_adopt(worker->tls_clients, fd, &peer, route);
        break;
    case TO_HTTP:
        route->scheme = "http";
        arrival_adopt_routed(worker, fd, &peer, route);
        break;
    case TO_RELAY:
        relay_start(worker, fd, &peer, route);
        break;
    }
}

static bool is_intercepted(struct tunnel *tunnel)
{
    const struct worker *worker = tunnel->worker;
    const struct config *config = worker->config;
    struct route *route = tunnel->route;
    if (worker->tls_clients == NULL || !config->intercept ||
        route_host_matches(route->host, &config->passthrough) ||
        (route->sni != NULL && route_host_matches(route->sni, &config->passthrough)))
        return false;
    // GnuTLS ends such handshakes; names of containers and of buckets have underscores.
    if (route->sni != NULL && strchr(route->sni, '_') != NULL)
        route->why_relayed = "relayed unread: GnuTLS takes no server name with an underscore";
    return route->why_relayed == NULL;
}

static void judge(struct tunnel *tunnel, bool is_final)
{
    struct worker *worker = tunnel->worker;
    size_t limit = (size_t)worker->config->max_header_bytes;
    buffer_clear(&worker->peeked);
    char *bytes = buffer_reserve(&worker->peeked, limit);
    ssize_t count = recv(tunnel->watch.fd, bytes, limit, MSG_PEEK | MSG_DONTWAIT);
    bool is_silent = count < 0 && (errno == EAGAIN || errno == EINTR);
    if (count == 0 || (count < 0 && !is_silent)) {
        drop(tunnel, ROW_STATE_CLIENT_ABORT, "client-abort",
             "the client left before it sent anything through the tunnel");
        return;
    }
    switch (hello_judge(bytes, is_silent ? 0 : (size_t)count)) {
    case HELLO_TLS:
        tunnel->route->sni = hello_server_name(bytes, (size_t)count);
        hand_over(tunnel, is_intercepted(tunnel) ? TO_TLS : TO_RELAY);
        break;
    case HELLO_HTTP:
        hand_over(tunnel, TO_HTTP);
        break;
    case HELLO_OTHER:
        hand_over(tunnel, TO_RELAY);
        break;
    case HELLO_UNCLEAR:
        if (is_final)
            hand_over(tunnel, TO_RELAY);
        break;
    }
}

static void on_bytes(struct watch *watch, uint32_t events)
{
    judge(watch->ctx, (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0);
}

void tunnel_begin(struct worker *worker, int fd, const struct peer *peer, struct route *route)
{
    struct tunnel *tunnel = mem_calloc(1, sizeof(*tunnel));
    tunnel->worker = worker;
    tunnel->peer = *peer;
    tunnel->route = route;
    tunnel->deadline_us =
        clock_monotonic_us() +
        (route->port == HTTPS_PORT ? worker->config->header_timeout_ms * 1000 : SILENCE_US);
    tunnel->watch = (struct watch){.fd = fd, .on_event = on_bytes, .ctx = tunnel};
    tunnel->next = worker->tunnels;
    if (tunnel->next != NULL)
        tunnel->next->previous = tunnel;
    worker->tunnels = tunnel;
    worker_watch(worker, &tunnel->watch, EPOLLIN | EPOLLRDHUP | EPOLLET);
    worker_tick_by(worker, tunnel->deadline_us);
    judge(tunnel, false);
}

static void refuse(struct worker *worker, int fd, const struct peer *peer, const char *head,
                   size_t head_length, const struct tunnel_refusal *refusal)
{
    refusal_send(worker, fd, peer,
                 &(struct refusal){.head = head,
                                   .head_length = head_length,
                                   .kind = ROW_KIND_TUNNEL,
                                   .status = refusal->status,
                                   .code = refusal->code,
                                   .reason = refusal->reason});
}

// Takes the head out of the socket and answers it.
static bool answer(int fd, size_t head_length)
{
    static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
    char taken[4096];
    while (head_length > 0) {
        size_t want = head_length < sizeof(taken) ? head_length : sizeof(taken);
        ssize_t count = recv(fd, taken, want, MSG_DONTWAIT);
        if (count <= 0)
            return false;
        head_length -= (size_t)count;
    }
    // Into an empty socket buffer: it fits, or the client is gone.
    return send(fd, established, sizeof(established) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           (ssize_t)sizeof(established) - 1;
}

static bool is_relayed_for_sure(const struct worker *worker, const struct target *target)
{
    return playback_is_closed(worker->config) &&
           route_host_matches(target->host, &worker->config->passthrough);
}

bool tunnel_is_refused(struct worker *worker, const struct peer *peer, const struct target *target,
                       struct tunnel_refusal *refusal)
{
    if (target->port == SMTP_PORT) {
        *refusal = (struct tunnel_refusal){403, "forbidden", "port 25 is for mail between servers"};
        return true;
    }
    if (!is_relayed_for_sure(worker, target))
        return false;
    // What is said to a CONNECT few clients show.
    playback_say_miss(
        worker, "miss: CONNECT %s:%d: the host is in passthrough; in playback nothing is relayed",
        target->host, target->port);
    playback_count_miss(worker->playback, peer->session_id);
    *refusal = (struct tunnel_refusal){
        504, "playback-miss",
        "the host is in passthrough, and in playback nothing is relayed; take it out"};
    return true;
}

void tunnel_adopt(struct worker *worker, int fd, const struct peer *peer, const char *head,
                  size_t head_length)
{
    struct arena arena = {0};
    struct request_head request;
    struct fields fields;
    struct target target;
    struct tunnel_refusal refusal;
    struct err err = {0};
    raw_head_parse(head, head_length, &arena, &request, &fields, &err);
    if (target_parse(&target, &arena, "CONNECT", request.target, &err) != 0) {
        refuse(worker, fd, peer, head, head_length,
               &(struct tunnel_refusal){400, "bad-request", err.text});
    } else if (tunnel_is_refused(worker, peer, &target, &refusal)) {
        refuse(worker, fd, peer, head, head_length, &refusal);
    } else if (!answer(fd, head_length)) {
        close(fd);
        worker_end_connection(worker, peer->count);
    } else {
        tunnel_begin(worker, fd, peer, route_create(&target));
    }
    arena_fini(&arena);
}

int64_t tunnel_tick(struct worker *worker, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    struct tunnel *next;
    for (struct tunnel *tunnel = worker->tunnels; tunnel != NULL; tunnel = next) {
        next = tunnel->next;
        if (now_us >= tunnel->deadline_us)
            judge(tunnel, true);
        else if (tunnel->deadline_us < due_us)
            due_us = tunnel->deadline_us;
    }
    return due_us;
}

void tunnel_close_all(struct worker *worker)
{
    while (worker->tunnels != NULL)
        drop(worker->tunnels, ROW_STATE_INTERRUPTED, NULL, "hark was stopped");
}
