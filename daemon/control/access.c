// SPDX-License-Identifier: MIT
// The checks in their order: what is not for us at all, who asks, for which site, and what.
#include "access.h"

#include "hark/mem.h"
#include "hark/suggest.h"
#include "host_check.h"
#include "peer.h"

#include <string.h>
#include <strings.h>

#define NAMES_MAX 16

// What a browser says about the page that asks (Fetch Metadata): programs send nothing.
static bool is_from_elsewhere(const struct request *request)
{
    const char *site = request_header(request, "Sec-Fetch-Site");
    return site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

// --- the token -----------------------------------------------------------------------------------

static bool has_token(const struct access *access, const struct request *request)
{
    bool is_granted = token_is_granted(&access->token, request_header(request, "Authorization"));
    if (request_header(request, "Cookie") == NULL)
        return is_granted;
    char peer[PEER_NAME_BYTES];
    peer_name(request->peer_fd, peer);
    const struct token for_page = token_for_page(&access->token, peer);
    for (size_t i = 0; i < request->headers.count; i++) {
        const struct field *field = &request->headers.items[i];
        if (field_is_named(field, "Cookie") && peer[0] != '\0')
            is_granted |= token_is_in_cookie(&for_page, field->value);
    }
    return is_granted;
}

static void refuse_without_token(const struct access *access, struct reply *reply)
{
    reply->wants_token = true;
    reply_problem(reply, 401, "the token is missing or wrong",
                  "Send \"Authorization: Bearer …\" with what is in the file %s/" //
                  CONTROL_TOKEN_NAME ".",
                  access->data_dir);
}

// Who came from a file (`hark ui` opens one) would be redirected without the cookie, as one who
// comes from another site; a page of ours leads on with it.
static void lead_on(struct reply *reply)
{
    static const char page[] = "<!doctype html>\n<title>hark</title>\n"
                               "<meta http-equiv=\"refresh\" content=\"0; url=/\">\n"
                               "<p><a href=\"/\">hark's page</a></p>\n";
    reply_set_fixed(reply, "text/html; charset=utf-8", page, sizeof(page) - 1);
}

// The page's address with the token, as `hark ui` gives it: the browser keeps a cookie and goes on
// to an address that may be seen.
static void log_in(const struct access *access, const struct request *request, const char *given,
                   struct reply *reply)
{
    if (!token_is_same(&access->token, given, strlen(given))) {
        refuse_without_token(access, reply);
        return;
    }
    char peer[PEER_NAME_BYTES];
    peer_name(request->peer_fd, peer);
    const struct token for_page = token_for_page(&access->token, peer);
    const char *cookie = arena_printf(
        &reply->arena, TOKEN_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict", for_page.text);
    reply_add_header(reply, "Set-Cookie", cookie);
    if (is_from_elsewhere(request)) {
        lead_on(reply);
    } else {
        reply_add_header(reply, "Location", "/");
        reply->status = 303;
    }
}

// --- where it comes from -------------------------------------------------------------------------

static bool is_changing(const struct request *request)
{
    return strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0;
}

// A browser names the site with whatever changes something. The Host field is ours.
static bool has_other_origin(const struct request *request)
{
    static const char scheme[] = "http://";
    const char *origin = request_header(request, "Origin");
    const char *host = request_header(request, "Host");
    if (!origin)
        return false;
    return strncmp(origin, scheme, sizeof scheme - 1) != 0 ||
           strcasecmp(origin + sizeof scheme - 1, host) != 0;
}

// Other types can be sent by a form of any site.
static bool is_json(const char *type)
{
    static const char json[] = "application/json";
    return type && strncasecmp(type, json, sizeof json - 1) == 0 &&
           (type[sizeof json - 1] == '\0' || strchr("; \t", type[sizeof json - 1]));
}

static bool is_acceptable(const struct route *route, const struct request *request,
                          struct reply *reply)
{
    if (is_from_elsewhere(request) || (is_changing(request) && has_other_origin(request))) {
        reply_problem(reply, 403, "the request comes from another site",
                      "Only hark's own page and programs are answered.");
        return false;
    }
    if (route->content == CONTENT_SMALL && !is_json(request_header(request, "Content-Type"))) {
        reply_problem(reply, 415, "the type of the body does not fit",
                      "Send it as \"Content-Type: application/json\".");
        return false;
    }
    return true;
}

// --- parameters ----------------------------------------------------------------------------------

static const char *nearest_parameter(const struct route *route, const char *name,
                                     struct arena *arena)
{
    const char *names[NAMES_MAX];
    size_t count = 0;
    char *rest = arena_strdup(arena, route->parameters ? route->parameters : "");
    for (char *word; count < NAMES_MAX && (word = strsep(&rest, " "));)
        names[count++] = word;
    return suggest_nearest(name, names, count, sizeof names[0]);
}

// One that is not known may be a mistyped one, without which the request means something else.
static bool knows_parameters(const struct route *route, const struct request *request,
                             struct reply *reply)
{
    for (size_t i = 0; i < request->parameters.count; i++) {
        const char *name = request->parameters.items[i].name;
        bool is_repeated = fields_count_name(&request->parameters, name) > 1;
        if (route_knows_parameter(route, name) && !is_repeated)
            continue;
        const char *nearest = nearest_parameter(route, name, &reply->arena);
        reply_problem(reply, 400, is_repeated ? "a parameter comes twice" : "unknown parameter",
                      "\"%s\" %s%s%s%s", name, is_repeated ? "is taken once" : "means nothing here",
                      nearest && !is_repeated ? "; did you mean \"" : ".",
                      nearest && !is_repeated ? nearest : "", nearest && !is_repeated ? "\"?" : "");
        return false;
    }
    return true;
}

// Behind a NUL a value would be cut, and mean something else.
static bool are_texts(const struct request *request, struct reply *reply)
{
    for (size_t i = 0; i < request->parameters.count; i++) {
        const struct field *parameter = &request->parameters.items[i];
        if (strlen(parameter->name) == parameter->name_length &&
            strlen(parameter->value) == parameter->value_length)
            continue;
        reply_problem(reply, 400, "a parameter is not what it should be",
                      "There is a NUL (%%00) in \"%s\".", parameter->name);
        return false;
    }
    return true;
}

// --- all of it -----------------------------------------------------------------------------------

static void explain_missing(const char *methods, const struct request *request, struct reply *reply)
{
    if (!methods) {
        reply_problem(reply, 404, "there is no such page", "The root / says what there is.");
        return;
    }
    reply->allow = methods;
    if (strcmp(request->method, "OPTIONS") == 0)
        reply->status = 204;
    else
        reply_problem(reply, 405, "the method does not fit", "This page knows %s only.", methods);
}

static bool is_for_us(const struct access *access, const struct request *request,
                      struct reply *reply)
{
    if (host_is_ours(request_header(request, "Host"), access->address))
        return true;
    reply_problem(reply, 403, "the Host field is not this page's", "Ask for http://%s instead.",
                  access->address);
    return false;
}

static bool is_let_in(const struct access *access, const struct route *route,
                      const struct request *request, struct reply *reply)
{
    if (route->access != ROUTE_OPEN && !request->is_authorised) {
        refuse_without_token(access, reply);
        return false;
    }
    if (route->access == ROUTE_SOCKET) {
        reply_problem(reply, 403, "this is answered over the socket alone",
                      "Ask over the file %s/" CONTROL_SOCKET_NAME ".", access->data_dir);
        return false;
    }
    return route->access == ROUTE_OPEN || is_acceptable(route, request, reply);
}

const struct route *access_find_route(const struct access *access, bool is_tcp, const char *path,
                                      struct request *request, struct reply *reply)
{
    request->is_authorised = !is_tcp || has_token(access, request);
    if (is_tcp && !is_for_us(access, request, reply))
        return NULL;
    const struct route *route = route_find(request->method, path);
    // Which methods a path knows is no secret; which paths there are not, is one.
    const char *methods = route ? NULL : route_methods(path, &reply->arena);
    if (!route && !methods && !request->is_authorised) {
        refuse_without_token(access, reply);
        return NULL;
    }
    if (!route) {
        explain_missing(methods, request, reply);
        return NULL;
    }
    const char *given = request_parameter(request, "token");
    if (is_tcp && given && strcmp(path, "/") == 0) {
        log_in(access, request, given, reply);
        return NULL;
    }
    bool is_reached = (!is_tcp || is_let_in(access, route, request, reply)) &&
                      are_texts(request, reply) && knows_parameters(route, request, reply);
    return is_reached ? route : NULL;
}
