// SPDX-License-Identifier: MIT
// Where the server listens: its own addresses, and those of sessions.
#include "server_state.h"

void server_add_listener(struct server *server, struct listener *listener)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL)
        link = &(*link)->next;
    *link = listener;
    pthread_mutex_unlock(&server->mutex);
}

int server_open_listeners(struct server *server, const struct server_options *options,
                          struct err *err)
{
    const struct config *config = options->config;
    for (size_t i = 0; i < options->socket_count; i++)
        server_add_listener(server, listener_create_passed(options->sockets[i]));
    if (options->socket_count > 0)
        return 0;
    for (size_t i = 0; i < config->listen.count; i++) {
        struct listener *listener = listener_create(config->listen.items[i], 0, err);
        if (listener == NULL)
            return -1;
        if (!address_is_loopback(&listener->address) && config->proxy_auth == NULL)
            log_warn(server->log, "server",
                     "whoever is in allow can use the proxy at %s without a password; set "
                     "proxy_auth if that is not meant",
                     listener->text);
        server_add_listener(server, listener);
    }
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

const char *server_listen_address(struct server *server, size_t index)
{
    // The server's own come first, and none of them goes away before the server does.
    pthread_mutex_lock(&server->mutex);
    const struct listener *listener = server->listeners;
    while (listener != NULL && index-- > 0)
        listener = listener->next;
    bool is_own = listener != NULL && listener->session_id == server->session_id;
    pthread_mutex_unlock(&server->mutex);
    return is_own ? listener->text : NULL;
}

void server_free_listeners(struct server *server)
{
    while (server->listeners != NULL) {
        struct listener *next = server->listeners->next;
        listener_release(server->listeners);
        server->listeners = next;
    }
}
