// SPDX-License-Identifier: MIT
// One request from its head to the end of its answer: what libmicrohttpd calls back.
#ifndef HARK_CONTROL_CALL_H
#define HARK_CONTROL_CALL_H

#include "access.h"
#include "crowd.h"
#include "pool.h"
#include "routes.h"

#include <microhttpd.h>
#include <stdbool.h>

// One way in. Owner: struct control. Thread: `daemon`'s own reads it.
struct face {
    const struct access *access;
    const struct route_context *context;
    struct pool *pool;
    struct MHD_Daemon *daemon;
    struct crowd crowd; // of the page
    bool is_tcp;
};

// For MHD_start_daemon(): ctx of the first is the face.
enum MHD_Result call_on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_bytes, void **request);
void call_on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode why);

#endif
