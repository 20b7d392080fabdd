// SPDX-License-Identifier: MIT
// Sockets that a service manager has opened and passes on, as sd_listen_fds(3) describes: those
// called "proxy" take the place of `listen`, one called "ui" that of `ui`.
#ifndef HARK_CLI_ACTIVATION_H
#define HARK_CLI_ACTIVATION_H

#include "hark/config.h"
#include "hark/err.h"

#include <stddef.h>

#define ACTIVATION_SOCKETS_MAX 16

// The descriptors belong to whoever they are given to.
struct activation {
    int proxies[ACTIVATION_SOCKETS_MAX];
    size_t proxy_count;
    int ui; // 0: none
};

// Takes what was passed to this process, if anything was; a socket that hark cannot or must not
// serve is an error.
int activation_take(struct activation *activation, const struct config *config, struct err *err);

#endif
