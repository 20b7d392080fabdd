// SPDX-License-Identifier: MIT
// The client's side: libmicrohttpd's callbacks turned into events of an exchange.
//
// libmicrohttpd calls the handler once with the head, then with body bytes, then once more when
// all of the request is there. While the answer is awaited the connection is suspended: in that
// last call, or, if the client waits for 100 Continue, in the first one (libmicrohttpd sends its
// 100 as soon as that call returns without a response). A response queued in the first call makes
// libmicrohttpd close the connection after it, which is what a refused request asks for.
#include "client_early.h"
#include "client_private.h"
#include "client_upgrade.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "mhd_compat.h"
#include "upstream.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Beside the head itself libmicrohttpd keeps a small struct for each field in the same pool.
#define POOL_OVERHEAD_BYTES ((size_t)4096)

// So many rounds without a callback mean that libmicrohttpd gets nowhere.
#define IDLE_ROUNDS_MAX  4
#define IDLE_PAUSE_US    ((int64_t)2000)
#define SPIN_PATIENCE_US ((int64_t)500000)

struct connection *client_connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info->socket_context;
}

int client_descriptor_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info->connect_fd;
}

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
}

// --- the head ----------------------------------------------------------------------------------

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                size_t name_length, const char *value, size_t value_length)
{
    struct exchange *exchange = cls;
    struct exchange_row *row = exchange->row;
    struct fields *fields =
        kind == MHD_FOOTER_KIND ? &row->request_trailers : &row->request_headers;
    size_t raw_length = value_length;
    while (value_length > 0 && (value[value_length - 1] == ' ' || value[value_length - 1] == '\t'))
        value_length--;
    if (raw_length != value_length && strcasecmp(name, "Transfer-Encoding") == 0)
        exchange->client.is_misframed = MHD_COMPAT_KEEPS_TRAILING_SPACE;
    fields_add(fields, &row->arena, name, name_length, value == NULL ? "" : value, value_length);
    return MHD_YES;
}

static bool expects_continue(const struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    return exchange->request == LEG_BODY && exchange->response == LEG_IDLE &&
           strcmp(row->request_version, "HTTP/1.0") != 0 &&
           fields_list_has(&row->request_headers, "Expect", "100-continue");
}

// NTLM and Negotiate vouch for a connection, not for a request: what a client has authenticated
// must never carry another's requests, and its own have to stay on it.
static bool authenticates_connection(const struct fields *fields)
{
    const struct field *field = fields_find(fields, "Authorization");
    return field != NULL && (strncasecmp(field->value, "NTLM", 4) == 0 ||
                             strncasecmp(field->value, "Negotiate", 9) == 0);
}

static void choose_upstream(struct exchange *exchange, struct connection *connection)
{
    struct err err = {0};
    if (connection->upstream == NULL && authenticates_connection(&exchange->row->request_headers)) {
        connection->upstream = upstream_create(exchange->worker, &err);
        if (connection->upstream == NULL)
            log_error(exchange->worker->log, "client", "#%" PRId64 ": %s", exchange->row->id,
                      err.text);
    }
    exchange->upstream = connection->upstream;
}

static enum MHD_Result on_head(struct exchange *exchange, const char *method, const char *version)
{
    struct exchange_row *row = exchange->row;
    struct MHD_Connection *connection = exchange->client.connection;
    row->method = arena_strdup(&row->arena, method);
    // What else stands there, behind a space in the target, may be a part of it: a secret even.
    row->request_version = text_is_version(version) ? arena_strdup(&row->arena, version) : "";
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_field, exchange);
    exchange->login.given = login_take(&row->request_headers, &row->arena);
    exchange->client.is_last = strcmp(version, "HTTP/1.0") == 0 ||
                               fields_list_has(&row->request_headers, "Connection", "close");
    choose_upstream(exchange, client_connection_of(connection));
    if (exchange->client.is_misframed)
        exchange_request_misframed(exchange);
    else
        exchange_request_head(exchange);
    exchange->client.phase = CLIENT_END;
    if (exchange->request == LEG_FAILED)
        return client_queue_response(exchange);
    if (expects_continue(exchange)) {
        exchange->client.phase = CLIENT_EXPECT;
        exchange_expects_continue(exchange);
        client_suspend(exchange);
        return MHD_YES;
    }
    exchange->client.phase = CLIENT_BODY;
    return MHD_YES;
}

