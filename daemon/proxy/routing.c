// SPDX-License-Identifier: MIT
// Routing, by target and by the fields that limit forwarding. Loops by name are found later, when
// libcurl has resolved the name and is about to connect (upstream.c); loops by Via here.
#include "routing.h"

#include "exchange.h"
#include "local.h"
#include "playback.h"
#include "reverse.h"
#include "upstream.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INTERNAL_HOST "hark.internal"

// Requests in a tunnel go where CONNECT said, whatever Host and target say; a difference is
// worth knowing.
int routing_apply_route(struct exchange *exchange, struct err *err)
{
    struct exchange_row *row = exchange->row;
    struct target *target = &exchange->target;
    const struct route *route = exchange->route;
    if (route->is_reverse)
        return reverse_apply(exchange, err);
    if (target->form == TARGET_AUTHORITY) {
        err_set(err, "CONNECT inside a tunnel");
        return 400;
    }
    const struct field *host = fields_find(&row->request_headers, "Host");
    size_t length = strlen(route->host);
    bool is_named = host == NULL || exchange->replay != NULL ||
                    (strncasecmp(host->value, route->host, length) == 0 &&
                     strchr(":", host->value[length]) != NULL) ||
                    strchr(route->host, ':') != NULL;
    bool is_asked_for = route->sni == NULL || strcasecmp(route->sni, route->host) == 0;
    if (!is_named)
        row->error_text = arena_printf(&row->arena, "Host is %s, but CONNECT said %s", host->value,
                                       route->authority);
    else if (!is_asked_for)
        row->error_text =
            arena_printf(&row->arena, "the TLS hello asked for %s, but CONNECT for %s", route->sni,
                         route->authority);
    route_complete_target(route, target);
    return 0;
}

static bool is_meant_for_hark(const struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    bool is_read = strcmp(row->method, "GET") == 0 || strcmp(row->method, "HEAD") == 0;
    return is_read && exchange->target.form == TARGET_ORIGIN;
}

static bool is_looping(const struct exchange *exchange)
{
    const struct fields *fields = &exchange->row->request_headers;
    for (size_t i = 0; i < fields->count; i++)
        if (field_is_named(&fields->items[i], "Via") &&
            strstr(fields->items[i].value, exchange->worker->via) != NULL)
            return true;
    return false;
}

static bool is_last_hop(const struct exchange *exchange)
{
    const struct exchange_row *row = exchange->row;
    bool is_limited = strcmp(row->method, "TRACE") == 0 || strcmp(row->method, "OPTIONS") == 0;
    const struct field *limit = fields_find(&row->request_headers, "Max-Forwards");
    return is_limited && limit != NULL && strspn(limit->value, "0123456789") > 0 &&
           strtoul(limit->value, NULL, 10) == 0;
}

static void answer_last_hop(struct exchange *exchange)
{
    if (strcmp(exchange->row->method, "TRACE") == 0)
        local_answer_trace(exchange);
    else
        local_answer_options(exchange);
}

// What is replayed is meant for the origin.
static bool is_played_back(const struct exchange *exchange)
{
    return exchange->worker->playback != NULL && config_plays_back(exchange->config) &&
           exchange->row->source == ROW_SOURCE_PROXY;
}

static void start_absolute(struct exchange *exchange)
{
    if (strcmp(exchange->target.host, INTERNAL_HOST) == 0)
        local_answer_internal(exchange);
    else if (is_looping(exchange))
        local_answer_error(exchange, 508, "loop", "Via shows that hark has forwarded this before");
    else if (is_last_hop(exchange))
        answer_last_hop(exchange);
    else if (is_played_back(exchange))
        playback_start(exchange);
    else
        upstream_start(exchange);
}

void routing_start(struct exchange *exchange)
{
    bool must_record = exchange->config->durability != CONFIG_DURABILITY_RELAXED;
    if (must_record && recorder_is_failing(exchange->worker->recorder))
        local_answer_error(exchange, 503, "not-recording", "the recording cannot be written");
    else if (exchange->target.form == TARGET_ABSOLUTE)
        start_absolute(exchange);
    else if (is_meant_for_hark(exchange))
        local_answer_help(exchange);
    else if (exchange->target.form == TARGET_AUTHORITY)
        local_answer_error(exchange, 501, "not-supported",
                           "CONNECT inside a connection that was already used");
    else
        local_answer_error(exchange, 400, "bad-request",
                           "the target has no host: this is a proxy, ask for http://host/path");
}
