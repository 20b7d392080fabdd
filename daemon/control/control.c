// SPDX-License-Identifier: MIT
// Requests come in through two daemons of libmicrohttpd, each with a thread of its own, and are
// worked on there or by the pool.
#include "hark/control.h"

#include "access.h"
#include "call.h"
#include "endpoint.h"
#include "events.h"
#include "hark/mem.h"
#include "place.h"
#include "pool.h"
#include "priority.h"
#include "routes.h"
#include "sessions.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX   (CROWD_MAX + 64) // some are on their way out
#define IDLE_TIMEOUT_S    30
#define CONNECTION_MEMORY (32 * 1024)

// Owner: whoever called control_create().
struct control {
    struct route_context context;
    struct access access;
    pthread_mutex_t mutex;     // guards which page is the current one
    struct control_page *page; // NULL: none
    struct control_page *left; // older ones, with clients that are not done
    struct endpoint_socket socket;
    struct pool *pool;
    struct face local;
};

static enum MHD_Result on_peer(void *ctx, const struct sockaddr *address, socklen_t length)
{
    struct face *face = ctx;
    bool is_let_in =
        server_admits(face->context->server, address, length) && crowd_make_room(&face->crowd);
    return is_let_in ? MHD_YES : MHD_NO;
}

// Takes over the descriptor: the face's daemon closes it.
static int start_face(struct control *control, struct face *face, const struct access *access,
                      int *fd, bool is_tcp, struct err *err)
{
    *face = (struct face){
        .access = access, .context = &control->context, .pool = control->pool, .is_tcp = is_tcp};
    face->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, is_tcp ? on_peer : NULL, face,
        call_on_request, face, MHD_OPTION_NOTIFY_CONNECTION, is_tcp ? crowd_on_connection : NULL,
        &face->crowd, MHD_OPTION_NOTIFY_COMPLETED, call_on_completed, NULL,
        MHD_OPTION_LISTEN_SOCKET, *fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
    if (!face->daemon)
        return err_set(err, "control: start the %s: libmicrohttpd refused",
                       is_tcp ? "page" : "socket");
    *fd = -1;
    return 0;
}

static int open_page(struct control *control, const struct control_options *options,
                     struct err *err)
{
    if (options->ui_socket <= 0)
        return control_prepare_page(control, options->ui_address, &control->page, err);
    control->page = place_take(options->ui_socket, options->ui_address, &control->access, err);
    return control->page == NULL ? -1 : 0;
}

struct control *control_create(const struct control_options *options, struct err *err)
{
    struct control *control = mem_calloc(1, sizeof *control);
    pthread_mutex_init(&control->mutex, NULL);
    control->context.control = control;
    control->context.data_dir = mem_strdup(options->data_dir);
    control->access.data_dir = control->context.data_dir;
    control->context.sessions = sessions_create();
    if (endpoint_listen_socket(options->data_dir, &control->socket, err) < 0 ||
        token_load(options->data_dir, &control->access.token, err) < 0 ||
        open_page(control, options, err) < 0) {
        control_destroy(control);
        return NULL;
    }
    return control;
}

static int start_page(struct control *control, struct control_page *page, struct err *err)
{
    // Known to the proxy before the page answers, so that no request can pass through it.
    server_set_page_address(control->context.server, page->address);
    return start_face(control, &page->face, &page->access, &page->fd, true, err);
}

static int start_all(struct control *control, struct control_page *page, struct err *err)
{
    if (page != NULL && start_page(control, page, err) < 0)
        return -1;
    if (control->local.daemon)
        return 0;
    return start_face(control, &control->local, &control->access, &control->socket.fd, false, err);
}

// What the starting thread needs. Owner: start_faces()'s stack.
struct starting {
    struct control *control;
    struct control_page *page;
    struct err *err;
    int result;
};

static void *starter_main(void *ctx)
{
    struct starting *starting = ctx;
    priority_lower();
    starting->result = start_all(starting->control, starting->page, starting->err);
    return NULL;
}

// A thread that libmicrohttpd starts has the priority of the one that starts it.
static int start_faces(struct control *control, struct control_page *page, struct err *err)
{
    struct starting starting = {.control = control, .page = page, .err = err, .result = -1};
    pthread_t starter;
    int code = pthread_create(&starter, NULL, starter_main, &starting);
    if (code != 0)
        return err_set(err, "control: start a thread: %s", strerror(code));
    pthread_join(starter, NULL);
    return starting.result;
}

int control_start(struct control *control, struct server *server, const char *db_path,
                  struct err *err)
{
    control->context.server = server;
    control->context.db_path = mem_strdup(db_path);
    control->pool = pool_create(db_path);
    control->context.events = events_create(db_path);
    return start_faces(control, control->page, err);
}

// --- the page's place ----------------------------------------------------------------------------

bool control_get_address(struct control *control, char address[CONTROL_ADDRESS_MAX])
{
    pthread_mutex_lock(&control->mutex);
    bool has_page = control->page != NULL;
    if (has_page)
        memcpy(address, control->page->address, CONTROL_ADDRESS_MAX);
    pthread_mutex_unlock(&control->mutex);
    return has_page;
}

int control_prepare_page(struct control *control, const char *ui_address,
                         struct control_page **page, struct err *err)
{
    *page = control->page;
    if (control->page != NULL && place_is_asked(control->page, ui_address))
        return 0;
    *page =
        ui_address == NULL ? NULL : place_bind(ui_address, control->page, &control->access, err);
    return *page == NULL && ui_address != NULL ? -1 : 0;
}

void control_drop_page(struct control *control, struct control_page *page)
{
    if (page != control->page)
        place_destroy(page);
}

static void destroy_idle(struct control *control)
{
    struct control_page **link = &control->left;
    while (*link != NULL) {
        struct control_page *page = *link;
        if (!place_is_idle(page)) {
            link = &page->next;
            continue;
        }
        *link = page->next;
        place_destroy(page);
    }
}

int control_change_page(struct control *control, struct control_page *page, struct err *err)
{
    struct control_page *old = control->page;
    destroy_idle(control);
    if (page == old)
        return 0;
    if (page != NULL && start_faces(control, page, err) < 0) {
        server_set_page_address(control->context.server, old == NULL ? NULL : old->address);
        place_destroy(page);
        return -1;
    }
    if (page == NULL)
        server_set_page_address(control->context.server, NULL);
    pthread_mutex_lock(&control->mutex);
    control->page = page;
    pthread_mutex_unlock(&control->mutex);
    if (old != NULL) {
        place_leave(old);
        old->next = control->left;
        control->left = old;
    }
    return 0;
}

size_t control_finish_sessions(struct control *control)
{
    return sessions_finish(control->context.sessions, control->context.server);
}

void control_refuse_sessions(struct control *control)
{
    sessions_refuse(control->context.sessions);
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
    place_destroy(control->page);
    while (control->left != NULL) {
        struct control_page *next = control->left->next;
        place_destroy(control->left);
        control->left = next;
    }
    if (control->local.daemon)
        MHD_stop_daemon(control->local.daemon);
    pool_destroy(control->pool);
    events_destroy(control->context.events);
    sessions_destroy(control->context.sessions);
    pthread_mutex_destroy(&control->mutex);
    free((char *)control->context.db_path);
    free((char *)control->context.data_dir);
    free(control);
}
