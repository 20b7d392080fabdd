// SPDX-License-Identifier: MIT
// Which unit of systemd a daemon is.
#ifndef HARK_CLI_DAEMON_UNIT_H
#define HARK_CLI_DAEMON_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

struct daemon_unit {
    char name[128]; // "hark.service"
    bool is_user;   // of the user's manager, not the system's
};

// False: it is none, or what a unit has started.
bool daemon_unit_find(pid_t pid, struct daemon_unit *unit);
// By what /proc/PID/cgroup says.
bool daemon_unit_read(const char *cgroup, struct daemon_unit *unit);

#endif
