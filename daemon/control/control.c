// SPDX-License-Identifier: MIT
// Requests come in through two daemons of libmicrohttpd, each with a thread of its own, pass the
// checks that the face they came through wants, and are answered by a route.
//
// Over TCP anybody on the machine can ask, and so can a web page in a browser there: the Host field
// must be ours (a page of another site that rebinds its name to 127.0.0.1 sends its own), and the
// API wants the token. Over the socket file the file's mode has done all that.
#include "hark/control.h"

#include "endpoint.h"
#include "hark/mem.h"
#include "host_check.h"
#include "routes.h"
#include "sessions.h"
#include "token.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_MAX       64
#define CONNECTIONS_MAX   64
#define IDLE_TIMEOUT_S    30
#define CONNECTION_MEMORY (16 * 1024)
#define BODY_MAX_BYTES    (64 * 1024)

// One way in. Thread: `daemon`'s own reads it.
struct face {
    const struct control *control;
    struct MHD_Daemon *daemon;
    bool is_tcp;
};

// Owner: whoever called control_create().
struct control {
    struct route_context context;
    struct token token;
    char address[ADDRESS_MAX]; // empty without a page
    int page_fd;               // listening, until the daemon has it; -1 for none
    struct endpoint_socket socket;
    struct face tcp;
    struct face local;
};

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct reply *reply)
{
    size_t length = reply->body.length;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(length, buffer_take(&reply->body), MHD_RESPMEM_MUST_FREE);
    if (!response)
        return MHD_NO;
    if (reply->type)
        MHD_add_response_header(response, "Content-Type", reply->type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Content-Security-Policy",
                            "default-src 'none'; frame-ancestors 'none'");
    MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (reply->allow)
        MHD_add_response_header(response, "Allow", reply->allow);
    if (reply->wants_token)
        MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"hark\"");
    enum MHD_Result result =
        MHD_queue_response(connection, reply->status ? reply->status : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static const char *find_header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

// What came of one request so far. Owner: libmicrohttpd's connection, until on_completed().
struct incoming {
    struct buffer body;
    bool is_too_long;
};

static void explain_missing(const char *allow, struct reply *reply)
{
    if (!allow) {
        reply_problem(reply, 404, "there is no such page", "The root / says what there is.");
        return;
    }
    reply->allow = allow;
    reply_problem(reply, 405, "the method does not fit", "This page knows %s only.", allow);
}

static bool has_token(const struct face *face, struct MHD_Connection *connection)
{
    return token_is_granted(&face->control->token, find_header(connection, "Authorization"));
}

// The route that the request is to reach; NULL with a problem in the reply if there is none for it.
static const struct route *find_route(const struct face *face, struct MHD_Connection *connection,
                                      const char *method, const char *path, struct reply *reply)
{
    const struct control *control = face->control;
    if (face->is_tcp && !host_is_ours(find_header(connection, "Host"), control->address)) {
        reply_problem(reply, 403, "the Host field is not this page's", "Ask for http://%s instead.",
                      control->address);
        return NULL;
    }
    const char *allow;
    const struct route *route = route_find(method, path, &allow);
    // Which methods a path knows is no secret.
    bool is_open = route ? route->access == ROUTE_OPEN : allow != NULL;
    if (face->is_tcp && !is_open && !has_token(face, connection)) {
        reply->wants_token = true;
        reply_problem(reply, 401, "the token is missing or wrong",
                      "Send \"Authorization: Bearer …\" with what is in the file %s/" //
                      CONTROL_TOKEN_NAME ".",
                      control->context.data_dir);
        return NULL;
    }
    if (!route) {
        explain_missing(allow, reply);
        return NULL;
    }
    if (face->is_tcp && route->access == ROUTE_SOCKET) {
        reply_problem(reply, 403, "this is answered over the socket alone",
                      "Ask over the file %s/" CONTROL_SOCKET_NAME ".", control->context.data_dir);
        return NULL;
    }
    return route;
}

static void answer(const struct face *face, struct MHD_Connection *connection, const char *method,
                   const char *path, const struct incoming *incoming, struct reply *reply)
{
    const struct route *route = find_route(face, connection, method, path, reply);
    if (!route)
        return;
    if (incoming->is_too_long) {
        reply_problem(reply, 413, "the body is too long", "At most %d bytes are taken.",
                      BODY_MAX_BYTES);
        return;
    }
    const struct request request = {route_argument(route, path), &incoming->body};
    route->answer(&face->control->context, &request, reply);
}

static void take_body(struct incoming *incoming, const char *data, size_t length)
{
    incoming->is_too_long |= incoming->body.length + length > BODY_MAX_BYTES;
    if (!incoming->is_too_long)
        buffer_append(&incoming->body, data, length);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **request)
{
    (void)version;
    struct incoming *incoming = *request;

    // An answer in the first call would make libmicrohttpd close the connection.
    if (!incoming) {
        *request = mem_calloc(1, sizeof *incoming);
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        take_body(incoming, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    struct reply reply = {0};
    answer(ctx, connection, method, path, incoming, &reply);
    enum MHD_Result result = send_reply(connection, &reply);
    buffer_fini(&reply.body);
    return result;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode why)
{
    (void)ctx;
    (void)connection;
    (void)why;
    struct incoming *incoming = *request;
    if (incoming)
        buffer_fini(&incoming->body);
    free(incoming);
    *request = NULL;
}

// Takes over the descriptor: the face's daemon closes it.
static int start_face(struct control *control, struct face *face, int *fd, bool is_tcp,
                      struct err *err)
{
    face->control = control;
    face->is_tcp = is_tcp;
    face->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, face,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_LISTEN_SOCKET, *fd,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (!face->daemon)
        return err_set(err, "control: start the %s: libmicrohttpd refused",
                       is_tcp ? "page" : "socket");
    *fd = -1;
    return 0;
}

static int bind_page(struct control *control, const char *ui_address, struct err *err)
{
    control->page_fd =
        endpoint_listen_tcp(ui_address, control->address, sizeof control->address, err);
    if (control->page_fd < 0)
        return -1;
    control->context.address = control->address;
    return 0;
}

struct control *control_create(const struct control_options *options, struct err *err)
{
    struct control *control = mem_calloc(1, sizeof *control);
    control->page_fd = -1;
    control->context.data_dir = mem_strdup(options->data_dir);
    control->context.must_record = options->must_record;
    control->context.sessions = sessions_create();
    if (endpoint_listen_socket(options->data_dir, &control->socket, err) < 0 ||
        token_load(options->data_dir, &control->token, err) < 0 ||
        (options->ui_address && bind_page(control, options->ui_address, err) < 0)) {
        control_destroy(control);
        return NULL;
    }
    return control;
}

int control_start(struct control *control, struct server *server, const char *db_path,
                  struct err *err)
{
    control->context.server = server;
    control->context.db_path = mem_strdup(db_path);
    if (control->page_fd >= 0) {
        // Known to the proxy before the page answers, so that no request can pass through it.
        server_protect_address(server, control->address);
        if (start_face(control, &control->tcp, &control->page_fd, true, err) < 0)
            return -1;
    }
    return start_face(control, &control->local, &control->socket.fd, false, err);
}

const char *control_address(const struct control *control)
{
    return control->context.address;
}

size_t control_finish_sessions(struct control *control)
{
    return sessions_finish(control->context.sessions, control->context.server);
}

void control_destroy(struct control *control)
{
    if (!control)
        return;
    // First the file, while somebody still listens: a file that nobody answers on may be replaced
    // by another daemon's, which must stay.
    endpoint_socket_fini(&control->socket);
    if (control->tcp.daemon)
        MHD_stop_daemon(control->tcp.daemon);
    if (control->local.daemon)
        MHD_stop_daemon(control->local.daemon);
    if (control->page_fd >= 0)
        close(control->page_fd);
    sessions_destroy(control->context.sessions);
    free((char *)control->context.db_path);
    free((char *)control->context.data_dir);
    free(control);
}
