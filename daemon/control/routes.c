// SPDX-License-Identifier: MIT
// The table of the routes, and the way from a path to its line.
#include "routes.h"

#include "answers.h"

#include <string.h>

static const struct route routes[] = {
    {"GET", "/", ROUTE_OPEN, WORK_NOW, CONTENT_NONE, "token filter view id tab compare",
     page_answer_root},
    {"GET", "/livez", ROUTE_OPEN, WORK_NOW, CONTENT_NONE, NULL, health_answer_livez},
    {"GET", "/readyz", ROUTE_OPEN, WORK_NOW, CONTENT_NONE, NULL, health_answer_readyz},
    {"GET", "/metrics", ROUTE_OPEN, WORK_NOW, CONTENT_NONE, NULL, health_answer_metrics},

    {"GET", "/welcome.css", ROUTE_OPEN, WORK_NOW, CONTENT_NONE, NULL, page_answer_welcome_style},
    {"GET", "/page/*", ROUTE_TOKEN, WORK_NOW, CONTENT_NONE, NULL, page_answer_file},

    {"GET", "/api/v1/events", ROUTE_TOKEN, WORK_NOW, CONTENT_NONE, "filter pending",
     events_answer_stream},
    {"GET", "/api/v1/exchanges", ROUTE_TOKEN, WORK_QUICK, CONTENT_NONE,
     "filter limit before after oldest", exchanges_answer_list},
    {"DELETE", "/api/v1/exchanges", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE,
     "filter older keep_bytes keep_count dry_run compact progress", exchanges_answer_remove},
    {"GET", "/api/v1/exchanges/*", ROUTE_TOKEN, WORK_QUICK, CONTENT_NONE, NULL,
     exchanges_answer_one},
    {"GET", "/api/v1/exchanges/*/messages", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE, "after limit",
     messages_answer_list},
    {"PUT", "/api/v1/exchanges/*/note", ROUTE_TOKEN, WORK_LONG, CONTENT_SMALL, NULL,
     notes_answer_put},
    {"GET", "/api/v1/exchanges/*/request/body", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE,
     "raw offset limit", bodies_answer_request},
    {"GET", "/api/v1/exchanges/*/response/body", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE,
     "raw offset limit", bodies_answer_response},
    {"GET", "/api/v1/diff", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE, "a b request all_headers",
     diff_answer},
    {"GET", "/api/v1/export", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE, "format filter include_secrets",
     export_answer},
    {"POST", "/api/v1/import", ROUTE_TOKEN, WORK_LONG, CONTENT_FILE, "name skip_invalid",
     import_answer},
    {"POST", "/api/v1/replay", ROUTE_TOKEN, WORK_LONG, CONTENT_SMALL, NULL, replay_answer},
    {"DELETE", "/api/v1/replay/*", ROUTE_TOKEN, WORK_NOW, CONTENT_NONE, NULL, replay_answer_stop},
    {"POST", "/api/v1/sessions", ROUTE_SOCKET, WORK_NOW, CONTENT_SMALL, NULL, sessions_answer_open},
    {"GET", "/api/v1/sessions/*", ROUTE_SOCKET, WORK_NOW, CONTENT_NONE, NULL, sessions_answer_one},
    {"DELETE", "/api/v1/sessions/*", ROUTE_SOCKET, WORK_NOW, CONTENT_NONE, NULL,
     sessions_answer_close},
    {"GET", "/api/v1/stats", ROUTE_TOKEN, WORK_LONG, CONTENT_NONE, "filter", stats_answer},
    {"GET", "/api/v1/status", ROUTE_TOKEN, WORK_NOW, CONTENT_NONE, NULL, health_answer_status},
};

#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

const struct route *route_at(size_t index)
{
    return index < ROUTE_COUNT ? &routes[index] : NULL;
}

// Where the part that "*" stands for begins in `path` and how long it is.
static bool match_path(const struct route *route, const char *path, const char **part,
                       size_t *length)
{
    size_t fixed = strcspn(route->path, "*");
    *part = "";
    *length = 0;
    if (strncmp(route->path, path, fixed) != 0)
        return false;
    if (route->path[fixed] == '\0')
        return path[fixed] == '\0';
    *part = path + fixed;
    *length = strcspn(*part, "/");
    return *length > 0 && strcmp(route->path + fixed + 1, *part + *length) == 0;
}

static bool is_for(const struct route *route, const char *path)
{
    const char *part;
    size_t length;
    return match_path(route, path, &part, &length);
}

const struct route *route_find(const char *method, const char *path)
{
    const char *served = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        if (strcmp(routes[i].method, served) == 0 && is_for(&routes[i], path))
            return &routes[i];
    return NULL;
}

const char *route_methods(const char *path, struct arena *arena)
{
    const char *methods = NULL;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        if (!is_for(&routes[i], path))
            continue;
        bool is_get = strcmp(routes[i].method, "GET") == 0;
        methods = arena_printf(arena, "%s%s%s", methods ? methods : "", methods ? ", " : "",
                               is_get ? "GET, HEAD" : routes[i].method);
    }
    return methods ? arena_printf(arena, "%s, OPTIONS", methods) : NULL;
}

const char *route_argument(const struct route *route, const char *path, struct arena *arena)
{
    const char *part;
    size_t length;
    match_path(route, path, &part, &length);
    return arena_strndup(arena, part, length);
}

bool route_knows_parameter(const struct route *route, const char *name)
{
    size_t length = strlen(name);
    const char *at = route->parameters;
    while (at && length > 0 && (at = strstr(at, name))) {
        bool is_begin = at == route->parameters || at[-1] == ' ';
        if (is_begin && (at[length] == ' ' || at[length] == '\0'))
            return true;
        at += length;
    }
    return false;
}
