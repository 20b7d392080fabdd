// SPDX-License-Identifier: MIT
// The handshake of SOCKS 5: what it offers, then where to. Messages are peeked at until they are
// whole and only then taken out of the socket, so the tunnel finds all bytes behind them.
#include "socks.h"

#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/socks.h"
#include "login.h"
#include "refusal.h"
#include "routing.h"
#include "tunnel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// The longest message is that of user and password.
#define MESSAGE_MAX_BYTES 513
#define SOCKS_PROTOCOL    "SOCKS5"

enum step {
    STEP_GREETING,
    STEP_PASSWORD,
    STEP_CHECK, // of the password is going on
    STEP_REQUEST
};

struct socks_client {
    struct socks_client *previous;
    struct socks_client *next;
    struct worker *worker;
    struct watch watch;
    struct peer peer;
    enum step step;
    struct login_wait login;
    int64_t deadline_us;
};

// Unlinks and frees it; the descriptor is the caller's then.
static int dissolve(struct socks_client *client)
{
    struct worker *worker = client->worker;
    int fd = client->watch.fd;
    if (client->previous != NULL)
        client->previous->next = client->next;
    else
        worker->socks = client->next;
    if (client->next != NULL)
        client->next->previous = client->previous;
    login_wait_cancel(&client->login);
    worker_watch(worker, &client->watch, 0);
    free(client);
    return fd;
}

static void drop(struct socks_client *client)
{
    struct worker *worker = client->worker;
    struct client_count *count = client->peer.count;
    close(dissolve(client));
    worker_end_connection(worker, count);
}

// Into an empty socket buffer: it fits, or the client is gone, which the next read tells.
static void send_bytes(int fd, const void *bytes, size_t length)
{
    ssize_t ignored = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
}

// The address in it would be that of hark's socket towards the server, which there is not yet.
static void send_answer(int fd, enum socks_answer answer)
{
    const uint8_t bytes[] = {SOCKS_VERSION, (uint8_t)answer, 0, 1, 0, 0, 0, 0, 0, 0};
    send_bytes(fd, bytes, sizeof(bytes));
}

// --- refusing ----------------------------------------------------------------------------------

// The row is that of a CONNECT which was refused for the same reason.
static void record(struct socks_client *client, const struct target *target,
                   const struct tunnel_refusal *refusal)
{
    struct worker *worker = client->worker;
    char text[64];
    address_format((const struct sockaddr *)&client->peer.address.storage, text, sizeof(text));
    struct exchange *exchange = exchange_create(worker, text, client->peer.session_id);
    struct exchange_row *row = exchange->row;
    row->kind = ROW_KIND_TUNNEL;
    row->method = "CONNECT";
    row->request_version = SOCKS_PROTOCOL;
    row->host = target == NULL ? NULL : arena_strdup(&row->arena, target->host);
    row->port = target == NULL ? 0 : target->port;
    exchange_request_refused(exchange, refusal->status, refusal->code, refusal->reason);
    exchange_release(exchange);
}

// It has been answered. `target` may be NULL: not known.
static void refuse(struct socks_client *client, const struct target *target,
                   const struct tunnel_refusal *refusal)
{
    struct worker *worker = client->worker;
    struct client_count *count = client->peer.count;
    record(client, target, refusal);
    refusal_close(worker, dissolve(client), count);
}

static void answer_and_refuse(struct socks_client *client, const struct target *target,
                              enum socks_answer answer, const struct tunnel_refusal *refusal)
{
    send_answer(client->watch.fd, answer);
    refuse(client, target, refusal);
}

void socks_refuse_version_4(struct worker *worker, int fd, const struct peer *peer)
{
    static const uint8_t rejected[] = {0, 0x5b, 0, 0, 0, 0, 0, 0};
    int64_t unsaid = log_limit_pass(&worker->spoke_socks_4);
    if (unsaid > 0)
        log_warn(worker->log, "socks",
                 "a client spoke SOCKS 4; hark speaks SOCKS 5: its proxy must begin with "
                 "socks5h:// (%" PRId64 " since this was last said)",
                 unsaid);
    send_bytes(fd, rejected, sizeof(rejected));
    refusal_close(worker, fd, peer->count);
}

// --- messages ----------------------------------------------------------------------------------

static void on_bytes(struct watch *watch, uint32_t events);

enum outcome {
    OUTCOME_MORE, // the message is not whole yet
    OUTCOME_NEXT, // it was answered
    OUTCOME_GONE, // and the client is somebody else's now, or nobody's
};

