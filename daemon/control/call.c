// SPDX-License-Identifier: MIT
// A call is received and checked on libmicrohttpd's thread, worked on there or on a thread of the
// pool while the connection is suspended, and answered on libmicrohttpd's thread again.
//
// An answer in libmicrohttpd's first callback of a request would make it close the connection, so a
// refused request is read to its end, too.
#include "call.h"

#include "hark/mem.h"
#include "spool.h"
#include "stream.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_MAX_BYTES ((size_t)1024 * 1024)
#define BLOCK_BYTES     ((size_t)64 * 1024)

enum call_phase {
    CALL_RECEIVING,
    CALL_WORKING, // on another thread
    CALL_ANSWERED
};

// Owner: libmicrohttpd's connection and, with CALL_WORKING, the job. Thread: libmicrohttpd's; but
// request and reply are the pool's until the stream has begun.
struct call {
    atomic_int references;
    const struct face *face;
    const struct route *route; // NULL: the reply is made already
    enum call_phase phase;
    struct arena arena;
    struct request request;
    struct reply reply;
    struct buffer body;
    struct err body_problem;
    bool is_too_long;
    struct stream *stream;
    struct pool_job job;
};

static void call_unref(struct call *call)
{
    if (atomic_fetch_sub(&call->references, 1) > 1)
        return;
    if (call->request.body_fd >= 0)
        close(call->request.body_fd);
    buffer_fini(&call->body);
    reply_fini(&call->reply);
    arena_fini(&call->arena);
    stream_unref(call->stream);
    free(call);
}

// --- receiving -----------------------------------------------------------------------------------

// Where libmicrohttpd's pairs of one kind are copied to.
struct pairs {
    struct fields *fields;
    struct arena *arena;
};

static enum MHD_Result on_pair(void *ctx, enum MHD_ValueKind kind, const char *name,
                               size_t name_length, const char *value, size_t value_length)
{
    (void)kind;
    struct pairs *pairs = ctx;
    fields_add(pairs->fields, pairs->arena, name, name_length, value ? value : "", value_length);
    return MHD_YES;
}

static void copy_pairs(struct call *call, struct MHD_Connection *connection,
                       enum MHD_ValueKind kind, struct fields *fields)
{
    struct pairs pairs = {fields, &call->arena};
    MHD_get_connection_values_n(connection, kind, on_pair, &pairs);
}

static struct call *call_create(const struct face *face, struct MHD_Connection *connection,
                                const char *method, const char *path)
{
    struct call *call = mem_calloc(1, sizeof *call);
    atomic_init(&call->references, 1);
    call->face = face;
    call->stream = stream_create(connection);
    call->request.body_fd = -1;
    call->request.peer_fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    call->request.body = &call->body;
    call->request.method = arena_strdup(&call->arena, method);
    call->reply.stream = call->stream;
    call->reply.is_head = strcmp(method, "HEAD") == 0;
    copy_pairs(call, connection, MHD_HEADER_KIND, &call->request.headers);
    copy_pairs(call, connection, MHD_GET_ARGUMENT_KIND, &call->request.parameters);
    call->route = access_find_route(face->access, face->is_tcp, path, &call->request, &call->reply);
    if (call->route && call->route->access == ROUTE_TOKEN)
        crowd_keep(connection);
    if (call->route)
        call->request.argument = route_argument(call->route, path, &call->arena);
    return call;
}

static void take_content(struct call *call, const char *data, size_t length)
{
    enum route_content content = call->route ? call->route->content : CONTENT_NONE;
    if (content == CONTENT_FILE && !call->body_problem.is_set) {
        const char *folder = call->face->context->data_dir;
        spool_write(&call->request.body_fd, folder, data, length, &call->body_problem);
    } else if (content == CONTENT_SMALL) {
        call->is_too_long |= call->body.length + length > SMALL_MAX_BYTES;
        if (!call->is_too_long)
            buffer_append(&call->body, data, length);
    }
}

// --- answering -----------------------------------------------------------------------------------

static const char *policy_text(enum reply_policy policy)
{
    switch (policy) {
    case POLICY_PAGE:
        return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
               "connect-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; "
               "frame-ancestors 'none'";
    case POLICY_RECORD:
        return "default-src 'none'; sandbox; frame-ancestors 'none'";
    case POLICY_NONE:
        break;
    }
    return "default-src 'none'; frame-ancestors 'none'";
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && *value)
        MHD_add_response_header(response, name, value);
}

static void add_headers(struct MHD_Response *response, const struct reply *reply)
{
    add_header(response, "Content-Type", reply->type);
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "X-Frame-Options", "DENY");
    add_header(response, "Content-Security-Policy", policy_text(reply->policy));
    add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    add_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    add_header(response, "Referrer-Policy", "no-referrer");
    add_header(response, "Cache-Control", reply->cache_control ? reply->cache_control : "no-store");
    add_header(response, "Allow", reply->allow);
    add_header(response, "WWW-Authenticate", reply->wants_token ? "Bearer realm=\"hark\"" : NULL);
    for (size_t i = 0; i < reply->header_count; i++)
        add_header(response, reply->headers[i].name, reply->headers[i].value);
}