// --- body and end ------------------------------------------------------------------------------

static enum MHD_Result on_body(struct exchange *exchange, const char *data, size_t *size)
{
    exchange_request_data(exchange, data, *size);
    *size = 0;
    if (!exchange_wants_request_data(exchange))
        client_suspend(exchange);
    return MHD_YES;
}

static enum MHD_Result on_end(struct exchange *exchange)
{
    struct client_request *client = &exchange->client;
    bool is_answered = leg_has_ended(exchange->delivery);
    if (client->early != NULL && is_answered)
        return MHD_NO; // the early answer is out: close
    if (client->phase != CLIENT_END) {
        client->phase = CLIENT_END;
        MHD_get_connection_values_n(client->connection, MHD_FOOTER_KIND, on_field, exchange);
        exchange_request_end(exchange);
    }
    if (client->early == NULL && exchange->upgrade == NULL && exchange_can_deliver(exchange) &&
        client_head_fits(exchange))
        return client_queue_response(exchange);
    client_suspend(exchange);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload_data,
                                  size_t *upload_data_size, void **con_cls)
{
    struct client_side *side = cls;
    (void)connection;
    (void)url;
    struct exchange *exchange = *con_cls;
    side->calls++;
    if (exchange->client.must_close)
        return MHD_NO;
    switch (exchange->client.phase) {
    case CLIENT_HEAD:
        return on_head(exchange, method, version);
    case CLIENT_EXPECT:
        exchange->client.phase = CLIENT_BODY;
        return MHD_YES;
    case CLIENT_BODY:
    case CLIENT_END:
        if (*upload_data_size > 0)
            return on_body(exchange, upload_data, upload_data_size);
        return on_end(exchange);
    }
    return MHD_NO;
}

// --- begin and end of requests and connections -------------------------------------------------

static void *on_request_line(void *cls, const char *uri, struct MHD_Connection *mhd_connection)
{
    struct client_side *side = cls;
    side->calls++;
    struct connection *connection = client_connection_of(mhd_connection);
    struct exchange *exchange =
        exchange_create(side->worker, connection->address, connection->session_id);
    exchange->client.connection = mhd_connection;
    exchange->request_target = arena_strdup(&exchange->row->arena, uri);
    exchange->row->path = exchange->request_target;
    if (connection->route != NULL)
        exchange_set_route(exchange, connection->route);
    exchange->login.is_exempt = connection->asks_no_login;
    connection->exchange = exchange;
    return exchange;
}

static const char *termination_text(enum MHD_RequestTerminationCode code)
{
    switch (code) {
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED:
        return "the client was silent for longer than idle_timeout";
    case MHD_REQUEST_TERMINATED_READ_ERROR:
        return "the request could not be read: it broke off, or its body is malformed";
    default:
        return "the client closed the connection";
    }
}

// libmicrohttpd answers some malformed heads by itself and never calls the handler for them. What
// it logs is the only trace of why; with more than one at a time it is not known whose it is.
static void record_refusal(struct client_side *side, struct exchange *exchange)
{
    bool is_known = side->refusal_count == 1;
    exchange_request_refused(exchange, is_known ? side->refusal_status : 0, "bad-request",
                             is_known ? side->refusal_reason
                                      : "the head broke off, is malformed or too large");
    exchange_release(exchange);
}

