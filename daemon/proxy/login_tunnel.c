// SPDX-License-Identifier: MIT
// Logins of tunnels. The head of CONNECT stays in the socket while its password is being checked,
// and is looked at again after that.
#include "hark/mem.h"
#include "hark/raw_head.h"
#include "login.h"
#include "refusal.h"
#include "tunnel.h"
#include "worker.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

// A connection whose password is being checked. Owner: the worker.
struct held_tunnel {
    struct held_tunnel *previous;
    struct held_tunnel *next;
    struct worker *worker;
    int fd;
    struct peer peer;
    struct login_wait wait;
};

static void unlink_held(struct held_tunnel *held)
{
    if (held->previous != NULL)
        held->previous->next = held->next;
    else
        held->worker->held_tunnels = held->next;
    if (held->next != NULL)
        held->next->previous = held->previous;
    login_wait_cancel(&held->wait);
    free(held);
}

static void settle(struct worker *worker, int fd, const struct peer *peer, const char *head,
                   size_t head_length, enum login_verdict verdict, bool has_given)
{
    if (verdict == LOGIN_RIGHT) {
        tunnel_adopt(worker, fd, peer, head, head_length);
        return;
    }
    struct login_refusal refusal = login_explain(verdict, has_given);
    refusal_send(worker, fd, peer,
                 &(struct refusal){.head = head,
                                   .head_length = head_length,
                                   .kind = ROW_KIND_TUNNEL,
                                   .status = refusal.status,
                                   .code = "proxy-auth",
                                   .reason = refusal.reason});
}

static void on_verdict(void *ctx, enum login_verdict verdict)
{
    struct held_tunnel *held = ctx;
    struct worker *worker = held->worker;
    struct peer peer = held->peer;
    int fd = held->fd;
    unlink_held(held);
    size_t limit = (size_t)worker->config->max_header_bytes;
    buffer_clear(&worker->peeked);
    const char *bytes = buffer_reserve(&worker->peeked, limit);
    ssize_t count = recv(fd, worker->peeked.data, limit, MSG_PEEK | MSG_DONTWAIT);
    size_t head_length = count <= 0 ? 0 : raw_head_length(bytes, (size_t)count);
    if (head_length > 0) {
        settle(worker, fd, &peer, bytes, head_length, verdict, true);
        return;
    }
    close(fd); // the client has reset it
    worker_end_connection(worker, peer.count);
}

static struct held_tunnel *hold(struct worker *worker, int fd, const struct peer *peer)
{
    struct held_tunnel *held = mem_calloc(1, sizeof(*held));
    held->worker = worker;
    held->fd = fd;
    held->peer = *peer;
    held->wait.on_verdict = on_verdict;
    held->wait.ctx = held;
    held->next = worker->held_tunnels;
    if (held->next != NULL)
        held->next->previous = held;
    worker->held_tunnels = held;
    return held;
}

static const char *find_given(const char *head, size_t head_length, struct arena *arena)
{
    struct request_head request;
    struct fields fields = {0};
    struct err ignored = {0};
    raw_head_parse(head, head_length, arena, &request, &fields, &ignored);
    return login_take(&fields, arena);
}

void login_adopt_tunnel(struct worker *worker, int fd, const struct peer *peer, const char *head,
                        size_t head_length)
{
    struct arena arena = {0};
    struct login login;
    struct held_tunnel *held = NULL;
    enum login_verdict verdict = LOGIN_RIGHT;
    const char *given = NULL;
    if (login_is_wanted(worker, peer)) {
        given = find_given(head, head_length, &arena);
        verdict = LOGIN_WRONG;
        if (login_parse_basic(given, &arena, &login) == 0) {
            held = hold(worker, fd, peer);
            verdict = login_check(worker, &peer->address, &login, &held->wait);
        }
    }
    if (verdict != LOGIN_PENDING) {
        settle(worker, fd, peer, head, head_length, verdict, given != NULL);
        if (held != NULL)
            unlink_held(held);
    }
    arena_fini(&arena);
}

void login_close_all(struct worker *worker)
{
    while (worker->held_tunnels != NULL) {
        struct held_tunnel *held = worker->held_tunnels;
        int fd = held->fd;
        struct client_count *count = held->peer.count;
        unlink_held(held);
        close(fd);
        worker_end_connection(worker, count);
    }
}
