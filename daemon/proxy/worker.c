// SPDX-License-Identifier: MIT
// The loop of a worker. One turn: wait; hand out the events; let libcurl, the inbox, the
// exchanges and libmicrohttpd work until none has anything left to do; then wait again.
#include "worker.h"

#include "admission.h"
#include "arrival.h"
#include "client_tls.h"
#include "exchange.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/store_reader.h"
#include "ignoring.h"
#include "listener.h"
#include "login.h"
#include "playback_recording.h"
#include "refusal.h"
#include "relay.h"
#include "server_private.h"
#include "socks.h"
#include "tunnel.h"
#include "upstream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH_EVENTS    128
#define ROUNDS_MAX      16
#define END_PATIENCE_US ((int64_t)5000000)
#define END_LOOK_US     ((int64_t)100000)

// --- watches -----------------------------------------------------------------------------------

// An event of the current batch must not reach a watch that is gone.
static void forget_events(struct worker *worker, const struct watch *watch)
{
    for (int i = 0; i < worker->batch_count; i++)
        if (worker->batch[i].data.ptr == watch)
            worker->batch[i].data.ptr = NULL;
}

void worker_watch(struct worker *worker, struct watch *watch, uint32_t events)
{
    if (watch->events == events)
        return;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int operation = watch->events == 0 ? EPOLL_CTL_ADD
                    : events == 0      ? EPOLL_CTL_DEL
                                       : EPOLL_CTL_MOD;
    watch->events = events;
    if (events == 0)
        forget_events(worker, watch);
    if (epoll_ctl(worker->epoll_fd, operation, watch->fd, &event) != 0)
        log_error(worker->log, "worker", "epoll_ctl on %d: %s", watch->fd, strerror(errno));
}

void worker_forget_closed(struct worker *worker, struct watch *watch)
{
    watch->events = 0;
    forget_events(worker, watch);
}

void worker_end_connection(struct worker *worker, struct client_count *count)
{
    atomic_fetch_sub(&worker->connections, 1);
    admission_leave(worker->admission, count);
}

// --- the inbox ---------------------------------------------------------------------------------

void worker_post(struct worker *worker, const struct inbox_item *item)
{
    struct inbox_item *copy = mem_calloc(1, sizeof(*copy));
    *copy = *item;
    copy->next = NULL;
    pthread_mutex_lock(&worker->inbox_mutex);
    bool was_empty = worker->inbox_first == NULL;
    if (was_empty)
        worker->inbox_first = copy;
    else
        worker->inbox_last->next = copy;
    worker->inbox_last = copy;
    pthread_mutex_unlock(&worker->inbox_mutex);
    if (was_empty)
        eventfd_write(worker->inbox_watch.fd, 1);
}

static void on_written(struct worker *worker, struct record *record)
{
    struct exchange *exchange = record->waiter;
    journal_written(exchange, record);
    worker_mark_ready(worker, exchange);
}

static void on_room(struct worker *worker)
{
    struct exchange *next;
    for (struct exchange *exchange = worker->live; exchange != NULL; exchange = next) {
        next = exchange->next;
        exchange_recorder_has_room(exchange);
    }
}

// They would not end by themselves.
static void abort_upgraded(struct worker *worker)
{
    for (struct exchange *exchange = worker->live; exchange != NULL; exchange = exchange->next)
        if (exchange->upgrade != NULL)
            exchange_abort(exchange);
}

static void drain(struct worker *worker)
{
    listener_unwatch_all(worker);
    worker->is_draining = true;
    abort_upgraded(worker);
    worker->accept_again_us = 0;
    arrival_close_all(worker);
    socks_close_all(worker);
}

static int open_tls_side(struct worker *worker, struct err *err)
{
    if (worker->authority == NULL || worker->tls_clients != NULL)
        return 0;
    worker->tls_clients = client_side_create(worker, true, err);
    return worker->tls_clients == NULL ? -1 : 0;
}

// Interception may have been off until now.
static void take_config(struct worker *worker, struct config *config, struct authority *authority)
{
    struct err err = {0};
    config_release(worker->config);
    worker->config = config;
    worker->authority = authority;
    if (open_tls_side(worker, &err) != 0)
        log_error(worker->log, "worker", "reload: intercept: %s", err.text);
}

static void handle_item(struct worker *worker, struct inbox_item *item)
{
    switch (item->kind) {
    case INBOX_ADOPT:
        arrival_adopt(worker, item->fd, &item->peer);
        break;
    case INBOX_WRITTEN:
        on_written(worker, item->record);
        break;
    case INBOX_ROOM:
        on_room(worker);
        break;
    case INBOX_CALL:
        item->call(worker, item->call_ctx);
        break;
    case INBOX_CONFIG:
        take_config(worker, item->config, item->authority);
        break;
    case INBOX_LISTEN:
        listener_watch(worker, item->listener);
        break;
    case INBOX_UNLISTEN:
        listener_accept_last(worker, item->listener);
        listener_unwatch(worker, item->listener);
        break;
    case INBOX_DRAIN:
        drain(worker);
        break;
    case INBOX_STOP:
        drain(worker);
        worker->is_stopping = true;
        break;
    }
}

