// SPDX-License-Identifier: MIT
// Where the page is, and another place for it while the daemon runs: the older place takes no new
// connections, and those that it has go on until their clients are done.
#ifndef HARK_CONTROL_PLACE_H
#define HARK_CONTROL_PLACE_H

#include "access.h"
#include "call.h"
#include "hark/control.h"

// One address of the page. Owner: struct control, or whoever prepared it. Thread: main.
struct control_page {
    struct control_page *next; // among those that are left behind
    struct access access;
    struct face face;
    char *asked; // "127.0.0.1:0"; NULL: off, but a socket was passed
    char address[CONTROL_ADDRESS_MAX];
    int fd; // listening, until its daemon has it
};

// Binds `asked`, which may be the port of the page that is there until now (NULL: none); `access`
// is copied but for the address.
struct control_page *place_bind(const char *asked, const struct control_page *leaving,
                                const struct access *access, struct err *err);
// The same for a listening socket that was passed to the process; it is taken over.
struct control_page *place_take(int fd, const char *asked, const struct access *access,
                                struct err *err);
// Is the page there because of this address (NULL: off)?
bool place_is_asked(const struct control_page *page, const char *asked);
// Takes no new connections.
void place_leave(struct control_page *page);
bool place_is_idle(const struct control_page *page);
// Ends what is left. Takes NULL.
void place_destroy(struct control_page *page);

#endif
