// SPDX-License-Identifier: MIT
// TLS towards clients: libmicrohttpd does the handshakes, hark provides the certificates and
// records the handshakes that fail.
#ifndef HARK_PROXY_CLIENT_TLS_H
#define HARK_PROXY_CLIENT_TLS_H

#include "hark/authority.h"
#include "route.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>

struct client_side;

// The TLS half of a client connection; part of it.
struct client_handshake {
    struct client_handshake *previous; // in the side's list while it is not finished
    struct client_handshake *next;
    struct client_side *side;
    int fd;                   // libmicrohttpd's, like the session
    gnutls_session_t session; // good while the handshake lasts
    struct leaf *leaf;
    bool has_begun;
    bool has_finished;
    int alert; // the fatal alert that the client sent; 0: none
};

// The connection was made; its hello has come, but was not read yet.
void client_tls_begin(struct client_handshake *handshake, gnutls_session_t session);

// libmicrohttpd's certificate callback; the connection is found through the session.
int client_tls_on_hello(gnutls_session_t session, const gnutls_datum_t *authorities,
                        int authority_count, const gnutls_pk_algorithm_t *algorithms,
                        int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_length,
                        gnutls_privkey_t *key);

// A handshake has failed, says libmicrohttpd's log: notes the alert of whichever it was.
void client_tls_note_alerts(struct client_side *side);
// The connection closes. Records a handshake that was not finished.
void client_tls_end(struct client_handshake *handshake, const struct route *route,
                    const char *client_addr, int64_t session_id);
// hark stops: records the handshakes that are going on. None is recorded afterwards.
void client_tls_interrupt_all(struct client_side *side);

#endif
