// SPDX-License-Identifier: MIT
// Where the server listens: its own addresses, and those of sessions.
#include "reverse.h"
#include "server_state.h"

#include <stdlib.h>

void server_add_listener(struct server *server, struct listener *listener)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL)
        link = &(*link)->next;
    *link = listener;
    pthread_mutex_unlock(&server->mutex);
}

static int open_listener(struct server *server, const struct config *config, const char *text,
                         struct err *err)
{
    struct listener *listener = listener_create(text, 0, err);
    if (listener == NULL)
        return -1;
    if (!address_is_loopback(&listener->address) && config->proxy_auth == NULL)
        log_warn(server->log, "server",
                 "whoever is in allow can use the proxy at %s without a password; set "
                 "proxy_auth if that is not meant",
                 listener->text);
    server_add_listener(server, listener);
    return 0;
}

static int open_reverse(struct server *server, const struct config *config, size_t index,
                        struct err *err)
{
    struct route *origin = reverse_route_create(config, index, err);
    if (origin == NULL)
        return -1;
    char *text = reverse_listen_text(config, index);
    struct listener *listener = listener_create(text, 0, err);
    free(text);
    if (listener == NULL) {
        route_destroy(origin);
        return -1;
    }
    listener_set_origin(listener, origin);
    server_add_listener(server, listener);
    return 0;
}

int server_open_listeners(struct server *server, const struct server_options *options,
                          struct err *err)
{
    const struct config *config = options->config;
    for (size_t i = 0; i < options->socket_count; i++)
        server_add_listener(server, listener_create_passed(options->sockets[i]));
    for (size_t i = 0; options->socket_count == 0 && i < config->listen.count; i++)
        if (open_listener(server, config, config->listen.items[i], err) != 0)
            return -1;
    for (size_t i = 0; i < config->reverse.count; i++)
        if (open_reverse(server, config, i, err) != 0)
            return -1;
    return 0;
}

void server_listen_everywhere(struct server *server, struct listener *listener)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        listener_retain(listener);
        worker_post(server->workers[i],
                    &(struct inbox_item){.kind = INBOX_LISTEN, .listener = listener});
    }
}

// The server's own come first, and none of them goes away before the server does.
static const struct listener *own_listener(struct server *server, bool is_reverse, size_t index)
{
    pthread_mutex_lock(&server->mutex);
    const struct listener *listener = server->listeners;
    while (listener != NULL && ((listener->origin != NULL) != is_reverse || index-- > 0))
        listener = listener->next;
    bool is_own = listener != NULL && listener->session_id == server->session_id;
    pthread_mutex_unlock(&server->mutex);
    return is_own ? listener : NULL;
}

const char *server_listen_address(struct server *server, size_t index)
{
    const struct listener *listener = own_listener(server, false, index);
    return listener == NULL ? NULL : listener->text;
}

bool server_reverse_address(struct server *server, size_t index, struct server_reverse *reverse)
{
    const struct listener *listener = own_listener(server, true, index);
    if (listener == NULL)
        return false;
    *reverse = (struct server_reverse){.address = listener->text,
                                       .scheme = listener->origin->scheme,
                                       .authority = listener->origin->authority};
    return true;
}

void server_free_listeners(struct server *server)
{
    while (server->listeners != NULL) {
        struct listener *next = server->listeners->next;
        listener_release(server->listeners);
        server->listeners = next;
    }
}
