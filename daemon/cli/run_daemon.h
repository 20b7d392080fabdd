// SPDX-License-Identifier: MIT
// A daemon that a `hark run` starts for itself, and the session in which its program is recorded.
#ifndef HARK_CLI_RUN_DAEMON_H
#define HARK_CLI_RUN_DAEMON_H

#include "command.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// Where the program's requests go. Owner: whoever called run_daemon_attach().
struct run_daemon {
    const char *data_dir; // the invocation's
    char *control_dir;    // where the daemon is asked: the same, or a folder of its own in it
    pid_t pid;            // a child process; 0 if the daemon is not this run's own
    int64_t session_id;
    char *proxy; // "127.0.0.1:40001"
    char *db;    // the recording
    char *log;   // the child's log file

    bool is_read_only;   // the recording is: nothing can be counted in it
    int64_t played_back; // in the end: requests that were answered from the recording
    int64_t misses;      // and those that were not in it
};

// Opens a session with the data folder's running daemon, or starts one on free ports. Where flags
// say how the daemon is to be, it is one of its own that no other run finds. The folder exists.
int run_daemon_attach(struct invocation *invocation, struct run_daemon *daemon, struct err *err);

// Ends the session, and a daemon of this run's own, and waits until all of the session that can be
// committed is. `has_died`: the own daemon is known to have ended before. -1: it is gone too early.
int run_daemon_detach(struct run_daemon *daemon, bool has_died, struct err *err);
void run_daemon_fini(struct run_daemon *daemon);

#endif
