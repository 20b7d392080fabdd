// SPDX-License-Identifier: MIT
// An exchange whose connection has changed its protocol (RFC 9110 section 7.8): after the 101 the
// bytes of both sides pass through its flows as they are, until both have ended.
//
// The origin's bytes are the download, the client's are the upload. A WebSocket is read on the
// side and its messages go to the recording; of any other protocol the bytes do, as bodies.
#ifndef HARK_PROXY_UPGRADE_H
#define HARK_PROXY_UPGRADE_H

#include "hark/buffer.h"
#include "hark/message.h"
#include "hark/websocket.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;

// Owner: its exchange, from the 101 to its end.
struct upgrade {
    bool is_websocket;
    struct websocket_reader readers[2]; // by body_side
    bool has_client_ended;              // the client's side of the connection
    struct buffer out;                  // being written to the client
    size_t written;
    struct watch watch; // the client's descriptor
    int64_t shut_us; // when the origin's end was passed on to the client, monotonic; 0: it was not
};

// Does this request ask for another protocol in a way that hark takes to the origin? Not for h2c
// (RFC 9113 has dropped it): the exchanges after it could not be told apart.
bool upgrade_is_asked(const struct exchange *exchange);

// --- from the source ---------------------------------------------------------------------------

void upgrade_begin(struct exchange *exchange, const struct response_head *head);
void upgrade_origin_data(struct exchange *exchange, const void *data, size_t length);
// `is_clean`: it closed its side, nothing broke; else `text` says what did.
void upgrade_origin_ended(struct exchange *exchange, bool is_clean, const char *text);

// --- from the client side ----------------------------------------------------------------------

void upgrade_client_data(struct exchange *exchange, const void *data, size_t length);
void upgrade_client_ended(struct exchange *exchange);

// ------------------------------------------------------------------------------

// Time-outs: there are none while both sides are there. Returns when to look again, monotonic.
int64_t upgrade_tick(struct exchange *exchange, int64_t now_us);
void upgrade_destroy(struct exchange *exchange);

#endif
