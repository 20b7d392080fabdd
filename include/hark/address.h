// SPDX-License-Identifier: MIT
// IP addresses with a port, and ranges of addresses. No name is ever looked up.
#ifndef HARK_ADDRESS_H
#define HARK_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// Both kinds of socket address in one, ready for bind(2) and accept(2).
struct address {
    struct sockaddr_storage storage;
    socklen_t length;
};

// "127.0.0.1:4275" or "[::1]:4275"; -1 for anything else.
int address_parse(const char *text, struct address *address);
// The reverse, for IPv4 and IPv6; cut to `size`.
void address_format(const struct sockaddr *socket_address, char *text, size_t size);
// The address alone in network order, IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2); false for
// other families.
bool address_to_bytes(const struct address *address, uint8_t bytes[static 16]);
int address_port(const struct address *address);
// 127.0.0.0/8, ::1, and the former mapped into IPv6.
bool address_is_loopback(const struct address *address);

// A range of addresses (RFC 4632 section 3.1, RFC 4291 section 2.3). IPv4 is kept mapped into
// IPv6, so that an IPv4 client on an IPv6 socket is found as well; but a range of IPv6 has none in
// it: by "::/0" nobody means all of IPv4.
struct cidr {
    uint8_t prefix[16];
    unsigned bits;
};

// "10.0.0.0/8", "fd00::/8", or an address alone; -1 for anything else.
int cidr_parse(const char *text, struct cidr *cidr);
bool cidr_has(const struct cidr *cidr, const struct address *address);

#endif
