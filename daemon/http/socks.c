// SPDX-License-Identifier: MIT
// The messages of SOCKS 5. Each is a few bytes of fixed meaning and then a length or a type that
// says how much follows.
#include "hark/socks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define GREETING_HEADER_BYTES 2 // version, number of methods
#define REQUEST_HEADER_BYTES  4 // version, command, reserved, address type
#define PORT_BYTES            2

enum address_type {
    ADDRESS_IPV4 = 0x01,
    ADDRESS_NAME = 0x03,
    ADDRESS_IPV6 = 0x04
};

ssize_t socks_parse_greeting(const uint8_t *bytes, size_t length, struct socks_greeting *greeting)
{
    *greeting = (struct socks_greeting){0};
    if (length > 0 && bytes[0] != SOCKS_VERSION)
        return SOCKS_BAD;
    if (length < GREETING_HEADER_BYTES)
        return SOCKS_MORE;
    size_t whole = GREETING_HEADER_BYTES + (size_t)bytes[1];
    if (length < whole)
        return SOCKS_MORE;
    const uint8_t *methods = bytes + GREETING_HEADER_BYTES;
    greeting->offers_none = memchr(methods, SOCKS_METHOD_NONE, bytes[1]) != NULL;
    greeting->offers_password = memchr(methods, SOCKS_METHOD_PASSWORD, bytes[1]) != NULL;
    return (ssize_t)whole;
}

// Copies a text that follows its length in a byte. Returns the bytes of both.
static ssize_t read_counted(const uint8_t *bytes, size_t length, char text[static 256])
{
    if (length < 1 || length < 1 + (size_t)bytes[0])
        return SOCKS_MORE;
    size_t count = bytes[0];
    if (memchr(bytes + 1, '\0', count) != NULL)
        return SOCKS_BAD;
    memcpy(text, bytes + 1, count);
    text[count] = '\0';
    return (ssize_t)(1 + count);
}

ssize_t socks_parse_password(const uint8_t *bytes, size_t length, struct socks_password *password)
{
    *password = (struct socks_password){0};
    if (length > 0 && bytes[0] != SOCKS_PASSWORD_VERSION)
        return SOCKS_BAD;
    if (length < 1)
        return SOCKS_MORE;
    ssize_t user = read_counted(bytes + 1, length - 1, password->user);
    if (user <= 0)
        return user;
    size_t at = 1 + (size_t)user;
    ssize_t rest = read_counted(bytes + at, length - at, password->password);
    return rest <= 0 ? rest : (ssize_t)at + rest;
}

static bool is_host_name(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("-._", *at) == NULL)
            return false;
    return name[0] != '\0';
}

static unsigned port_at(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static ssize_t read_ip(const uint8_t *bytes, size_t length, int family,
                       struct socks_request *request)
{
    char text[INET6_ADDRSTRLEN];
    size_t count = family == AF_INET ? 4 : 16;
    if (length < count + PORT_BYTES)
        return SOCKS_MORE;
    inet_ntop(family, bytes, text, sizeof(text));
    snprintf(request->authority, sizeof(request->authority),
             family == AF_INET ? "%s:%u" : "[%s]:%u", text, port_at(bytes + count));
    return (ssize_t)(count + PORT_BYTES);
}

// Some clients send an address as text.
static bool is_ipv6_text(const char *name)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET6, name, &ignored) == 1;
}

static ssize_t read_name(const uint8_t *bytes, size_t length, struct socks_request *request)
{
    char name[256];
    ssize_t count = read_counted(bytes, length, name);
    if (count <= 0)
        return count;
    bool is_ipv6 = is_ipv6_text(name);
    if (!is_ipv6 && !is_host_name(name))
        return SOCKS_BAD;
    if (length < (size_t)count + PORT_BYTES)
        return SOCKS_MORE;
    snprintf(request->authority, sizeof(request->authority), is_ipv6 ? "[%s]:%u" : "%s:%u", name,
             port_at(bytes + count));
    request->is_name = !is_ipv6;
    return count + PORT_BYTES;
}

static ssize_t read_address(const uint8_t *bytes, size_t length, uint8_t type,
                            struct socks_request *request)
{
    request->is_known_address = true;
    switch (type) {
    case ADDRESS_IPV4:
        return read_ip(bytes, length, AF_INET, request);
    case ADDRESS_IPV6:
        return read_ip(bytes, length, AF_INET6, request);
    case ADDRESS_NAME:
        return read_name(bytes, length, request);
    default:
        request->is_known_address = false;
        return 0;
    }
}

ssize_t socks_parse_request(const uint8_t *bytes, size_t length, struct socks_request *request)
{
    *request = (struct socks_request){0};
    if (length > 0 && bytes[0] != SOCKS_VERSION)
        return SOCKS_BAD;
    if (length < REQUEST_HEADER_BYTES)
        return SOCKS_MORE;
    request->command = bytes[1];
    ssize_t address = read_address(bytes + REQUEST_HEADER_BYTES, length - REQUEST_HEADER_BYTES,
                                   bytes[3], request);
    if (address < 0 || (address == 0 && request->is_known_address))
        return address;
    return REQUEST_HEADER_BYTES + address;
}
