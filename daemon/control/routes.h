// SPDX-License-Identifier: MIT
// What control answers: a table with a line for each route. A route is one function, which reads
// the request and fills in the reply.
#ifndef HARK_CONTROL_ROUTES_H
#define HARK_CONTROL_ROUTES_H

#include "hark/control.h"
#include "reply.h"
#include "request.h"

struct events;
struct sessions;

// What the routes may look at. Owner: struct control; never changes while routes run.
struct route_context {
    struct control *control;
    struct server *server;
    struct sessions *sessions;
    struct events *events;
    const char *db_path;
    const char *data_dir;
};

// Thread: as the route's `work` says. `reply` is zeroed but for what the call has set.
typedef void route_fn(const struct route_context *context, const struct request *request,
                      struct reply *reply);

enum route_access {
    ROUTE_OPEN,   // for everybody who may talk to the page
    ROUTE_TOKEN,  // over TCP, only with the token
    ROUTE_SOCKET, // over the socket alone
};

enum route_work {
    WORK_NOW,   // on libmicrohttpd's thread: neither SQLite nor waiting, and no long content
    WORK_QUICK, // on a thread of the pool, with a reader of the recording: answered soon
    WORK_LONG,  // the same, but as long as it takes: streams, what waits for others
};

enum route_content {
    CONTENT_NONE,  // of the request; what comes is not looked at
    CONTENT_SMALL, // up to 1 MiB, in memory. Over TCP it must be JSON
    CONTENT_FILE,  // of any size, in a file that has no name
};

struct route {
    const char *method; // GET stands for HEAD, too
    const char *path;   // a part "*" stands for any; one at most
    enum route_access access;
    enum route_work work;
    enum route_content content;
    const char *parameters; // names of those of the query, separated by spaces; others are refused
    route_fn *answer;
};

// NULL if there is none for this method and path.
const struct route *route_find(const char *method, const char *path);
// The methods that the path knows, "GET, HEAD, OPTIONS", in the arena; NULL if there is no such
// path.
const char *route_methods(const char *path, struct arena *arena);
// What "*" stands for in the path of a request to `route`, in the arena.
const char *route_argument(const struct route *route, const char *path, struct arena *arena);
bool route_knows_parameter(const struct route *route, const char *name);
// All of them; NULL past the last one.
const struct route *route_at(size_t index);

#endif
