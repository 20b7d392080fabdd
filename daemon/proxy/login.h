// SPDX-License-Identifier: MIT
// proxy_auth: who may not go on without user and password (RFC 9110 section 11.7, RFC 7617).
//
// A request in a tunnel needs none, since its CONNECT has had them; nor does what comes through a
// listener whose clients cannot give any. Thread: the worker's.
#ifndef HARK_PROXY_LOGIN_H
#define HARK_PROXY_LOGIN_H

#include "authenticator.h"
#include "hark/fields.h"
#include "hark/mem.h"

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct peer;
struct worker;

#define LOGIN_CHALLENGE "Basic realm=\"hark\", charset=\"UTF-8\""

// What a verdict other than LOGIN_RIGHT means to the client.
struct login_refusal {
    int status;
    const char *reason;
};
struct login_refusal login_explain(enum login_verdict verdict, bool has_given);

// Part of an exchange.
struct exchange_login {
    bool is_exempt;
    bool is_done;       // the request may go on
    bool is_refused;    // whatever the answer
    bool is_challenged; // the answer is hark's own 407
    const char *given;  // Proxy-Authorization, in the row's arena; NULL: there was none
    struct login_wait wait;
};

// Takes the value of Proxy-Authorization out of the fields, so that it is not recorded; NULL if
// there is none.
const char *login_take(struct fields *fields, struct arena *arena);

// "Basic …" taken apart, in the arena; -1 for anything else.
int login_parse_basic(const char *value, struct arena *arena, struct login *login);

// May the exchange go on? If not, it is answered, or goes on later through exchange_start().
bool login_admits(struct exchange *exchange);

// Takes over a connection that begins with a whole and valid CONNECT head, still in the socket:
// gives it to tunnel_adopt(), now or later, or refuses it.
void login_adopt_tunnel(struct worker *worker, int fd, const struct peer *peer, const char *head,
                        size_t head_length);
// Closes the connections that it has.
void login_close_all(struct worker *worker);

// The verdict on what a client gives in another protocol. Asks for nothing where nothing is wanted.
bool login_is_wanted(const struct worker *worker, const struct peer *peer);
enum login_verdict login_check(struct worker *worker, const struct address *client,
                               const struct login *login, struct login_wait *wait);

#endif
