// SPDX-License-Identifier: MIT
// What the files of the client's side share.
#ifndef HARK_PROXY_CLIENT_PRIVATE_H
#define HARK_PROXY_CLIENT_PRIVATE_H

#include "client.h"
#include "client_tls.h"
#include "exchange.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A client connection, from accept to close. Owner: libmicrohttpd's connection.
struct connection {
    struct exchange *exchange; // going on, from its request line to its end; NULL: none
    struct route *route;       // what its CONNECT asked for; NULL: there was none
    struct client_handshake handshake;
    struct upstream *upstream; // its own; NULL: it uses everybody's
    int64_t session_id;
    bool asks_no_login;
    struct client_count *count;
    char address[INET6_ADDRSTRLEN + 10];
};

struct connection *client_connection_of(struct MHD_Connection *connection);
int client_descriptor_of(struct MHD_Connection *connection);

struct adoption;

struct client_side {
    struct worker *worker;
    bool is_tls;
    struct adoption *adoptions;          // connections that libmicrohttpd has not started yet
    struct client_handshake *handshakes; // not finished yet
    struct MHD_Daemon *daemon;
    struct watch watch;        // libmicrohttpd's own epoll descriptor
    bool must_run;             // there is work that no descriptor announces
    size_t pool_bytes;         // of a connection
    int64_t spinning_since_us; // libmicrohttpd has work all the time and gets nowhere; 0: no
    int64_t calls;             // of hark's callbacks, to see whether it gets somewhere
    bool is_idling;            // it says it has work but gets nowhere
    int refusal_count;         // heads that libmicrohttpd refused by itself since the last close
    int refusal_status;
    char refusal_reason[160];
};

// The connection with this descriptor has started: fills in what was said when it was adopted.
void client_adopted(struct client_side *side, int fd, struct connection *connection);
// The daemon is gone, and will start none of those any more.
void client_give_up_adoptions(struct client_side *side);

// Writes to the client around libmicrohttpd, through TLS if need be. Returns how much was taken;
// -1 with errno EAGAIN if nothing can be now (try again with the same bytes), else it is broken.
ssize_t client_write(const struct exchange *exchange, const void *data, size_t length);
// Tells the client that no more will be written.
void client_end_writing(const struct exchange *exchange);

void client_suspend(struct exchange *exchange);
void client_resume(struct exchange *exchange);

// Does this field go on to the client (and is not written by the framing)?
bool client_forwards_field(const struct exchange *exchange, const struct fields *fields,
                           const struct field *field);
// How many of `size` bytes at `position` may be given out now: the last one of a known length
// waits for the commit.
size_t client_readable_bytes(const struct exchange *exchange, uint64_t position, size_t size);

// Can libmicrohttpd hold the answer's head?
bool client_head_fits(const struct exchange *exchange);
// Queues the answer as it stands; the delivery has begun after it. Returns what libmicrohttpd's
// handler has to return.
enum MHD_Result client_queue_response(struct exchange *exchange);

// Queues a 503 in place of an answer that could not be recorded.
enum MHD_Result client_queue_unrecorded(struct exchange *exchange);

#endif
