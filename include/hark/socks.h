// SPDX-License-Identifier: MIT
// What a client of SOCKS version 5 sends before its own bytes (RFC 1928, RFC 1929).
//
// Pure functions, any thread. Each returns how many bytes its message has; SOCKS_MORE: not all of
// it is there; SOCKS_BAD: it is none, whatever follows.
#ifndef HARK_SOCKS_H
#define HARK_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SOCKS_VERSION          0x05
#define SOCKS_VERSION_4        0x04
#define SOCKS_PASSWORD_VERSION 0x01
#define SOCKS_MORE             ((ssize_t)0)
#define SOCKS_BAD              ((ssize_t)-1)

// A host name of 255 bytes, or an IPv6 address, in brackets, and a port.
#define SOCKS_AUTHORITY_MAX 264

enum socks_method {
    SOCKS_METHOD_NONE = 0x00,
    SOCKS_METHOD_PASSWORD = 0x02,
    SOCKS_METHOD_REFUSED = 0xff, // none of those offered
};

struct socks_greeting {
    bool offers_none; // to go on without authentication
    bool offers_password;
};
ssize_t socks_parse_greeting(const uint8_t *bytes, size_t length, struct socks_greeting *greeting);

// Zero-terminated; a NUL inside is no part of either (SOCKS_BAD).
struct socks_password {
    char user[256];
    char password[256];
};
ssize_t socks_parse_password(const uint8_t *bytes, size_t length, struct socks_password *password);

enum socks_command {
    SOCKS_CONNECT = 0x01,
    SOCKS_BIND = 0x02,
    SOCKS_UDP_ASSOCIATE = 0x03
};

struct socks_request {
    uint8_t command;                     // a number of enum socks_command, or another
    bool is_known_address;               // false: an address type there is not; `authority` is ""
    bool is_name;                        // a host name, not an address
    char authority[SOCKS_AUTHORITY_MAX]; // "example.com:443", "192.0.2.1:80", "[::1]:80"
};
// A name with bytes that are in none (a NUL, a colon, white space) is SOCKS_BAD. After an unknown
// type of address nobody can tell how long it is: the message ends where it is named.
ssize_t socks_parse_request(const uint8_t *bytes, size_t length, struct socks_request *request);

enum socks_answer {
    SOCKS_SUCCEEDED = 0x00,
    SOCKS_FAILED = 0x01,
    SOCKS_NOT_ALLOWED = 0x02,
    SOCKS_COMMAND_UNKNOWN = 0x07,
    SOCKS_ADDRESS_UNKNOWN = 0x08
};

#endif
