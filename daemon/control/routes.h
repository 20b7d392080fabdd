// SPDX-License-Identifier: MIT
// What control answers: one function a route, each making a whole reply from snapshots.
#ifndef HARK_CONTROL_ROUTES_H
#define HARK_CONTROL_ROUTES_H

#include "hark/buffer.h"
#include "hark/control.h"

#include <stdbool.h>

struct sessions;

// What the routes may look at. Owner: struct control; never changes while routes run.
struct route_context {
    struct server *server;
    struct sessions *sessions;
    const char *db_path;
    const char *data_dir;
    const char *address; // of the page; NULL without one
    bool must_record;
};

struct request {
    const char *argument;      // what stands in the path where the route has "*"; else ""
    const struct buffer *body; // NUL-terminated, unless it is empty
};

// Zero-initialised is an empty 200.
struct reply {
    unsigned status;
    const char *type;  // media type; NULL without content
    const char *allow; // for 405
    bool wants_token;  // for 401: add WWW-Authenticate
    struct buffer body;
};

enum route_access {
    ROUTE_OPEN,   // for everybody who may talk to the page
    ROUTE_TOKEN,  // over TCP, only with the token
    ROUTE_SOCKET, // over the socket alone
};

struct route {
    const char *method; // GET stands for HEAD, too
    const char *path;   // a last part "*" stands for any
    enum route_access access;
    void (*answer)(const struct route_context *context, const struct request *request,
                   struct reply *reply);
};

// NULL if there is none for this method; `allow` gets the one that the path is there for, or NULL
// if there is no such path.
const struct route *route_find(const char *method, const char *path, const char **allow);
// What "*" stands for in the path of a request to `route`.
const char *route_argument(const struct route *route, const char *path);

// Makes the reply a problem (RFC 9457): `title` says what is wrong, `detail` what to do.
void reply_problem(struct reply *reply, unsigned status, const char *title, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

// The health counters as Prometheus text (format 0.0.4).
void metrics_write(const struct server_status *status, struct buffer *out);

#endif
