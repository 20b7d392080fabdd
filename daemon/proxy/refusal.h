// SPDX-License-Identifier: MIT
// Refusing a request before libmicrohttpd gets to see it: the answer, its row, and a close that
// does not lose the answer.
#ifndef HARK_PROXY_REFUSAL_H
#define HARK_PROXY_REFUSAL_H

#include "hark/row.h"
#include "worker.h"

#include <stddef.h>
#include <stdint.h>

// Connections that were turned away and are still open, each worker's at most.
#define REFUSAL_FAREWELLS_MAX 4

struct refusal {
    const char *head; // the head as received
    size_t head_length;
    enum row_kind kind;
    int status;
    const char *code; // stable error code
    const char *reason;
};

// Takes over the connection and answers it.
void refusal_send(struct worker *worker, int fd, const struct peer *peer,
                  const struct refusal *refusal);
// Closes the connection, whose answer is written, without losing that.
void refusal_close(struct worker *worker, int fd, struct client_count *count);
// Takes over a connection of which nothing was read, tells the client why, and closes it. There is
// no row, since there is no request.
void refusal_turn_away(struct worker *worker, int fd, int status, const char *code,
                       const char *reason);
// Only tells it.
void refusal_tell(int fd, int status, const char *code, const char *reason);
// Closes those that have had their time. Returns when to look again, monotonic.
int64_t refusal_tick(struct worker *worker, int64_t now_us);
void refusal_close_all(struct worker *worker);

#endif
