// SPDX-License-Identifier: MIT
// Where the server listens: its own addresses, and those of sessions.
#include "hark/buffer.h"
#include "hark/listening.h"
#include "reverse.h"
#include "server_state.h"

#include <stdlib.h>
#include <string.h>

// The server's own come first, then those of sessions.
void server_add_listener(struct server *server, struct listener *listener)
{
    bool is_own = listener->session_id == server->session_id;
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL && !(is_own && (*link)->session_id != server->session_id))
        link = &(*link)->next;
    listener->next = *link;
    *link = listener;
    pthread_mutex_unlock(&server->mutex);
}

static void warn_of_open_door(struct server *server, const struct listener *listener,
                              const struct config *config)
{
    if (!address_is_loopback(&listener->address) && config->proxy_auth == NULL)
        log_warn(
            server->log, "server",
            "whoever is in allow can use the proxy at %s without a password; set proxy_auth if "
            "that is not meant",
            listener->text);
}

static int open_listener(struct server *server, const struct config *config, const char *text,
                         struct err *err)
{
    struct listener *listener = listener_create(text, 0, -1, err);
    if (listener == NULL)
        return -1;
    warn_of_open_door(server, listener, config);
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
    struct listener *listener = listener_create(text, 0, -1, err);
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
    for (size_t i = 0; i < options->socket_count; i++) {
        struct listener *listener = listener_create_passed(options->sockets[i]);
        warn_of_open_door(server, listener, config);
        server_add_listener(server, listener);
    }
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

// None of them goes away before the server does.
static const struct listener *reverse_listener(struct server *server, size_t index)
{
    pthread_mutex_lock(&server->mutex);
    const struct listener *listener = server->listeners;
    while (listener != NULL && (listener->origin == NULL || index-- > 0))
        listener = listener->next;
    pthread_mutex_unlock(&server->mutex);
    return listener;
}

bool server_reverse_address(struct server *server, size_t index, struct server_reverse *reverse)
{
    const struct listener *listener = reverse_listener(server, index);
    if (listener == NULL)
        return false;
    *reverse = (struct server_reverse){.address = listener->text,
                                       .scheme = listener->origin->scheme,
                                       .authority = listener->origin->authority};
    return true;
}

void server_append_addresses(struct server *server, const char *separator, struct buffer *out)
{
    size_t count = 0;
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
        if (at->session_id == server->session_id && at->origin == NULL)
            buffer_printf(out, "%shttp://%s", count++ > 0 ? separator : "", at->text);
    pthread_mutex_unlock(&server->mutex);
}

// --- reload ------------------------------------------------------------------------------------

static bool is_in(const struct config_list *list, const char *item)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], item) == 0)
            return true;
    return false;
}

static void release_all(struct listener *first)
{
    struct listener *next;
    for (struct listener *at = first; at != NULL; at = next) {
        next = at->next;
        listener_release(at);
    }
}

// Is it there because of the current configuration, and not in the next one?
static bool is_dropped(const struct server *server, const struct listener *listener,
                       const struct config *config)
{
    return listener->session_id == server->session_id && listener->origin == NULL &&
           is_in(&server->config->listen, listener->asked) &&
           !is_in(&config->listen, listener->asked);
}

// The socket with the port of this address that will not be listened on any more; -1: none.
static int find_leaving(struct server *server, const struct config *config, const char *text)
{
    struct address address;
    int fd = -1;
    if (address_parse(text, &address) != 0)
        return -1;
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
        if (is_dropped(server, at, config) && listening_has_port(at->fd, &address))
            fd = at->fd;
    pthread_mutex_unlock(&server->mutex);
    return fd;
}

int server_prepare_listeners(struct server *server, const struct config *config,
                             struct listener **added, struct err *err)
{
    struct listener **link = added;
    *added = NULL;
    // Sockets that were passed stand in the place of `listen`, whatever it says by now.
    if (server->listeners != NULL && server->listeners->is_passed)
        return 0;
    for (size_t i = 0; i < config->listen.count; i++) {
        const char *text = config->listen.items[i];
        if (is_in(&server->config->listen, text))
            continue;
        int beside = find_leaving(server, config, text);
        *link = listener_create(text, server->session_id, beside, err);
        if (*link == NULL) {
            release_all(*added);
            return -1;
        }
        link = &(*link)->next;
    }
    return 0;
}

static struct listener *take_dropped(struct server *server, const struct config *config)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL && !is_dropped(server, *link, config))
        link = &(*link)->next;
    struct listener *listener = *link;
    if (listener != NULL)
        *link = listener->next;
    pthread_mutex_unlock(&server->mutex);
    return listener;
}

void server_change_listeners(struct server *server, const struct config *config,
                             struct listener *added)
{
    struct listener *next;
    for (struct listener *at = added; at != NULL; at = next) {
        next = at->next;
        warn_of_open_door(server, at, config);
        server_add_listener(server, at);
        server_listen_everywhere(server, at);
    }
    struct listener *dropped;
    while ((dropped = take_dropped(server, config)) != NULL) {
        server_post_to_all(server,
                           &(struct inbox_item){.kind = INBOX_UNLISTEN, .listener = dropped});
        listener_release(dropped);
    }
}

void server_free_listeners(struct server *server)
{
    release_all(server->listeners);
    server->listeners = NULL;
}
