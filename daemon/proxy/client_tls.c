// SPDX-License-Identifier: MIT
// Handshakes. A client that does not trust hark's authority ends the handshake with an alert, or
// just closes; libmicrohttpd says neither, so every handshake is on a list until the client's
// Finished has come, and the alert is read from the session when libmicrohttpd logs a failure.
#include "client_tls.h"

#include "client_private.h"
#include "exchange.h"
#include "mhd_compat.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD_ALERT 0x15
#define ALERT_FATAL  2

static void unlink_handshake(struct client_handshake *handshake)
{
    struct client_side *side = handshake->side;
    if (handshake->previous != NULL)
        handshake->previous->next = handshake->next;
    else if (side->handshakes == handshake)
        side->handshakes = handshake->next;
    if (handshake->next != NULL)
        handshake->next->previous = handshake->previous;
    handshake->previous = NULL;
    handshake->next = NULL;
}

static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message)
{
    struct connection *connection = client_connection_of(mhd_connection_of_session(session));
    (void)type;
    (void)when;
    (void)message;
    if (incoming == 0)
        return 0;
    connection->handshake.has_finished = true;
    unlink_handshake(&connection->handshake);
    return 0;
}

// OpenSSL sends the alert that refuses a certificate in the clear, where TLS 1.3 has GnuTLS expect
// it encrypted and drop it: it is looked at in front of GnuTLS.
static void note_clear_alert(struct client_handshake *handshake)
{
    // type, version (2), length (2), level, description: RFC 8446 sections 5.1 and 6
    unsigned char record[7];
    ssize_t count = recv(handshake->fd, record, sizeof(record), MSG_PEEK | MSG_DONTWAIT);
    if (count == sizeof(record) && record[0] == RECORD_ALERT && record[3] == 0 && record[4] == 2 &&
        record[5] == ALERT_FATAL)
        handshake->alert = record[6];
}

static ssize_t on_pull(gnutls_transport_ptr_t ptr, void *data, size_t size)
{
    struct client_handshake *handshake = ptr;
    if (!handshake->has_finished)
        note_clear_alert(handshake);
    return recv(handshake->fd, data, size, MSG_DONTWAIT);
}

void client_tls_begin(struct client_handshake *handshake, gnutls_session_t session)
{
    handshake->session = session;
    handshake->has_begun = true;
    handshake->next = handshake->side->handshakes;
    if (handshake->next != NULL)
        handshake->next->previous = handshake;
    handshake->side->handshakes = handshake;
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST,
                                       on_finished);
    // libmicrohttpd has set the descriptor for both ways; for sending it stays.
    gnutls_transport_set_ptr2(session, handshake, (gnutls_transport_ptr_t)(intptr_t)handshake->fd);
    gnutls_transport_set_pull_function(session, on_pull);
}

int client_tls_on_hello(gnutls_session_t session, const gnutls_datum_t *authorities,
                        int authority_count, const gnutls_pk_algorithm_t *algorithms,
                        int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_length,
                        gnutls_privkey_t *key)
{
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    struct connection *connection = client_connection_of(mhd_connection_of_session(session));
    const struct route *route = connection->route;
    struct worker *worker = connection->handshake.side->worker;
    // The name that the client will check is the one it asked for; without one, CONNECT's.
    const char *host = route->sni != NULL ? route->sni : route->host;
    struct err err = {0};
    if (connection->handshake.leaf == NULL)
        connection->handshake.leaf = authority_get_leaf(worker->authority, host, &err);
    if (connection->handshake.leaf == NULL) {
        log_error(worker->log, "client", "no certificate for %s: %s", host, err.text);
        return -1;
    }
    *chain = leaf_chain(connection->handshake.leaf, chain_length);
    *key = leaf_key(connection->handshake.leaf);
    return 0;
}

void client_tls_note_alerts(struct client_side *side)
{
    for (struct client_handshake *handshake = side->handshakes; handshake != NULL;
         handshake = handshake->next)
        if (handshake->alert == 0)
            handshake->alert = (int)gnutls_alert_get(handshake->session);
}

static void record(const struct client_handshake *handshake, const struct route *route,
                   const char *client_addr, int64_t session_id, enum row_state state,
                   const char *code, const char *text)
{
    struct exchange *exchange = exchange_create(handshake->side->worker, client_addr, session_id);
    exchange_tunnel_begin(exchange, route);
    exchange_tunnel_end(exchange, state, code, text);
    exchange_release(exchange);
}

static void record_failure(const struct client_handshake *handshake, const struct route *route,
                           const char *client_addr, int64_t session_id)
{
    char text[400];
    const char *alert = gnutls_alert_get_name((gnutls_alert_description_t)handshake->alert);
    if (handshake->alert != 0)
        snprintf(text, sizeof(text),
                 "the client refused the certificate that hark made for it (alert: %s): have it "
                 "trust hark's authority, or set passthrough = %s",
                 alert != NULL ? alert : "unknown", route->host);
    else if (handshake->leaf == NULL)
        snprintf(text, sizeof(text),
                 "the TLS handshake failed at the client's hello: it is malformed, or offers no "
                 "version and cipher that hark accepts; passthrough = %s leaves it to the server",
                 route->host);
    else
        snprintf(text, sizeof(text),
                 "the client closed the connection in the middle of the TLS handshake; if it does "
                 "not trust hark's authority, have it do so, or set passthrough = %s",
                 route->host);
    record(handshake, route, client_addr, session_id, ROW_STATE_CLIENT_ABORT, "tls", text);
}

void client_tls_interrupt_all(struct client_side *side)
{
    while (side->handshakes != NULL) {
        struct client_handshake *handshake = side->handshakes;
        const struct connection *connection =
            client_connection_of(mhd_connection_of_session(handshake->session));
        handshake->has_finished = true;
        unlink_handshake(handshake);
        record(handshake, connection->route, connection->address, connection->session_id,
               ROW_STATE_INTERRUPTED, NULL, "hark was stopped");
    }
}

void client_tls_end(struct client_handshake *handshake, const struct route *route,
                    const char *client_addr, int64_t session_id)
{
    if (handshake->has_begun && !handshake->has_finished) {
        unlink_handshake(handshake);
        // Behind client_tls_interrupt_all() nobody would see to the end of a row.
        if (!handshake->side->worker->is_stopping)
            record_failure(handshake, route, client_addr, session_id);
    }
    leaf_unref(handshake->leaf);
    handshake->leaf = NULL;
}
