// SPDX-License-Identifier: MIT
// Which addresses are the server's own: requests through the proxy must not come back to it.
#include "routing.h"
#include "server_state.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

static bool is_unspecified(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
        return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
    }
    return ((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr == INADDR_ANY;
}

static bool is_same_host(const struct address *a, const struct sockaddr *b)
{
    if (a->storage.ss_family != b->sa_family)
        return false;
    if (b->sa_family == AF_INET)
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool is_this_machine(const struct address *address)
{
    if (address_is_loopback(address) || is_unspecified(address))
        return true;
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces) != 0)
        return false;
    bool is_own = false;
    for (struct ifaddrs *at = interfaces; at != NULL && !is_own; at = at->ifa_next)
        is_own = at->ifa_addr != NULL && is_same_host(address, at->ifa_addr);
    freeifaddrs(interfaces);
    return is_own;
}

enum own_address server_is_own_address(struct server *server, const struct address *address)
{
    enum own_address owner = OWN_NONE;
    int port = address_port(address);
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
        if (address_port(&at->address) == port)
            owner = OWN_PROXY;
    if (server->has_page && address_port(&server->page) == port)
        owner = OWN_PAGE;
    pthread_mutex_unlock(&server->mutex);
    return owner != OWN_NONE && is_this_machine(address) ? owner : OWN_NONE;
}

void server_set_page_address(struct server *server, const char *address)
{
    pthread_mutex_lock(&server->mutex);
    server->has_page = address != NULL && address_parse(address, &server->page) == 0;
    pthread_mutex_unlock(&server->mutex);
}
