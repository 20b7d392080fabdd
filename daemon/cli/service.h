// SPDX-License-Identifier: MIT
// The daemon as a service: what its manager is told, and when.
#ifndef HARK_CLI_SERVICE_H
#define HARK_CLI_SERVICE_H

#include "hark/log.h"
#include "hark/server.h"
#include "notify.h"

#include <signal.h>

// Owner and thread: main. Without a service manager nobody is told anything.
struct service {
    struct notify notify;
    char status[320];   // what it was told last
    int64_t look_at_us; // when the next look at the server is due, monotonic
    int64_t tidied_us;  // when unused memory was last given back, monotonic
};

// Of no manager, until it is opened.
void service_init(struct service *service);
void service_open(struct service *service, struct log *log);
void service_close(struct service *service);

void service_ready(struct service *service, struct server *server);
void service_reloading(struct service *service);
void service_stopping(struct service *service);

// Waits for one of the signals. Meanwhile, however many come, it tells how the server is doing,
// keeps the watchdog quiet for as long as the threads that carry and record the traffic go round,
// and gives unused memory back to the system.
int service_wait(struct service *service, struct server *server, const sigset_t *signals);

#endif
