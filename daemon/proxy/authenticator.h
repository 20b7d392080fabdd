// SPDX-License-Identifier: MIT
// Checking passwords. A hash takes milliseconds to check on purpose, so a thread of its own does it
// and no worker ever waits for it; what was found right is remembered, as a keyed hash, so that
// each password is checked once and not for each request.
//
// Owner: the server. Thread: any, unless said otherwise.
#ifndef HARK_PROXY_AUTHENTICATOR_H
#define HARK_PROXY_AUTHENTICATOR_H

#include "hark/address.h"
#include "hark/credentials.h"
#include "hark/err.h"
#include "hark/log.h"

#include <stdint.h>

struct authenticator;
struct login_ticket;
struct worker;

enum login_verdict {
    LOGIN_RIGHT,
    LOGIN_WRONG,
    LOGIN_BUSY,   // too many are being checked: nothing is known
    LOGIN_PENDING // on_verdict is called with one of the others
};

// Embedded in whatever waits; zero-initialised is not waiting. Thread: its worker's.
struct login_wait {
    struct login_ticket *ticket; // NULL: not waiting
    void (*on_verdict)(void *ctx, enum login_verdict verdict);
    void *ctx;
};

struct login {
    const char *user;
    const char *password;
};

struct authenticator *authenticator_create(struct log *log, struct err *err);
// Everybody who waits is told LOGIN_BUSY, as is whoever asks after this.
void authenticator_stop(struct authenticator *authenticator);
// After the workers have ended. Takes NULL.
void authenticator_destroy(struct authenticator *authenticator);

// With LOGIN_PENDING `wait`, whose function is set, is told on the worker's thread. Whoever gives
// wrong passwords waits longer for the next, and so do others at the same address with a new one.
enum login_verdict authenticator_check(struct authenticator *authenticator, struct worker *worker,
                                       const struct credentials *credentials,
                                       const struct address *client, const struct login *login,
                                       struct login_wait *wait);
// It is not told any more. Thread: its worker's.
void login_wait_cancel(struct login_wait *wait);

// Logins that were wrong since the start.
int64_t authenticator_failures(struct authenticator *authenticator);

#endif