static void take(const struct socks_client *client, ssize_t length)
{
    uint8_t taken[MESSAGE_MAX_BYTES];
    // They were peeked at.
    ssize_t ignored = recv(client->watch.fd, taken, (size_t)length, MSG_DONTWAIT);
    (void)ignored;
}

// A client that insists on a password where none is wanted is let in with any.
static enum socks_method choose_method(const struct socks_client *client,
                                       const struct socks_greeting *greeting)
{
    if (greeting->offers_none && !login_is_wanted(client->worker, &client->peer))
        return SOCKS_METHOD_NONE;
    return greeting->offers_password ? SOCKS_METHOD_PASSWORD : SOCKS_METHOD_REFUSED;
}

static enum outcome refuse_login(struct socks_client *client, enum login_verdict verdict,
                                 bool has_given)
{
    struct login_refusal refusal = login_explain(verdict, has_given);
    refuse(client, NULL, &(struct tunnel_refusal){refusal.status, "proxy-auth", refusal.reason});
    return OUTCOME_GONE;
}

static enum outcome on_greeting(struct socks_client *client, const uint8_t *bytes, size_t length)
{
    struct socks_greeting greeting;
    ssize_t whole = socks_parse_greeting(bytes, length, &greeting);
    if (whole <= 0) // the version has been looked at
        return OUTCOME_MORE;
    take(client, whole);
    enum socks_method method = choose_method(client, &greeting);
    client->step = method == SOCKS_METHOD_PASSWORD ? STEP_PASSWORD : STEP_REQUEST;
    const uint8_t answer[] = {SOCKS_VERSION, (uint8_t)method};
    send_bytes(client->watch.fd, answer, sizeof(answer));
    if (method != SOCKS_METHOD_REFUSED)
        return OUTCOME_NEXT;
    if (login_is_wanted(client->worker, &client->peer))
        return refuse_login(client, LOGIN_WRONG, false);
    refuse(client, NULL,
           &(struct tunnel_refusal){400, "bad-request",
                                    "the SOCKS client offers neither to go on without "
                                    "authentication nor a user and password"});
    return OUTCOME_GONE;
}

static enum outcome settle_login(struct socks_client *client, enum login_verdict verdict)
{
    const uint8_t answer[] = {SOCKS_PASSWORD_VERSION, verdict == LOGIN_RIGHT ? 0 : 1};
    send_bytes(client->watch.fd, answer, sizeof(answer));
    if (verdict == LOGIN_RIGHT) {
        client->step = STEP_REQUEST;
        return OUTCOME_NEXT;
    }
    return refuse_login(client, verdict, true);
}

static void on_verdict(void *ctx, enum login_verdict verdict)
{
    struct socks_client *client = ctx;
    if (settle_login(client, verdict) == OUTCOME_NEXT)
        on_bytes(&client->watch, 0);
}

static enum login_verdict check_password(struct socks_client *client,
                                         const struct socks_password *password)
{
    const struct login login = {password->user, password->password};
    if (!login_is_wanted(client->worker, &client->peer))
        return LOGIN_RIGHT;
    client->login.on_verdict = on_verdict;
    client->login.ctx = client;
    return login_check(client->worker, &client->peer.address, &login, &client->login);
}

static enum outcome on_password(struct socks_client *client, const uint8_t *bytes, size_t length)
{
    struct socks_password password;
    ssize_t whole = socks_parse_password(bytes, length, &password);
    if (whole == SOCKS_MORE)
        return OUTCOME_MORE;
    if (whole == SOCKS_BAD) {
        refuse(client, NULL,
               &(struct tunnel_refusal){400, "bad-request", "not user and password of SOCKS 5"});
        return OUTCOME_GONE;
    }
    take(client, whole);
    client->step = STEP_CHECK;
    enum login_verdict verdict = check_password(client, &password);
    return verdict == LOGIN_PENDING ? OUTCOME_MORE : settle_login(client, verdict);
}

static void open_tunnel(struct socks_client *client, const struct target *target)
{
    struct worker *worker = client->worker;
    struct peer peer = client->peer;
    struct route *route = route_create(target);
    route->protocol = SOCKS_PROTOCOL;
    send_answer(client->watch.fd, SOCKS_SUCCEEDED);
    tunnel_begin(worker, dissolve(client), &peer, route);
}

// An address of hark's own under a name is found when it has been resolved (upstream.c).
static bool is_own_address(const struct socks_client *client, const char *authority)
{
    struct address address;
    return address_parse(authority, &address) == 0 &&
           server_is_own_address(client->worker->server, &address) != OWN_NONE;
}

