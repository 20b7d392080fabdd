// SPDX-License-Identifier: MIT
// Routes.
#include "route.h"

#include "hark/mem.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

struct route *route_create(const struct target *target)
{
    struct route *route = mem_calloc(1, sizeof(*route));
    route->scheme = "https";
    route->protocol = "HTTP/1.1";
    route->authority = mem_strdup(target->authority);
    route->host = mem_strdup(target->host);
    route->port = target->port;
    return route;
}

struct route *route_clone(const struct route *route)
{
    struct route *copy = mem_calloc(1, sizeof(*copy));
    *copy = *route;
    copy->authority = mem_strdup(route->authority);
    copy->host = mem_strdup(route->host);
    copy->sni = route->sni == NULL ? NULL : mem_strdup(route->sni);
    return copy;
}

void route_destroy(struct route *route)
{
    if (route == NULL)
        return;
    free(route->authority);
    free(route->host);
    free(route->sni);
    free(route);
}

void route_complete_target(const struct route *route, struct target *target)
{
    target->form = TARGET_ABSOLUTE;
    target->scheme = route->scheme;
    target->authority = route->authority;
    target->host = route->host;
    target->port = route->port;
}

bool route_host_matches(const char *host, const struct config_list *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        if (fnmatch(patterns->items[i], host, FNM_CASEFOLD) == 0)
            return true;
    return false;
}
