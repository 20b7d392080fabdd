// SPDX-License-Identifier: MIT
// The program of a `hark run`: started as a shell would, with its terminal and its signals.
#ifndef HARK_CLI_RUN_PROGRAM_H
#define HARK_CLI_RUN_PROGRAM_H

#include "hark/err.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct run_program {
    char *const *argv;        // argv[0] is looked for in PATH
    char *const *environment; // of the program
    void (*sigpipe_handler)(int);
    pid_t daemon_pid; // a child to keep an eye on; 0: none

    sigset_t old_mask; // set by run_program_prepare()
    void (*sigchld_handler)(int);
};

// From here on signals wait until the program runs.
void run_program_prepare(struct run_program *program);
// Has one come that asks to end? Returns its number, or 0.
int run_program_pending_signal(void);

struct run_result {
    int status;   // as a shell has it: 128 and more for a signal
    bool has_run; // false: it could not be started, and `why` is the errno
    int why;
    bool daemon_has_died; // meanwhile
};

// Starts the program and waits until it ends. Signals that were sent to this process alone are
// passed on; those of the terminal reach the program by themselves. -1: there is no process to be
// had.
int run_program(const struct run_program *program, struct run_result *result, struct err *err);

#endif
