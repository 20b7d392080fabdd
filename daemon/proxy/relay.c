// SPDX-License-Identifier: MIT
// Relays. Each direction has one buffer: it is read into when it is empty and the other side can
// be written to, so a slow reader slows its writer down. A direction that has ended is passed on
// as a half-close (RFC 9110 section 9.3.6); the relay lives until both have.
#include "relay.h"

#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "upstream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)64 * 1024)
#define ROUNDS_MAX   16

struct direction {
    char *buffer; // BUFFER_BYTES; NULL until bytes come
    size_t begin;
    size_t end;
    bool has_ended; // the reader's side said so
    bool is_shut;   // and it was passed on
};

struct relay {
    struct relay *previous;
    struct relay *next;
    struct worker *worker;
    struct exchange *exchange;
    struct route *route;
    struct client_count *count;
    struct watch client;
    struct watch server;                    // fd -1 until it is connected
    struct upstream_connection *connection; // NULL: `server` is all there is of it
    struct direction sent;                  // client to server
    struct direction received;              // server to client
};

static void end_relay(struct relay *relay, enum row_state state, const char *code, const char *text)
{
    struct worker *worker = relay->worker;
    if (relay->previous != NULL)
        relay->previous->next = relay->next;
    else
        worker->relays = relay->next;
    if (relay->next != NULL)
        relay->next->previous = relay->previous;
    worker_watch(worker, &relay->client, 0);
    close(relay->client.fd);
    if (relay->server.fd >= 0) {
        worker_watch(worker, &relay->server, 0);
        close(relay->server.fd);
    }
    upstream_disconnect(relay->connection);
    worker_end_connection(worker, relay->count);
    exchange_tunnel_end(relay->exchange, state, code, text);
    exchange_release(relay->exchange);
    route_destroy(relay->route);
    free(relay->sent.buffer);
    free(relay->received.buffer);
    free(relay);
}

enum progress {
    IDLE,
    MOVED,
    BROKEN
};

static struct upstream_connection *wrapped(const struct relay *relay, int fd)
{
    return fd == relay->server.fd ? relay->connection : NULL;
}

static ssize_t receive(struct relay *relay, int fd, void *buffer, size_t size)
{
    struct upstream_connection *connection = wrapped(relay, fd);
    return connection != NULL ? upstream_receive(connection, buffer, size)
                              : recv(fd, buffer, size, MSG_DONTWAIT);
}

static ssize_t send_to(struct relay *relay, int fd, const void *data, size_t length)
{
    struct upstream_connection *connection = wrapped(relay, fd);
    return connection != NULL ? upstream_send(connection, data, length)
                              : send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static enum progress read_some(struct relay *relay, struct direction *direction, int fd)
{
    if (direction->has_ended || direction->begin < direction->end)
        return IDLE;
    if (direction->buffer == NULL)
        direction->buffer = mem_realloc(NULL, BUFFER_BYTES);
    ssize_t count = receive(relay, fd, direction->buffer, BUFFER_BYTES);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? IDLE : BROKEN;
    direction->has_ended = count == 0;
    direction->begin = 0;
    direction->end = (size_t)count;
    return MOVED;
}

// In the TLS of a proxy there is no half-close that libcurl could send: that one sees the end of
// the bytes beneath.
static enum progress write_some(struct relay *relay, struct direction *direction, int fd)
{
    if (direction->begin < direction->end) {
        ssize_t count = send_to(relay, fd, direction->buffer + direction->begin,
                                direction->end - direction->begin);
        if (count < 0)
            return errno == EAGAIN || errno == EINTR ? IDLE : BROKEN;
        direction->begin += (size_t)count;
        return MOVED;
    }
    if (direction->has_ended && !direction->is_shut) {
        shutdown(fd, SHUT_WR);
        direction->is_shut = true;
        return MOVED;
    }
    return IDLE;
}

static enum progress move(struct relay *relay, struct direction *direction, enum body_side side,
                          int from, int to)
{
    enum progress got = read_some(relay, direction, from);
    if (got == MOVED)
        exchange_count_relayed(relay->exchange, side, direction->end - direction->begin);
    enum progress gave = write_some(relay, direction, to);
    if (got == BROKEN || gave == BROKEN)
        return BROKEN;
    return got == MOVED || gave == MOVED ? MOVED : IDLE;
}

static uint32_t wanted_events(const struct direction *from_here, const struct direction *to_here)
{
    bool can_read = !from_here->has_ended && from_here->begin == from_here->end;
    bool must_write = to_here->begin < to_here->end;
    return (can_read ? EPOLLIN : 0u) | (must_write ? EPOLLOUT : 0u);
}

static void pump(struct relay *relay)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        enum progress up =
            move(relay, &relay->sent, BODY_REQUEST, relay->client.fd, relay->server.fd);
        enum progress down =
            move(relay, &relay->received, BODY_RESPONSE, relay->server.fd, relay->client.fd);
        if (up == BROKEN || down == BROKEN) {
            end_relay(relay, ROW_STATE_TRUNCATED, "upstream-reset",
                      "the connection was reset by one of its sides");
            return;
        }
        if (up == IDLE && down == IDLE)
            break;
    }
    if (relay->sent.is_shut && relay->received.is_shut) {
        end_relay(relay, ROW_STATE_DONE, NULL, NULL);
        return;
    }
    uint32_t client = wanted_events(&relay->sent, &relay->received);
    uint32_t server = wanted_events(&relay->received, &relay->sent);
    worker_watch(relay->worker, &relay->client, client != 0 ? client : EPOLLET);
    worker_watch(relay->worker, &relay->server, server != 0 ? server : EPOLLET);
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct relay *relay = watch->ctx;
    // Nobody reads or writes here now, so nothing else would tell of a reset. EPOLLHUP alone only
    // says that both ways are shut: what the other side has not taken yet is still delivered.
    if ((events & EPOLLERR) != 0 && watch->events == EPOLLET) {
        end_relay(relay, ROW_STATE_TRUNCATED, "upstream-reset",
                  "the connection was reset by one of its sides");
        return;
    }
    pump(relay);
}

