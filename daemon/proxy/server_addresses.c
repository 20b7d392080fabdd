// SPDX-License-Identifier: MIT
// Which addresses are the server's own: requests through the proxy must not come back to it.
#include "routing.h"
#include "server_state.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

// As IPv6, since a mapped address leads to the same place as the one it maps.
static bool is_unspecified(const uint8_t bytes[static 16])
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    return memcmp(bytes, &in6addr_any, 16) == 0 || memcmp(bytes, mapped, 16) == 0;
}

static bool is_same_host(const uint8_t bytes[static 16], const struct sockaddr *other)
{
    struct address address = {0};
    uint8_t other_bytes[16];
    size_t size = other->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
                  : other->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                 : 0;
    memcpy(&address.storage, other, size);
    return address_to_bytes(&address, other_bytes) && memcmp(bytes, other_bytes, 16) == 0;
}

static bool is_this_machine(const struct address *address)
{
    uint8_t bytes[16];
    if (!address_to_bytes(address, bytes))
        return false;
    if (address_is_loopback(address) || is_unspecified(bytes))
        return true;
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces) != 0)
        return false;
    bool is_own = false;
    for (struct ifaddrs *at = interfaces; at != NULL && !is_own; at = at->ifa_next)
        is_own = at->ifa_addr != NULL && is_same_host(bytes, at->ifa_addr);
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