// libmicrohttpd has let go of the request.
static void let_go(struct client_side *side, struct connection *connection,
                   enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    if (exchange == NULL)
        return;
    if (exchange->client.is_watched)
        worker_watch(exchange->worker, &exchange->client.watch, 0);
    exchange->client.is_watched = false;
    client_early_end(exchange);
    client_upgrade_end(exchange);
    if (exchange->client.phase == CLIENT_HEAD) {
        record_refusal(side, exchange);
        return;
    }
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && exchange->client.is_queued)
        exchange_delivered(exchange);
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK && side->refusal_count == 1)
        exchange_request_malformed(exchange, side->refusal_status, side->refusal_reason);
    exchange_client_gone(exchange, termination_text(code));
    exchange_release(exchange);
}

// libmicrohttpd forgets a connection that it closes while it asks for content or hands over a body:
// its descriptor stays open until older connections have timed out. But it always looks at those
// whose time-out is not the default.
static void hasten_close(struct client_side *side, struct MHD_Connection *mhd_connection)
{
    MHD_set_connection_option(mhd_connection, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
    side->must_run = true;
}

static void on_completed(void *cls, struct MHD_Connection *mhd_connection, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct client_side *side = cls;
    struct connection *connection = client_connection_of(mhd_connection);
    side->calls++;
    *con_cls = NULL;
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK ||
        (connection->exchange != NULL && connection->exchange->client.is_last))
        hasten_close(side, mhd_connection);
    let_go(side, connection, code);
}

static unsigned idle_seconds(const struct config *config)
{
    return (unsigned)((config->idle_timeout_ms + 999) / 1000);
}

static void on_connection(void *cls, struct MHD_Connection *mhd_connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct client_side *side = cls;
    side->calls++;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct connection *connection = mem_calloc(1, sizeof(*connection));
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd_connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        address_format(info->client_addr, connection->address, sizeof(connection->address));
        MHD_set_connection_option(mhd_connection, MHD_CONNECTION_OPTION_TIMEOUT,
                                  idle_seconds(side->worker->config));
        connection->handshake.side = side;
        connection->handshake.fd = client_descriptor_of(mhd_connection);
        client_adopted(side, connection->handshake.fd, connection);
        *socket_context = connection;
        if (side->is_tls)
            client_tls_begin(&connection->handshake, session_of(mhd_connection));
        return;
    }
    struct connection *connection = *socket_context;
    // Not for every request that libmicrohttpd answers by itself on_completed() is called.
    let_go(side, connection, MHD_REQUEST_TERMINATED_WITH_ERROR);
    side->refusal_count = 0;
    client_tls_end(&connection->handshake, connection->route, connection->address,
                   connection->session_id);
    upstream_destroy(connection->upstream);
    route_destroy(connection->route);
    worker_end_connection(side->worker, connection->count);
    free(connection);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format,
                                                         va_list args)
{
    struct client_side *side = cls;
    char text[512];
    va_list again;
    va_copy(again, args);
    vsnprintf(text, sizeof(text), format, again);
    va_end(again);
    text[strcspn(text, "\r\n")] = '\0';
    int status = mhd_refusal(text, side->refusal_reason, sizeof(side->refusal_reason));
    if (status != 0) {
        side->refusal_count++;
        side->refusal_status = status;
    }
    if (mhd_is_failed_handshake(text))
        client_tls_note_alerts(side);
    log_debug(side->worker->log, "client", "libmicrohttpd: %s", text);
}

// --- the daemon --------------------------------------------------------------------------------

static void on_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    ((struct client_side *)watch->ctx)->must_run = true;
}

