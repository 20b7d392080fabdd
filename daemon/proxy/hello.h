// SPDX-License-Identifier: MIT
// The first bytes inside a tunnel: what do they speak?
//
// Pure functions, any thread.
#ifndef HARK_PROXY_HELLO_H
#define HARK_PROXY_HELLO_H

#include <stddef.h>

enum hello {
    HELLO_UNCLEAR, // too few bytes to say
    HELLO_TLS,     // a TLS handshake record, complete enough to read its server name
    HELLO_HTTP,    // a request line of HTTP/1.x
    HELLO_OTHER,
};

enum hello hello_judge(const char *bytes, size_t length);

// The server name of a TLS client hello (RFC 6066 section 3); free() it. NULL: there is none, it
// is no host name, or the hello is not whole.
char *hello_server_name(const char *bytes, size_t length);

#endif
