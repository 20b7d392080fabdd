// SPDX-License-Identifier: MIT
// Adding exchanges that were read from a file to the recording of a running server, through the
// recorder's queue like all others.
#ifndef HARK_SERVER_IMPORT_H
#define HARK_SERVER_IMPORT_H

#include "hark/err.h"
#include "hark/server.h"
#include "hark/whole_exchange.h"

#include <stdint.h>

// Owner: whoever began it. Thread: one at a time, none of the server's own.
struct server_import;

// With a session of its own; `command` NULL: the server's. It ends before the server does.
struct server_import *server_import_begin(struct server *server, const char *command);
int64_t server_import_session(const struct server_import *import);
// Takes the exchange over and gives it an id. Waits while much of this import is not written yet.
// -1 if the disk refuses.
int server_import_add(struct server_import *import, struct whole_exchange *exchange,
                      struct err *err);
// Waits until all is written and ends it. -1 if the disk refused something: `added` says how much
// was written by then.
int server_import_end(struct server_import *import, int64_t *added, struct err *err);

#endif
