// SPDX-License-Identifier: MIT
// The sessions that programs have opened beside the daemon's own, and who they belong to.
//
// A session that names its process ends with it, however that ends; one that names none lasts until
// it is closed.
#ifndef HARK_CONTROL_SESSIONS_H
#define HARK_CONTROL_SESSIONS_H

#include "hark/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Thread: any.
struct sessions;

struct sessions *sessions_create(void);
// Closes none of them: the server that has them goes, too. Takes NULL.
void sessions_destroy(struct sessions *sessions);

enum sessions_result {
    SESSIONS_DONE,
    SESSIONS_FULL,    // too many are open
    SESSIONS_ENDING,  // the daemon is about to end
    SESSIONS_UNKNOWN, // no such session, or process
    SESSIONS_FAILED,  // err says why
};

// `pid`: whose it is, 0 for nobody's.
enum sessions_result sessions_open(struct sessions *sessions, struct server *server,
                                   const char *command, pid_t pid, struct server_session *opened,
                                   struct err *err);
enum sessions_result sessions_close(struct sessions *sessions, struct server *server, int64_t id,
                                    struct err *err);
// How many are open.
size_t sessions_count(struct sessions *sessions, struct server *server);
// How many of them belong to processes; once it has said 0, no more are opened.
size_t sessions_finish(struct sessions *sessions, struct server *server);
// No more are opened, whoever has one.
void sessions_refuse(struct sessions *sessions);

#endif