static void on_connected(void *ctx, int fd, const char *server_addr)
{
    struct relay *relay = ctx;
    struct exchange_row *row = relay->exchange->row;
    int one = 1;
    row->server_addr = arena_strdup(&row->arena, server_addr);
    relay->server.fd = fd;
    if (!upstream_is_wrapped(relay->connection)) {
        upstream_disconnect(relay->connection);
        relay->connection = NULL;
    }
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    setsockopt(relay->client.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    pump(relay);
}

static void on_not_connected(void *ctx, int status, const char *code, const char *text)
{
    (void)status; // CONNECT was answered 200 before
    end_relay(ctx, ROW_STATE_UPSTREAM_ERROR, code, text);
}

// While the server is being connected to, only the client's leaving matters.
static void on_client_left(struct watch *watch, uint32_t events)
{
    struct relay *relay = watch->ctx;
    if ((events & (EPOLLERR | EPOLLHUP)) != 0)
        end_relay(relay, ROW_STATE_CLIENT_ABORT, "client-abort",
                  "the client left before the server was connected");
}

static const struct upstream_connect_ops ops = {.on_connected = on_connected,
                                                .on_failed = on_not_connected};

static void on_client_event(struct watch *watch, uint32_t events)
{
    struct relay *relay = watch->ctx;
    if (relay->server.fd < 0)
        on_client_left(watch, events);
    else
        on_ready(watch, events);
}

static void link_relay(struct relay *relay)
{
    struct worker *worker = relay->worker;
    relay->next = worker->relays;
    if (relay->next != NULL)
        relay->next->previous = relay;
    worker->relays = relay;
}

void relay_start(struct worker *worker, int fd, const struct peer *peer, struct route *route)
{
    char client[64];
    address_format((const struct sockaddr *)&peer->address.storage, client, sizeof(client));
    struct relay *relay = mem_calloc(1, sizeof(*relay));
    relay->worker = worker;
    relay->route = route;
    relay->count = peer->count;
    relay->exchange = exchange_create(worker, client, peer->session_id);
    exchange_tunnel_begin(relay->exchange, route);
    relay->exchange->row->error_text = route->why_relayed;
    relay->client = (struct watch){.fd = fd, .on_event = on_client_event, .ctx = relay};
    relay->server = (struct watch){.fd = -1, .on_event = on_ready, .ctx = relay};
    link_relay(relay);
    worker_watch(worker, &relay->client, EPOLLET);
    relay->connection = upstream_connect(worker->upstream, route, worker->config, &ops, relay);
}

void relay_close_all(struct worker *worker)
{
    while (worker->relays != NULL)
        end_relay(worker->relays, ROW_STATE_INTERRUPTED, NULL, "hark was stopped");
}
