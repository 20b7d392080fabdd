// SPDX-License-Identifier: MIT
// Telling the service manager how the daemon is doing: the protocol of sd_notify(3), a datagram of
// lines to the socket that NOTIFY_SOCKET names.
#ifndef HARK_CLI_NOTIFY_H
#define HARK_CLI_NOTIFY_H

#include <stdint.h>

// Owner and thread: whoever opened it.
struct notify {
    int fd;              // connected; -1: nobody wants to know
    int64_t watchdog_us; // WATCHDOG=1 is expected this often; 0: not at all
};

// Reads the environment. A socket that cannot be reached is the same as none.
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

// Sends lines such as "READY=1\nSTATUS=…". A manager that does not take them is no reason to stop.
void notify_send(const struct notify *notify, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
