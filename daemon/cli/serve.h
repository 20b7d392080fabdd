// SPDX-License-Identifier: MIT
// The daemon, for the two commands that run it.
#ifndef HARK_CLI_SERVE_H
#define HARK_CLI_SERVE_H

#include "command.h"

enum serve_kind {
    SERVE_FOR_ALL,     // hark serve
    SERVE_FOR_ONE_RUN, // hark run: says nothing when it is ready, and when told to stop stays for
                       // as long as other runs have sessions with it
};

// As many open files as the system allows.
void serve_raise_descriptor_limit(struct log *log);
// Is the configuration one to start with?
int serve_check(const struct config *config, struct err *err);
// Says whether it is, which is all that --check-config asks for.
enum status serve_check_only(const struct invocation *invocation);
// Serves from the invocation's data folder until a signal ends it. The configuration is a checked
// one, and is taken over.
enum status serve_run(struct invocation *invocation, enum serve_kind kind);

#endif
