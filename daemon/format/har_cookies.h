// SPDX-License-Identifier: MIT
// What HAR files have taken apart: cookies and parameters.
#ifndef HARK_FORMAT_HAR_COOKIES_H
#define HARK_FORMAT_HAR_COOKIES_H

#include "hark/json_out.h"
#include "hark/store_writer.h"

// "cookies":[…] of a request's Cookie fields or a response's Set-Cookie fields.
void har_put_cookies(struct json_out *json, const struct fields *fields, enum body_side side);
// {"name":…,"value":…} for each of "a=1&b=2", percent-decoded.
void har_put_parameters(struct json_out *json, const char *text, size_t length);

#endif
