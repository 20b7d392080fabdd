// SPDX-License-Identifier: MIT
// Addresses and ranges: inet_pton() does the reading.

#include "hark/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool parse_number(const char *text, unsigned long max, unsigned long *number)
{
    if (text[0] < '0' || text[0] > '9' || strlen(text) > 5)
        return false;
    char *end;
    *number = strtoul(text, &end, 10);
    return *end == '\0' && *number <= max;
}

// Copies what stands before `end` without its brackets; an address with a colon needs them.
static bool copy_host(const char *text, const char *end, char host[static INET6_ADDRSTRLEN])
{
    size_t length = (size_t)(end - text);
    bool has_brackets = length >= 2 && text[0] == '[' && end[-1] == ']';
    if (has_brackets) {
        text++;
        length -= 2;
    }
    if (length == 0 || length >= INET6_ADDRSTRLEN)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    return has_brackets == (strchr(host, ':') != NULL);
}

int address_parse(const char *text, struct address *address)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    unsigned long port;
    if (colon == NULL || !copy_host(text, colon, host) || !parse_number(colon + 1, 65535, &port))
        return -1;
    memset(address, 0, sizeof *address);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        address->length = sizeof *v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        address->length = sizeof *v6;
        return 0;
    }
    return -1;
}

bool address_to_bytes(const struct address *address, uint8_t bytes[static 16])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    if (address->storage.ss_family == AF_INET) {
        memcpy(bytes, mapped_prefix, sizeof mapped_prefix);
        memcpy(bytes + sizeof mapped_prefix, &v4->sin_addr, 4);
        return true;
    }
    if (address->storage.ss_family == AF_INET6) {
        memcpy(bytes, &v6->sin6_addr, 16);
        return true;
    }
    return false;
}

bool address_is_loopback(const struct address *address)
{
    uint8_t bytes[16];
    if (!address_to_bytes(address, bytes))
        return false;
    bool is_mapped = memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0;
    return (is_mapped && bytes[12] == 127) || memcmp(bytes, &in6addr_loopback, 16) == 0;
}

int cidr_parse(const char *text, struct cidr *cidr)
{
    char host[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "/");
    if (length >= sizeof host)
        return -1;
    memcpy(host, text, length);
    host[length] = '\0';

    unsigned family_bits;
    memset(cidr, 0, sizeof *cidr);
    if (inet_pton(AF_INET, host, cidr->prefix + sizeof mapped_prefix) == 1) {
        memcpy(cidr->prefix, mapped_prefix, sizeof mapped_prefix);
        family_bits = 32;
    } else if (inet_pton(AF_INET6, host, cidr->prefix) == 1) {
        family_bits = 128;
    } else {
        return -1;
    }
    unsigned long bits = family_bits;
    if (text[length] == '/' && !parse_number(text + length + 1, family_bits, &bits))
        return -1;
    cidr->bits = 128 - family_bits + (unsigned)bits;
    return 0;
}

bool cidr_has(const struct cidr *cidr, const struct address *address)
{
    uint8_t bytes[16];
    if (!address_to_bytes(address, bytes))
        return false;
    bool is_mapped = memcmp(bytes, mapped_prefix, sizeof mapped_prefix) == 0;
    if (is_mapped && cidr->bits < 8 * sizeof mapped_prefix)
        return false;
    unsigned whole_bytes = cidr->bits / 8;
    unsigned rest_bits = cidr->bits % 8;
    if (memcmp(bytes, cidr->prefix, whole_bytes) != 0)
        return false;
    return rest_bits == 0 ||
           ((bytes[whole_bytes] ^ cidr->prefix[whole_bytes]) >> (8 - rest_bits)) == 0;
}

int address_port(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
    return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

void address_format(const struct sockaddr *socket_address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (socket_address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)socket_address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, size, "[%s]:%d", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)socket_address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, size, "%s:%d", host, ntohs(v4->sin_port));
    }
}
