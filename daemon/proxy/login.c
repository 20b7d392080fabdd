// SPDX-License-Identifier: MIT
// Logins of requests. While one is being checked the exchange has no source: its body waits as it
// does when the recorder has no room.
#include "login.h"

#include "exchange.h"
#include "hark/clock.h"
#include "local.h"
#include "server_private.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#define NOT_RECORDED "(not recorded)"

static const char login_name[] = "Proxy-Authorization";

static bool is_login(const char *name)
{
    size_t length = strlen(login_name);
    return strncasecmp(name, login_name, length) == 0 && name[length] != '-';
}

// libmicrohttpd before 1.0 takes white space before the colon, and what stands in a folded line,
// for a part of the name: there, and in the value, may be a password.
static void hide(struct field *field, struct arena *arena)
{
    size_t length = strlen(login_name);
    bool is_spaced = strchr(" \t", field->name[length]) != NULL;
    field->value = arena_strdup(arena, NOT_RECORDED);
    field->value_length = strlen(NOT_RECORDED);
    if (field->name[length] == '\0')
        return;
    // With its space it is no name, and the request is refused as before.
    field->name_length = length + (is_spaced ? 1 : 0);
    field->name = arena_strndup(arena, field->name, field->name_length);
}

const char *login_take(struct fields *fields, struct arena *arena)
{
    const char *given = NULL;
    for (size_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        if (!is_login(field->name))
            continue;
        if (field_is_named(field, login_name))
            given = field->value;
        hide(field, arena);
    }
    return given;
}

// --- Basic -------------------------------------------------------------------------------------

static int parse_pair(char *pair, size_t length, struct login *login)
{
    char *colon = memchr(pair, ':', length);
    if (colon == NULL || memchr(pair, '\0', length) != NULL)
        return -1;
    *colon = '\0';
    *login = (struct login){.user = pair, .password = colon + 1};
    return 0;
}

int login_parse_basic(const char *value, struct arena *arena, struct login *login)
{
    static const char scheme[] = "Basic ";
    if (value == NULL || strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
        return -1;
    value += sizeof(scheme) - 1;
    value += strspn(value, " ");
    gnutls_datum_t text = {.data = (unsigned char *)value, .size = (unsigned)strlen(value)};
    gnutls_datum_t pair;
    if (gnutls_base64_decode2(&text, &pair) != 0)
        return -1;
    char *copy = arena_strndup(arena, (const char *)pair.data, pair.size);
    size_t length = pair.size;
    gnutls_free(pair.data);
    return parse_pair(copy, length, login);
}

struct login_refusal login_explain(enum login_verdict verdict, bool has_given)
{
    if (verdict == LOGIN_BUSY)
        return (struct login_refusal){503, "too many logins are being checked; try again"};
    if (has_given)
        return (struct login_refusal){407, "the user or the password is wrong"};
    return (struct login_refusal){407, "this proxy wants a user and a password"};
}

// --- checking ----------------------------------------------------------------------------------

bool login_is_wanted(const struct worker *worker, const struct peer *peer)
{
    return worker->config->credentials != NULL && !peer->asks_no_login;
}

enum login_verdict login_check(struct worker *worker, const struct address *client,
                               const struct login *login, struct login_wait *wait)
{
    return authenticator_check(server_authenticator(worker->server), worker,
                               worker->config->credentials, client, login, wait);
}

static void refuse(struct exchange *exchange, enum login_verdict verdict)
{
    struct login_refusal refusal = login_explain(verdict, exchange->login.given != NULL);
    exchange->login.is_refused = true;
    exchange->login.is_challenged = refusal.status == 407;
    local_answer_error(exchange, refusal.status, "proxy-auth", refusal.reason);
}

static void on_verdict(void *ctx, enum login_verdict verdict)
{
    struct exchange *exchange = ctx;
    if (exchange->response != LEG_IDLE)
        return; // the client, or the time, is gone
    if (verdict == LOGIN_RIGHT) {
        exchange->login.is_done = true;
        exchange->active_us = clock_monotonic_us(); // until now it could not be
        exchange_start(exchange);
    } else {
        refuse(exchange, verdict);
    }
}

static enum login_verdict check(struct exchange *exchange)
{
    struct exchange_login *given = &exchange->login;
    struct arena secret = {0};
    struct login login;
    struct address client;
    enum login_verdict verdict = LOGIN_WRONG;
    given->wait.on_verdict = on_verdict;
    given->wait.ctx = exchange;
    if (address_parse(exchange->row->client_addr, &client) == 0 &&
        login_parse_basic(given->given, &secret, &login) == 0)
        verdict =
            authenticator_check(server_authenticator(exchange->worker->server), exchange->worker,
                                exchange->config->credentials, &client, &login, &given->wait);
    arena_fini(&secret);
    return verdict;
}

bool login_admits(struct exchange *exchange)
{
    struct exchange_login *login = &exchange->login;
    bool is_free = login->is_exempt || exchange->route != NULL || exchange->replay != NULL;
    if (exchange->config->credentials == NULL || is_free || login->is_done)
        return true;
    if (login->wait.ticket != NULL)
        return false;
    enum login_verdict verdict = check(exchange);
    login->is_done = verdict == LOGIN_RIGHT;
    if (verdict == LOGIN_WRONG || verdict == LOGIN_BUSY)
        refuse(exchange, verdict);
    return login->is_done;
}
