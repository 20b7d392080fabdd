// SPDX-License-Identifier: MIT
// A recorded request as a curl command for sh, bash or zsh, in one line: pasted, it sends the same
// method, target, header fields in their order, and body, whatever bytes it has.
#ifndef HARK_CURL_COMMAND_H
#define HARK_CURL_COMMAND_H

#include "hark/exchange_view.h"

// What a command cannot do (a tunnel, a body of which a part was recorded, trailers) is said in a
// line of its own before it, as a comment.
struct curl_writer {
    FILE *out;
    struct buffer command; // all but the body's pipe; the user ends it
};
extern const struct exchange_writer curl_writer_stops; // ctx: struct curl_writer

#endif