static struct MHD_Daemon *start_daemon(struct client_side *side, const struct config *config)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_SUPPRESS_DATE_NO_CLOCK | MHD_USE_ERROR_LOG;
    const struct MHD_OptionItem strictness[] = {MHD_STRICTNESS_ITEMS, {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem certificates[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)client_tls_on_hello},
        {MHD_OPTION_END, 0, NULL},
    };
    const struct MHD_OptionItem nothing[] = {{MHD_OPTION_END, 0, NULL}};
    if (side->is_tls)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, side, MHD_OPTION_EXTERNAL_LOGGER, on_log, side,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, side, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, side, MHD_OPTION_NOTIFY_CONNECTION, on_connection, side,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, side->pool_bytes, MHD_OPTION_CONNECTION_LIMIT, UINT_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds(config), MHD_OPTION_ARRAY, strictness,
        MHD_OPTION_ARRAY, side->is_tls ? certificates : nothing, MHD_OPTION_END);
}

struct client_side *client_side_create(struct worker *worker, bool is_tls, struct err *err)
{
    struct client_side *side = mem_calloc(1, sizeof(*side));
    side->worker = worker;
    side->is_tls = is_tls;
    side->pool_bytes = (size_t)worker->config->max_header_bytes + POOL_OVERHEAD_BYTES;
    side->daemon = start_daemon(side, worker->config);
    if (side->daemon == NULL) {
        err_set(err, "proxy: libmicrohttpd does not start");
        free(side);
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(side->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    side->watch = (struct watch){.fd = info->epoll_fd, .on_event = on_readable, .ctx = side};
    worker_watch(worker, &side->watch, EPOLLIN);
    return side;
}

void client_side_destroy(struct client_side *side)
{
    if (side == NULL)
        return;
    worker_watch(side->worker, &side->watch, 0);
    MHD_stop_daemon(side->daemon);
    client_give_up_adoptions(side);
    free(side);
}

static int64_t mhd_timeout_us(struct client_side *side)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(side->daemon, &timeout_ms) != MHD_YES)
        return -1;
    return (int64_t)timeout_ms * 1000;
}

// A chunk-size line longer than its buffer makes libmicrohttpd 0.9.75 try again for ever. It looks
// at nothing but its own time-out then, so that is how such a connection is ended.
static void end_stuck_uploads(struct client_side *side)
{
    for (struct exchange *exchange = side->worker->live; exchange != NULL;
         exchange = exchange->next) {
        bool is_stuck = exchange->client.connection != NULL && !exchange->client.is_suspended &&
                        exchange->client.phase == CLIENT_BODY &&
                        exchange->request_length == BODY_LENGTH_CHUNKED &&
                        clock_monotonic_us() - exchange->active_us >= SPIN_PATIENCE_US;
        if (!is_stuck)
            continue;
        exchange_request_malformed(exchange, 0, "a chunk-size line is too long");
        MHD_set_connection_option(exchange->client.connection, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
    }
}

static void watch_for_spinning(struct client_side *side, bool is_spinning)
{
    int64_t now_us = clock_monotonic_us();
    if (!is_spinning)
        side->spinning_since_us = 0;
    else if (side->spinning_since_us == 0)
        side->spinning_since_us = now_us;
    else if (now_us - side->spinning_since_us >= SPIN_PATIENCE_US)
        end_stuck_uploads(side);
}

// Rounds in which nothing was called back are a sign that libmicrohttpd only says it has work:
// 0.9.75 does so all through a TLS handshake. Then it is left alone for a while; its descriptor
// wakes the loop when there is something to read.
void client_side_run(struct client_side *side)
{
    int64_t calls = side->calls;
    int idle_rounds = 0;
    while ((side->must_run || mhd_timeout_us(side) == 0) && idle_rounds < IDLE_ROUNDS_MAX) {
        side->must_run = false;
        MHD_run(side->daemon);
        idle_rounds = side->calls == calls ? idle_rounds + 1 : 0;
        calls = side->calls;
    }
    side->is_idling = idle_rounds == IDLE_ROUNDS_MAX;
    watch_for_spinning(side, side->is_idling);
}

int64_t client_side_timeout_us(struct client_side *side)
{
    int64_t timeout_us = mhd_timeout_us(side);
    return timeout_us == 0 && side->is_idling ? IDLE_PAUSE_US : timeout_us;
}