static struct MHD_Response *streamed_response(struct call *call)
{
    const struct reply *reply = &call->reply;
    uint64_t length = reply->has_length ? (uint64_t)reply->length : MHD_SIZE_UNKNOWN;
    struct MHD_Response *response =
        MHD_create_response_from_callback(length, BLOCK_BYTES, stream_read, call->stream, NULL);
    // libmicrohttpd would end the head alone with a chunk of content.
    if (reply->is_head && !reply->has_length)
        add_header(response, "Connection", "close");
    return response;
}

static struct MHD_Response *whole_response(struct reply *reply)
{
    if (reply->fixed)
        return MHD_create_response_from_buffer(reply->fixed_length, (void *)(uintptr_t)reply->fixed,
                                               MHD_RESPMEM_PERSISTENT);
    size_t length = reply->body.length;
    return MHD_create_response_from_buffer(length, buffer_take(&reply->body),
                                           MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_reply(struct call *call, struct MHD_Connection *connection)
{
    struct reply *reply = &call->reply;
    call->phase = CALL_ANSWERED;
    struct MHD_Response *response =
        reply->is_streamed ? streamed_response(call) : whole_response(reply);
    if (!response)
        return MHD_NO;
    add_headers(response, reply);
    enum MHD_Result result =
        MHD_queue_response(connection, reply->status ? reply->status : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

// --- working -------------------------------------------------------------------------------------

static bool is_unwanted(void *ctx)
{
    const struct call *call = ctx;
    return stream_is_unwanted(call->stream);
}

static void run_route(struct call *call)
{
    call->route->answer(call->face->context, &call->request, &call->reply);
}

// A streamed answer has been let go already; what is left is its end.
static void finish(struct call *call)
{
    if (!call->reply.is_streamed)
        stream_begin(call->stream, NULL);
    else if (!call->reply.is_handed_over)
        stream_end(call->stream, !call->reply.has_failed);
}

static struct call *call_of(struct pool_job *job)
{
    return (struct call *)((char *)job - offsetof(struct call, job));
}

static void on_run(struct pool_job *job, struct store_reader *reader, const struct err *err)
{
    struct call *call = call_of(job);
    call->request.reader = reader;
    if (!reader) {
        reply_read_problem(&call->reply, err);
    } else if (!is_unwanted(call)) {
        store_reader_watch(reader, is_unwanted, call);
        run_route(call);
        store_reader_watch(reader, NULL, NULL);
    }
    finish(call);
}

static void on_cancel(struct pool_job *job)
{
    stream_abandon(call_of(job)->stream);
}

static void on_release(struct pool_job *job)
{
    call_unref(call_of(job));
}

static bool submit(struct call *call)
{
    call->job = (struct pool_job){
        .run = on_run,
        .cancel = on_cancel,
        .release = on_release,
        .lane = call->route->work == WORK_LONG ? POOL_LONG : POOL_QUICK,
    };
    call->reply.may_stream = true;
    atomic_fetch_add(&call->references, 1);
    call->phase = CALL_WORKING;
    if (pool_submit(call->face->pool, &call->job))
        return true;
    atomic_fetch_sub(&call->references, 1);
    reply_problem(&call->reply, 503, "too much is asked at once", "Try again in a moment.");
    return false;
}

// True if somebody else goes on with it, who has to begin the stream.
static bool run_now(struct call *call)
{
    run_route(call);
    if (call->reply.is_handed_over)
        call->phase = CALL_WORKING;
    return call->reply.is_handed_over;
}

static bool has_bad_content(struct call *call)
{
    if (call->is_too_long)
        reply_problem(&call->reply, 413, "the body is too long", "At most %zu bytes are taken.",
                      SMALL_MAX_BYTES);
    else if (call->body_problem.is_set)
        reply_problem(&call->reply, 507, "the body could not be kept", "%s",
                      call->body_problem.text);
    return call->is_too_long || call->body_problem.is_set;
}

// The request is here as a whole.
static enum MHD_Result on_received(struct call *call, struct MHD_Connection *connection)
{
    if (!call->route || has_bad_content(call))
        return send_reply(call, connection);
    if (call->request.body_fd >= 0)
        lseek(call->request.body_fd, 0, SEEK_SET);
    bool is_elsewhere = call->route->work == WORK_NOW ? run_now(call) : submit(call);
    if (is_elsewhere && stream_await_begin(call->stream))
        return MHD_YES;
    return send_reply(call, connection);
}

enum MHD_Result call_on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                const char *method, const char *version, const char *upload,
                                size_t *upload_bytes, void **request)
{
    (void)version;
    struct call *call = *request;
    if (!call) {
        *request = call_create(ctx, connection, method, path);
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        take_content(call, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    // Called again: the connection was resumed, since the stream has begun.
    return call->phase == CALL_WORKING ? send_reply(call, connection)
                                       : on_received(call, connection);
}

void call_on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)why;
    struct call *call = *request;
    crowd_release(connection);
    *request = NULL;
    if (!call)
        return;
    stream_abandon(call->stream);
    call_unref(call);
}
