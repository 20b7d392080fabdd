// SPDX-License-Identifier: MIT
// Who is let in, and to what.
//
// Over TCP anybody on the machine can ask, and so can a web page in a browser there. So the Host
// field must be ours (a page of another site that rebinds its name to 127.0.0.1 sends its own), the
// API wants the token, and what a browser says comes from another site is refused. Over the socket
// file the file's mode has done all that.
#ifndef HARK_CONTROL_ACCESS_H
#define HARK_CONTROL_ACCESS_H

#include "routes.h"
#include "token.h"

#include <stdbool.h>

// Owner: struct control.
struct access {
    struct token token;
    const char *data_dir; // for the explanations
    const char *address;  // of the page
};

// The route that answers the request, whose `is_authorised` is set; NULL with the answer in the
// reply if none is to be reached. `path` is decoded.
const struct route *access_find_route(const struct access *access, bool is_tcp, const char *path,
                                      struct request *request, struct reply *reply);

#endif
