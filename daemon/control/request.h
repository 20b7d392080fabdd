// SPDX-License-Identifier: MIT
// What was asked: one request as a route gets to see it, and the reading of its parameters.
#ifndef HARK_CONTROL_REQUEST_H
#define HARK_CONTROL_REQUEST_H

#include "hark/buffer.h"
#include "hark/fields.h"
#include "hark/store_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct reply;

// Owner: the call. Thread: the one that runs the route. Texts live as long as it does.
struct request {
    const char *method;
    int peer_fd;              // of the connection
    bool is_authorised;       // came over the socket, or with the token
    const char *argument;     // what stands in the path where the route has "*"; else ""
    struct fields parameters; // of the query, decoded
    struct fields headers;
    const struct buffer *body;   // with CONTENT_SMALL; NUL-terminated, unless it is empty
    int body_fd;                 // with CONTENT_FILE: at its beginning; else -1
    struct store_reader *reader; // the thread's, with WORK_QUICK and WORK_LONG; else NULL
};

// NULL if it was not sent; "" if it came without a value.
const char *request_parameter(const struct request *request, const char *name);
const char *request_header(const struct request *request, const char *name);

// --- parameters with a shape: 0, or -1 with a problem (400) in the reply -------------------------

// Whole numbers between `min` and `max`.
struct integer_range {
    int64_t min;
    int64_t max;
    int64_t otherwise; // where the parameter was not sent
};
int request_integer(const struct request *request, const char *name, struct integer_range range,
                    int64_t *value, struct reply *reply);
// "1" or "true", "0" or "false"; without a value it is true.
int request_flag(const struct request *request, const char *name, bool *value, struct reply *reply);
// The number of an exchange in the path.
int request_id(const struct request *request, int64_t *id, struct reply *reply);
// Its row as well (404 if there is none); the caller destroys it.
int request_row(const struct request *request, struct exchange_row **row, struct reply *reply);
// The parameter `filter`: NULL if there is none. The caller destroys it.
int request_filter(const struct request *request, struct filter **filter, struct reply *reply);

#endif
