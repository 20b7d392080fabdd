// SPDX-License-Identifier: MIT
// Refusals. After the answer the connection is read until the client closes it, for a while: a
// close with unread bytes would reset it, and the client might never see the answer (RFC 9112
// section 9.6).
#include "refusal.h"

#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/raw_head.h"
#include "local.h"
#include "login.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_US      ((int64_t)2000000)
#define DISCARD_BYTES  16384
#define DISCARD_ROUNDS 64

// A refused connection on its way out. Owner: the worker.
struct farewell {
    struct farewell *previous;
    struct farewell *next;
    struct worker *worker;
    struct watch watch;
    bool has_place; // it is one of max_connections
    struct client_count *count;
    int64_t deadline_us;
};

static void end_farewell(struct farewell *farewell)
{
    struct worker *worker = farewell->worker;
    if (farewell->previous != NULL)
        farewell->previous->next = farewell->next;
    else
        worker->farewells = farewell->next;
    if (farewell->next != NULL)
        farewell->next->previous = farewell->previous;
    worker_watch(worker, &farewell->watch, 0);
    close(farewell->watch.fd);
    if (farewell->has_place)
        worker_end_connection(worker, farewell->count);
    free(farewell);
}

// False: the client has closed the connection.
static bool discard(int fd, int rounds)
{
    char discarded[DISCARD_BYTES];
    for (int i = 0; i < rounds; i++) {
        ssize_t count = recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
        if (count <= 0)
            return false;
    }
    return true;
}

static void on_late_bytes(struct watch *watch, uint32_t events)
{
    (void)events;
    if (!discard(watch->fd, DISCARD_ROUNDS))
        end_farewell(watch->ctx);
}

static struct farewell *begin_farewell(struct worker *worker, int fd)
{
    struct farewell *farewell = mem_calloc(1, sizeof(*farewell));
    farewell->worker = worker;
    farewell->deadline_us = clock_monotonic_us() + LINGER_US;
    farewell->watch = (struct watch){.fd = fd, .on_event = on_late_bytes, .ctx = farewell};
    farewell->next = worker->farewells;
    if (farewell->next != NULL)
        farewell->next->previous = farewell;
    worker->farewells = farewell;
    shutdown(fd, SHUT_WR);
    worker_watch(worker, &farewell->watch, EPOLLIN | EPOLLRDHUP);
    worker_tick_by(worker, farewell->deadline_us);
    return farewell;
}

void refusal_close(struct worker *worker, int fd, struct client_count *count)
{
    struct farewell *farewell = begin_farewell(worker, fd);
    farewell->has_place = true;
    farewell->count = count;
}

static void describe(struct exchange *exchange, const struct refusal *refusal)
{
    struct exchange_row *row = exchange->row;
    struct request_head head;
    struct err ignored = {0};
    row->kind = refusal->kind;
    raw_head_parse(refusal->head, refusal->head_length, &row->arena, &head, &row->request_headers,
                   &ignored);
    login_take(&row->request_headers, &row->arena);
    row->method = head.method;
    row->request_version = text_is_version(head.version) ? head.version : "";
    row->path = head.target;
    struct target *target = &exchange->target;
    struct err also_ignored = {0};
    if (target_parse(target, &row->arena, head.method, head.target, &also_ignored) != 0)
        return;
    row->scheme = target->scheme;
    row->host = target->host;
    row->port = target->port;
    row->path = target->path;
    row->query = target->query;
}

static void append_head(struct buffer *out, int status, const char *code, size_t length)
{
    buffer_printf(out, "HTTP/1.1 %d %s\r\n", status, local_reason_phrase(status));
    if (status == 407)
        buffer_append_text(out, "Proxy-Authenticate: " LOGIN_CHALLENGE "\r\n");
    buffer_printf(out,
                  "Content-Type: text/plain; charset=utf-8\r\n"
                  "X-Content-Type-Options: nosniff\r\n"
                  "Hark-Error: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                  code, length);
}

static void send_answer(struct exchange *exchange, int fd, const struct refusal *refusal)
{
    struct buffer page = {0};
    struct buffer answer = {0};
    local_append_error_page(exchange, refusal->code, refusal->reason, &page);
    append_head(&answer, refusal->status, refusal->code, page.length);
    bool is_head = strcmp(exchange->row->method, "HEAD") == 0;
    if (!is_head)
        buffer_append(&answer, page.data, page.length);
    exchange->row->response_size = is_head ? 0 : (int64_t)page.length;
    // Less than a kilobyte into an empty socket buffer: it fits, or the client is gone.
    ssize_t ignored = send(fd, answer.data, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    buffer_fini(&page);
    buffer_fini(&answer);
}

void refusal_send(struct worker *worker, int fd, const struct peer *peer,
                  const struct refusal *refusal)
{
    char client[64];
    address_format((const struct sockaddr *)&peer->address.storage, client, sizeof(client));
    struct exchange *exchange = exchange_create(worker, client, peer->session_id);
    describe(exchange, refusal);
    send_answer(exchange, fd, refusal);
    exchange_request_refused(exchange, refusal->status, refusal->code, refusal->reason);
    exchange_release(exchange);
    refusal_close(worker, fd, peer->count);
}

// --- without a request -------------------------------------------------------------------------

void refusal_tell(int fd, int status, const char *code, const char *reason)
{
    struct buffer page = {0};
    struct buffer answer = {0};
    buffer_printf(&page, "hark: %s: %s\n", code, reason);
    append_head(&answer, status, code, page.length);
    buffer_append(&answer, page.data, page.length);
    ssize_t ignored = send(fd, answer.data, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    buffer_fini(&page);
    buffer_fini(&answer);
}

static int count_without_place(const struct worker *worker)
{
    int count = 0;
    for (const struct farewell *at = worker->farewells; at != NULL; at = at->next)
        count += !at->has_place;
    return count;
}

// It takes nobody's place. Few of them are waited for: each keeps a descriptor of the reserve.
void refusal_turn_away(struct worker *worker, int fd, int status, const char *code,
                       const char *reason)
{
    refusal_tell(fd, status, code, reason);
    if (count_without_place(worker) >= REFUSAL_FAREWELLS_MAX) {
        discard(fd, 1); // what has come already would make the close a reset
        close(fd);
        return;
    }
    begin_farewell(worker, fd);
}

// --- time --------------------------------------------------------------------------------------

int64_t refusal_tick(struct worker *worker, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    struct farewell *next;
    for (struct farewell *farewell = worker->farewells; farewell != NULL; farewell = next) {
        next = farewell->next;
        if (now_us >= farewell->deadline_us)
            end_farewell(farewell);
        else if (farewell->deadline_us < due_us)
            due_us = farewell->deadline_us;
    }
    return due_us;
}

void refusal_close_all(struct worker *worker)
{
    while (worker->farewells != NULL)
        end_farewell(worker->farewells);
}