static void on_inbox(struct watch *watch, uint32_t events)
{
    struct worker *worker = watch->ctx;
    eventfd_t count;
    (void)events;
    eventfd_read(watch->fd, &count);
    pthread_mutex_lock(&worker->inbox_mutex);
    struct inbox_item *item = worker->inbox_first;
    worker->inbox_first = NULL;
    worker->inbox_last = NULL;
    pthread_mutex_unlock(&worker->inbox_mutex);
    while (item != NULL) {
        struct inbox_item *next = item->next;
        handle_item(worker, item);
        free(item);
        item = next;
    }
}

// --- exchanges ---------------------------------------------------------------------------------

void worker_mark_ready(struct worker *worker, struct exchange *exchange)
{
    if (exchange->is_ready)
        return;
    exchange->is_ready = true;
    exchange->ready_next = NULL;
    if (worker->ready_last != NULL)
        worker->ready_last->ready_next = exchange;
    else
        worker->ready_first = exchange;
    worker->ready_last = exchange;
}

static void run_ready(struct worker *worker)
{
    while (worker->ready_first != NULL) {
        struct exchange *exchange = worker->ready_first;
        worker->ready_first = exchange->ready_next;
        if (worker->ready_first == NULL)
            worker->ready_last = NULL;
        exchange->is_ready = false;
        exchange_advance(exchange);
    }
}

void worker_tick_by(struct worker *worker, int64_t at_us)
{
    if (at_us < worker->tick_us)
        worker->tick_us = at_us;
}

static void tick(struct worker *worker)
{
    worker->tick_us = INT64_MAX;
    struct exchange *next;
    for (struct exchange *exchange = worker->live; exchange != NULL; exchange = next) {
        next = exchange->next;
        worker_tick_by(worker, exchange_tick(exchange, worker->now_us));
    }
    worker_tick_by(worker, arrival_tick(worker, worker->now_us));
    worker_tick_by(worker, listener_tick(worker, worker->now_us));
    worker_tick_by(worker, refusal_tick(worker, worker->now_us));
    worker_tick_by(worker, socks_tick(worker, worker->now_us));
    worker_tick_by(worker, tunnel_tick(worker, worker->now_us));
}

// --- the loop ----------------------------------------------------------------------------------

static int64_t clients_timeout_us(struct worker *worker)
{
    int64_t plain_us = client_side_timeout_us(worker->clients);
    int64_t tls_us = worker->tls_clients == NULL ? -1 : client_side_timeout_us(worker->tls_clients);
    if (plain_us < 0 || (tls_us >= 0 && tls_us < plain_us))
        return tls_us;
    return plain_us;
}

static int wait_ms(struct worker *worker)
{
    int64_t until_us = upstream_due_us(worker);
    if (worker->ready_first != NULL)
        return 0;
    if (worker->tick_us < until_us)
        until_us = worker->tick_us;
    int64_t client_us = clients_timeout_us(worker);
    int64_t now_us = clock_monotonic_us();
    if (client_us >= 0 && now_us + client_us < until_us)
        until_us = now_us + client_us;
    if (until_us == INT64_MAX)
        return -1;
    int64_t left_us = until_us - now_us;
    if (left_us <= 0)
        return 0;
    return left_us > 3600 * (int64_t)1000000 ? 3600 * 1000 : (int)((left_us + 999) / 1000);
}

static void handle_events(struct worker *worker)
{
    for (int i = 0; i < worker->batch_count; i++) {
        struct watch *watch = worker->batch[i].data.ptr;
        if (watch != NULL)
            watch->on_event(watch, worker->batch[i].events);
    }
    worker->batch_count = 0;
}

// Exchanges wake libmicrohttpd, which starts transfers, which wake exchanges: a few rounds, since
// waiting for the next turn would cost each of them a system call. Only a few, since a client that
// always has another request there, answered at once, would keep everybody else out.
static void work(struct worker *worker)
{
    int rounds = 0;
    do {
        upstream_run(worker, clock_monotonic_us());
        run_ready(worker);
        client_side_run(worker->clients);
        if (worker->tls_clients != NULL)
            client_side_run(worker->tls_clients);
        rounds++;
    } while (rounds < ROUNDS_MAX &&
             (worker->ready_first != NULL || upstream_due_us(worker) <= clock_monotonic_us()));
}

