// SPDX-License-Identifier: MIT
// What the workers ask their server.
#ifndef HARK_PROXY_SERVER_PRIVATE_H
#define HARK_PROXY_SERVER_PRIVATE_H

#include "authenticator.h"
#include "hark/server.h"
#include "replay_list.h"
#include "worker.h"

#include <stdbool.h>
#include <stddef.h>

// Any thread.
// The worker with the fewest connections; `self` among equals, since that costs no message.
struct worker *server_least_busy_worker(const struct server *server, struct worker *self);
// Is there room for one more connection (max_connections, descriptors)?
enum server_room {
    ROOM_THERE,
    ROOM_SOON, // perhaps: it is full since a moment ago
    ROOM_NONE
};
enum server_room server_find_room(struct server *server, int64_t now_us);

struct authenticator *server_authenticator(struct server *server);

// What a run of replays asks. Any thread.
struct worker *server_worker(const struct server *server, size_t index); // NULL past the last one
const char *server_db_path(const struct server *server);
struct replay_list *server_replays(struct server *server);
// Why nothing can be sent again: nothing would be recorded, nothing may go out, or the server ends.
// NULL: it can.
const char *server_refuses_replays(const struct server *server);
// A session of its own for what comes without a listener; the server's own if `command` is NULL.
int64_t server_begin_session(struct server *server, const char *command);
void server_end_session(struct server *server, int64_t id);

#endif
