// SPDX-License-Identifier: MIT
// The two places where control listens: TCP for browsers and scrapers, a Unix socket for commands.
#ifndef HARK_CONTROL_ENDPOINT_H
#define HARK_CONTROL_ENDPOINT_H

#include "hark/err.h"

#include <stdbool.h>
#include <sys/types.h>

// Binds and listens on "ADDR:PORT". `address` (at least 64 bytes) gets the address with the real
// port. `leaving` listens for the page until now, perhaps on the same port; -1: none does. Returns
// the descriptor, or -1.
int endpoint_listen_tcp(const char *ui_address, int leaving, char *address, size_t address_size,
                        struct err *err);

// The same for a listening socket that was passed to the process.
int endpoint_take_tcp(int fd, char *address, size_t address_size, struct err *err);

// A socket file in a folder. Its path goes through /proc/self/fd, since a socket address holds no
// more than 107 bytes of path.
struct endpoint_socket {
    int fd;        // listening; -1 after it was given to somebody who closes it
    int folder_fd; // the folder the file is in
    dev_t device;  // of the file, to remove no other
    ino_t inode;
};

// Makes the file (mode 0600). One left behind by a daemon that died is replaced; if somebody
// answers on it, that is an error.
int endpoint_listen_socket(const char *folder, struct endpoint_socket *socket, struct err *err);
// Removes the file and closes what is still open. Takes a zeroed or never opened one, too.
void endpoint_socket_fini(struct endpoint_socket *socket);

#endif
