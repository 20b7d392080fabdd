// SPDX-License-Identifier: MIT
// Recorded bodies as JSON values, at any size.
#ifndef HARK_FORMAT_JSON_BODY_H
#define HARK_FORMAT_JSON_BODY_H

#include "hark/body_view.h"
#include "hark/json_out.h"

// The shown bytes as a string: text where they are UTF-8, else base64. Each returns 0, or -1 if
// the recording cannot be read or the output has failed.
int json_put_body(struct json_out *json, const char *key, const struct body_view *body,
                  struct err *err);
// The bytes as on the wire, as base64.
int json_put_wire(struct json_out *json, const char *key, const struct body_view *body,
                  struct err *err);
// When they came: [[at_us, bytes],…], a pair a segment.
int json_put_chunks(struct json_out *json, const char *key, const struct body_view *body,
                    struct err *err);

#endif