static void turn(struct worker *worker)
{
    int count = epoll_wait(worker->epoll_fd, worker->batch, BATCH_EVENTS, wait_ms(worker));
    worker->now_us = clock_monotonic_us();
    worker->batch_count = count > 0 ? count : 0;
    upstream_begin_turn(worker);
    handle_events(worker);
    if (worker->now_us >= worker->tick_us)
        tick(worker);
    work(worker);
}

// Cuts what is left; the journal still gets its rows, and those who wait for a commit get it.
static void end_all(struct worker *worker)
{
    refusal_close_all(worker);
    login_close_all(worker);
    tunnel_close_all(worker);
    relay_close_all(worker);
    if (worker->tls_clients != NULL)
        client_tls_interrupt_all(worker->tls_clients);
    for (struct exchange *exchange = worker->live; exchange != NULL; exchange = exchange->next)
        exchange_abort(exchange);
    int64_t give_up_us = clock_monotonic_us() + END_PATIENCE_US;
    while (worker->live != NULL && clock_monotonic_us() < give_up_us) {
        worker_tick_by(worker, clock_monotonic_us() + END_LOOK_US);
        turn(worker);
    }
    if (worker->live != NULL)
        log_error(worker->log, "worker", "some exchanges did not end; their rows stay pending");
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;
    while (!worker->is_stopping)
        turn(worker);
    end_all(worker);
    client_side_destroy(worker->clients);
    client_side_destroy(worker->tls_clients);
    worker->clients = NULL;
    worker->tls_clients = NULL;
    return NULL;
}

// --- life --------------------------------------------------------------------------------------

struct worker *worker_create(struct server *server, struct config *config,
                             struct recorder *recorder, struct log *log)
{
    struct worker *worker = mem_calloc(1, sizeof(*worker));
    worker->server = server;
    worker->config = config_retain(config);
    worker->recorder = recorder;
    worker->log = log;
    worker->epoll_fd = -1;
    worker->inbox_watch.fd = -1;
    worker->spare_fd = -1;
    worker->tick_us = INT64_MAX;
    worker->batch = mem_calloc(BATCH_EVENTS, sizeof(worker->batch[0]));
    pthread_mutex_init(&worker->inbox_mutex, NULL);
    return worker;
}

static int open_loop(struct worker *worker, struct err *err)
{
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int inbox_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->inbox_watch = (struct watch){.fd = inbox_fd, .on_event = on_inbox, .ctx = worker};
    worker->spare_fd = listener_open_spare();
    if (worker->epoll_fd < 0 || inbox_fd < 0)
        return err_set(err, "worker: open epoll and eventfd: %s", strerror(errno));
    worker_watch(worker, &worker->inbox_watch, EPOLLIN);
    return 0;
}

int worker_open(struct worker *worker, struct err *err)
{
    if (open_loop(worker, err) != 0)
        return -1;
    worker->now_us = clock_monotonic_us();
    worker->upstream = upstream_create(worker, err);
    if (worker->upstream == NULL)
        return -1;
    if (worker->playback != NULL) {
        worker->answers = playback_open_reader(worker->playback, err);
        if (worker->answers == NULL)
            return -1;
    }
    worker->clients = client_side_create(worker, false, err);
    if (worker->clients == NULL)
        return -1;
    return open_tls_side(worker, err);
}

int worker_start(struct worker *worker, struct err *err)
{
    int error = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (error != 0)
        return err_set(err, "worker: start a thread: %s", strerror(error));
    pthread_setname_np(worker->thread, "hark-worker");
    worker->is_started = true;
    return 0;
}

void worker_join(struct worker *worker)
{
    if (worker->is_started)
        pthread_join(worker->thread, NULL);
    worker->is_started = false;
}

static void drop_inbox(struct worker *worker)
{
    while (worker->inbox_first != NULL) {
        struct inbox_item *item = worker->inbox_first;
        worker->inbox_first = item->next;
        if (item->kind == INBOX_ADOPT)
            close(item->fd);
        if (item->kind == INBOX_LISTEN)
            listener_release(item->listener);
        if (item->kind == INBOX_CONFIG)
            config_release(item->config);
        free(item);
    }
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    assert(!worker->is_started);
    drop_inbox(worker);
    client_side_destroy(worker->clients);
    client_side_destroy(worker->tls_clients);
    upstream_destroy(worker->upstream);
    store_reader_close(worker->answers);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->inbox_watch.fd >= 0)
        close(worker->inbox_watch.fd);
    if (worker->spare_fd >= 0)
        close(worker->spare_fd);
    pthread_mutex_destroy(&worker->inbox_mutex);
    buffer_fini(&worker->peeked);
    ignoring_release(worker->ignore);
    listener_unwatch_all(worker);
    config_release(worker->config);
    free(worker->batch);
    free(worker);
}
