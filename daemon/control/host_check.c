// SPDX-License-Identifier: MIT
// The defence against DNS rebinding: a name that its owner points at 127.0.0.1 is still that name
// in the Host field.
#include "host_check.h"

#include "hark/address.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_same(const char *text, size_t length, const char *known)
{
    return strlen(known) == length && strncasecmp(text, known, length) == 0;
}

static bool is_wildcard(const char *host, size_t length)
{
    return is_same(host, length, "0.0.0.0") || is_same(host, length, "[::]");
}

bool host_is_ours(const char *host, const char *page_address)
{
    const char *page_port = strrchr(page_address, ':');
    const char *port = host ? strrchr(host, ':') : NULL;
    if (!port || !page_port || strcmp(port, page_port) != 0)
        return false;

    size_t length = (size_t)(port - host);
    if (is_same(host, length, "127.0.0.1") || is_same(host, length, "localhost") ||
        is_same(host, length, "[::1]") || strcasecmp(host, page_address) == 0)
        return true;
    struct address parsed;
    return is_wildcard(page_address, (size_t)(page_port - page_address)) &&
           address_parse(host, &parsed) == 0;
}
