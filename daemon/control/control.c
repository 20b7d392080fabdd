// SPDX-License-Identifier: MIT
// Requests come in through two daemons of libmicrohttpd, each with a thread of its own, and are
// worked on there or by the pool.
#include "hark/control.h"

#include "access.h"
#include "call.h"
#include "endpoint.h"
#include "events.h"
#include "hark/mem.h"
#include "pool.h"
#include "priority.h"
#include "routes.h"
#include "sessions.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_MAX       64
#define CONNECTIONS_MAX   512
#define IDLE_TIMEOUT_S    30
#define CONNECTION_MEMORY (32 * 1024)

// Owner: whoever called control_create().
struct control {
    struct route_context context;
    struct access access;
    char address[ADDRESS_MAX]; // empty without a page
    int page_fd;               // listening, until the daemon has it; -1 for none
    struct endpoint_socket socket;
    struct pool *pool;
    struct face tcp;
    struct face local;
};

static enum MHD_Result on_peer(void *ctx, const struct sockaddr *address, socklen_t length)
{
    struct control *control = ctx;
    return server_admits(control->context.server, address, length) ? MHD_YES : MHD_NO;
}

// Takes over the descriptor: the face's daemon closes it.
static int start_face(struct control *control, struct face *face, int *fd, bool is_tcp,
                      struct err *err)
{
    *face = (struct face){.access = &control->access,
                          .context = &control->context,
                          .pool = control->pool,
                          .is_tcp = is_tcp};
    face->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, is_tcp ? on_peer : NULL,
        control, call_on_request, face, MHD_OPTION_NOTIFY_COMPLETED, call_on_completed, NULL,
        MHD_OPTION_LISTEN_SOCKET, *fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (!face->daemon)
        return err_set(err, "control: start the %s: libmicrohttpd refused",
                       is_tcp ? "page" : "socket");
    *fd = -1;
    return 0;
}

static int bind_page(struct control *control, const struct control_options *options,
                     struct err *err)
{
    if (options->ui_socket > 0)
        control->page_fd =
            endpoint_take_tcp(options->ui_socket, control->address, sizeof control->address, err);
    else
        control->page_fd = endpoint_listen_tcp(options->ui_address, control->address,
                                               sizeof control->address, err);
    if (control->page_fd < 0)
        return -1;
    control->context.address = control->address;
    control->access.address = control->address;
    return 0;
}

struct control *control_create(const struct control_options *options, struct err *err)
{
    struct control *control = mem_calloc(1, sizeof *control);
    control->page_fd = -1;
    control->context.data_dir = mem_strdup(options->data_dir);
    control->access.data_dir = control->context.data_dir;
    control->context.must_record = options->must_record;
    control->context.sessions = sessions_create();
    if (endpoint_listen_socket(options->data_dir, &control->socket, err) < 0 ||
        token_load(options->data_dir, &control->access.token, err) < 0 ||
        ((options->ui_address || options->ui_socket > 0) && bind_page(control, options, err) < 0)) {
        control_destroy(control);
        return NULL;
    }
    return control;
}

// What the starting thread needs. Owner: control_start()'s stack.
struct starting {
    struct control *control;
    struct err *err;
    int result;
};

// A thread that libmicrohttpd starts has the priority of the one that starts it.
static void *start_faces(void *ctx)
{
    struct starting *starting = ctx;
    struct control *control = starting->control;
    priority_lower();
    starting->result = 0;
    if (control->page_fd >= 0)
        starting->result =
            start_face(control, &control->tcp, &control->page_fd, true, starting->err);
    if (starting->result == 0)
        starting->result =
            start_face(control, &control->local, &control->socket.fd, false, starting->err);
    return NULL;
}

int control_start(struct control *control, struct server *server, const char *db_path,
                  struct err *err)
{
    control->context.server = server;
    control->context.db_path = mem_strdup(db_path);
    control->pool = pool_create(db_path);
    control->context.events = events_create(db_path);
    // Known to the proxy before the page answers, so that no request can pass through it.
    if (control->page_fd >= 0)
        server_protect_address(server, control->address);
    struct starting starting = {.control = control, .err = err, .result = -1};
    pthread_t starter;
    int code = pthread_create(&starter, NULL, start_faces, &starting);
    if (code != 0)
        return err_set(err, "control: start a thread: %s", strerror(code));
    pthread_join(starter, NULL);
    return starting.result;
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
    // Then what is worked on: libmicrohttpd does not stop while a connection is suspended.
    pool_stop(control->pool);
    events_stop(control->context.events);
    if (control->tcp.daemon)
        MHD_stop_daemon(control->tcp.daemon);
    if (control->local.daemon)
        MHD_stop_daemon(control->local.daemon);
    if (control->page_fd >= 0)
        close(control->page_fd);
    pool_destroy(control->pool);
    events_destroy(control->context.events);
    sessions_destroy(control->context.sessions);
    free((char *)control->context.db_path);
    free((char *)control->context.data_dir);
    free(control);
}
