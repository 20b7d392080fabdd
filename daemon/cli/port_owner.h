// SPDX-License-Identifier: MIT
// Who listens on a port of this machine, as far as /proc tells.
#ifndef HARK_CLI_PORT_OWNER_H
#define HARK_CLI_PORT_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

struct port_owner {
    pid_t pid; // 0: somebody, but not one that this user may see
    char name[32];
};

// Does anybody listen on the TCP port? Where several processes share the socket, as a service
// manager and its service do, `wanted` is named if it is one of them (0: any).
bool port_owner_find(int port, pid_t wanted, struct port_owner *owner);

#endif
