// SPDX-License-Identifier: MIT
// Reverse mode. Host becomes the origin's, also in the recording: what is recorded can be sent
// again, exported and played back like what came through the proxy.
#include "reverse.h"

#include "exchange.h"
#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *origin_of(const struct config *config, size_t index)
{
    return strchr(config->reverse.items[index], '=') + 1;
}

char *reverse_listen_text(const struct config *config, size_t index)
{
    const char *item = config->reverse.items[index];
    return mem_strndup(item, strcspn(item, "="));
}

struct route *reverse_route_create(const struct config *config, size_t index, struct err *err)
{
    struct arena arena = {0};
    struct target target;
    struct route *route = NULL;
    if (target_parse(&target, &arena, "GET", origin_of(config, index), err) == 0) {
        route = route_create(&target);
        route->scheme = strcmp(target.scheme, "https") == 0 ? "https" : "http";
        route->is_reverse = true;
    }
    arena_fini(&arena);
    return route;
}

int reverse_check(const struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->reverse.count; i++) {
        struct route *route = reverse_route_create(config, i, err);
        if (route == NULL)
            return err_prefix(err, "%s: reverse: %s", config_item_origin(config, "reverse", i),
                              config->reverse.items[i]);
        route_destroy(route);
    }
    return 0;
}

// The origin, or, under whatever name the client knows this machine by, the listener.
static bool is_named_rightly(const struct target *target, const struct route *route)
{
    bool is_origin = strcmp(target->scheme, route->scheme) == 0 &&
                     strcmp(target->host, route->host) == 0 && target->port == route->port;
    return is_origin || (strcmp(target->scheme, "http") == 0 && target->port == route->listen_port);
}

static void replace_host(struct exchange *exchange, const char *authority)
{
    struct fields *fields = &exchange->row->request_headers;
    for (size_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        if (!field_is_named(field, "Host"))
            continue;
        field->value = authority;
        field->value_length = strlen(authority);
    }
}

int reverse_apply(struct exchange *exchange, struct err *err)
{
    struct target *target = &exchange->target;
    const struct route *route = exchange->route;
    if (target->form == TARGET_AUTHORITY) {
        err_set(err, REVERSE_REFUSES_CONNECT);
        return 400;
    }
    if (target->form == TARGET_ABSOLUTE && !is_named_rightly(target, route)) {
        err_set(err, "the target is at %s, but this address stands in for %s://%s alone",
                target->authority, route->scheme, route->authority);
        return 421;
    }
    replace_host(exchange, route->authority);
    route_complete_target(route, target);
    return 0;
}
