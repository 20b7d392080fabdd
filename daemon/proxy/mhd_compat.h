// SPDX-License-Identifier: MIT
// The differences between the versions of libmicrohttpd that hark builds with.
#ifndef HARK_PROXY_MHD_COMPAT_H
#define HARK_PROXY_MHD_COMPAT_H

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

// Whether white space after a field's value stays part of it, so that "chunked " is unknown.
//
// How strictly requests are parsed. Before 1.0 the only level above the default also refuses
// nothing where it should (white space before the colon), so hark checks what it gets to see; from
// 1.0 on level 1 refuses all that RFC 9112 wants refused.
#if MHD_VERSION >= 0x01000000
#define MHD_COMPAT_KEEPS_TRAILING_SPACE false
#define MHD_STRICTNESS_ITEMS                      \
    {                                             \
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1, NULL \
    }
#else
#define MHD_COMPAT_KEEPS_TRAILING_SPACE true
#define MHD_STRICTNESS_ITEMS                  \
    {                                         \
        MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL \
    }
#endif

// The connection that a TLS session of libmicrohttpd's belongs to.
static inline struct MHD_Connection *mhd_connection_of_session(gnutls_session_t session)
{
    return gnutls_session_get_ptr(session);
}

// Does this log line say that a TLS handshake failed?
static inline bool mhd_is_failed_handshake(const char *log_text)
{
    return strstr(log_text, "handshake message out of context") != NULL;
}

// What libmicrohttpd's log says about a request that it answered by itself: returns the status, or
// 0 if the line is about something else, and fills in the text of the page it sent.
static inline int mhd_refusal(const char *log_text, char *reason, size_t size)
{
    int status = 0;
    if (sscanf(log_text, "Error processing request (HTTP response code is %d", &status) != 1)
        return 0;
    const char *body = strstr(log_text, "<body>");
    size_t length = 0;
    bool is_tag = false;
    for (const char *at = body != NULL ? body : ""; *at != '\0' && length + 1 < size; at++) {
        if (*at == '<' && strncmp(at, "</body>", 7) == 0)
            break;
        if (*at == '<' || *at == '>')
            is_tag = *at == '<';
        else if (!is_tag)
            reason[length++] = *at;
    }
    reason[length] = '\0';
    if (length == 0)
        snprintf(reason, size, "malformed or too large, answered %d by libmicrohttpd", status);
    return status;
}

#endif