static void connect_to(struct socks_client *client, const char *authority)
{
    struct arena arena = {0};
    struct target target;
    struct tunnel_refusal refusal;
    struct err err = {0};
    if (target_parse(&target, &arena, "CONNECT", authority, &err) != 0)
        answer_and_refuse(client, NULL, SOCKS_FAILED,
                          &(struct tunnel_refusal){400, "bad-request", err.text});
    else if (is_own_address(client, authority))
        answer_and_refuse(
            client, &target, SOCKS_NOT_ALLOWED,
            &(struct tunnel_refusal){403, "forbidden", "the target is hark's own address"});
    else if (tunnel_is_refused(client->worker, &client->peer, &target, &refusal))
        answer_and_refuse(client, &target, refusal.status == 403 ? SOCKS_NOT_ALLOWED : SOCKS_FAILED,
                          &refusal);
    else
        open_tunnel(client, &target);
    arena_fini(&arena);
}

static enum outcome on_socks_request(struct socks_client *client, const uint8_t *bytes,
                                     size_t length)
{
    struct socks_request request;
    ssize_t whole = socks_parse_request(bytes, length, &request);
    if (whole == SOCKS_MORE)
        return OUTCOME_MORE;
    if (whole != SOCKS_BAD)
        take(client, whole);
    if (whole == SOCKS_BAD)
        answer_and_refuse(client, NULL, SOCKS_FAILED,
                          &(struct tunnel_refusal){400, "bad-request",
                                                   "not a request of SOCKS 5, or no host in it"});
    else if (request.command != SOCKS_CONNECT)
        answer_and_refuse(
            client, NULL, SOCKS_COMMAND_UNKNOWN,
            &(struct tunnel_refusal){501, "not-supported", "of SOCKS 5 hark knows CONNECT only"});
    else if (!request.is_known_address)
        answer_and_refuse(
            client, NULL, SOCKS_ADDRESS_UNKNOWN,
            &(struct tunnel_refusal){400, "bad-request", "an address type that SOCKS 5 has not"});
    else
        connect_to(client, request.authority);
    return OUTCOME_GONE;
}

// --- the handshake -----------------------------------------------------------------------------

static enum outcome read_message(struct socks_client *client)
{
    uint8_t bytes[MESSAGE_MAX_BYTES];
    ssize_t count = recv(client->watch.fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return OUTCOME_MORE;
    if (count <= 0) {
        drop(client);
        return OUTCOME_GONE;
    }
    switch (client->step) {
    case STEP_GREETING:
        return on_greeting(client, bytes, (size_t)count);
    case STEP_PASSWORD:
        return on_password(client, bytes, (size_t)count);
    case STEP_CHECK:
        return OUTCOME_MORE;
    case STEP_REQUEST:
        break;
    }
    return on_socks_request(client, bytes, (size_t)count);
}

static void on_bytes(struct watch *watch, uint32_t events)
{
    struct socks_client *client = watch->ctx;
    enum outcome outcome;
    do
        outcome = read_message(client);
    while (outcome == OUTCOME_NEXT);
    if (outcome == OUTCOME_MORE && (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
        drop(client);
}

// An edge each time bytes come: the ones that were peeked at stay in the socket.
void socks_adopt(struct worker *worker, int fd, const struct peer *peer)
{
    struct socks_client *client = mem_calloc(1, sizeof(*client));
    client->worker = worker;
    client->peer = *peer;
    client->deadline_us = clock_monotonic_us() + worker->config->header_timeout_ms * 1000;
    client->watch = (struct watch){.fd = fd, .on_event = on_bytes, .ctx = client};
    client->next = worker->socks;
    if (client->next != NULL)
        client->next->previous = client;
    worker->socks = client;
    worker_watch(worker, &client->watch, EPOLLIN | EPOLLRDHUP | EPOLLET);
    worker_tick_by(worker, client->deadline_us);
    on_bytes(&client->watch, 0);
}

int64_t socks_tick(struct worker *worker, int64_t now_us)
{
    int64_t due_us = INT64_MAX;
    struct socks_client *next;
    for (struct socks_client *client = worker->socks; client != NULL; client = next) {
        next = client->next;
        if (now_us >= client->deadline_us)
            drop(client);
        else if (client->deadline_us < due_us)
            due_us = client->deadline_us;
    }
    return due_us;
}

void socks_close_all(struct worker *worker)
{
    while (worker->socks != NULL)
        drop(worker->socks);
}
