// SPDX-License-Identifier: MIT
#include "place.h"

#include "endpoint.h"
#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct control_page *create(const char *asked, const struct access *access)
{
    struct control_page *page = mem_calloc(1, sizeof *page);
    page->asked = asked == NULL ? NULL : mem_strdup(asked);
    page->access = *access;
    page->access.address = page->address;
    return page;
}

static struct control_page *with_socket(struct control_page *page, int fd)
{
    page->fd = fd;
    if (fd >= 0)
        return page;
    place_destroy(page);
    return NULL;
}

static int socket_of(const struct control_page *page)
{
    const union MHD_DaemonInfo *info =
        page == NULL || page->face.daemon == NULL
            ? NULL
            : MHD_get_daemon_info(page->face.daemon, MHD_DAEMON_INFO_LISTEN_FD);
    return info == NULL ? -1 : info->listen_fd;
}

struct control_page *place_bind(const char *asked, const struct control_page *leaving,
                                const struct access *access, struct err *err)
{
    struct control_page *page = create(asked, access);
    return with_socket(page, endpoint_listen_tcp(asked, socket_of(leaving), page->address,
                                                 sizeof page->address, err));
}

struct control_page *place_take(int fd, const char *asked, const struct access *access,
                                struct err *err)
{
    struct control_page *page = create(asked, access);
    return with_socket(page, endpoint_take_tcp(fd, page->address, sizeof page->address, err));
}

bool place_is_asked(const struct control_page *page, const char *asked)
{
    if (page->asked == NULL || asked == NULL)
        return page->asked == asked;
    return strcmp(page->asked, asked) == 0;
}

void place_leave(struct control_page *page)
{
    MHD_socket fd = MHD_quiesce_daemon(page->face.daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
}

bool place_is_idle(const struct control_page *page)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(page->face.daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL && info->num_connections == 0;
}

void place_destroy(struct control_page *page)
{
    if (page == NULL)
        return;
    if (page->face.daemon != NULL)
        MHD_stop_daemon(page->face.daemon);
    if (page->fd >= 0)
        close(page->fd);
    free(page->asked);
    free(page);
}
