// SPDX-License-Identifier: MIT
#include "crowd.h"

#include "hark/mem.h"

#include <stdlib.h>
#include <sys/socket.h>

// One connection. Owner: libmicrohttpd's connection.
struct guest {
    struct crowd *crowd;
    struct guest *previous;
    struct guest *next;
    bool is_listed;
    bool is_sent_away;
    int fd;
};

static void list_last(struct guest *guest)
{
    struct crowd *crowd = guest->crowd;
    guest->is_listed = true;
    guest->next = NULL;
    guest->previous = crowd->last;
    if (crowd->last != NULL)
        crowd->last->next = guest;
    else
        crowd->first = guest;
    crowd->last = guest;
}

static void unlist(struct guest *guest)
{
    struct crowd *crowd = guest->crowd;
    if (!guest->is_listed)
        return;
    guest->is_listed = false;
    if (guest->previous != NULL)
        guest->previous->next = guest->next;
    else
        crowd->first = guest->next;
    if (guest->next != NULL)
        guest->next->previous = guest->previous;
    else
        crowd->last = guest->previous;
}

// libmicrohttpd, which has it, takes this for the client's going.
static void send_away(struct guest *guest)
{
    unlist(guest);
    guest->is_sent_away = true;
    shutdown(guest->fd, SHUT_RDWR);
}

bool crowd_make_room(struct crowd *crowd)
{
    if (crowd->count < CROWD_MAX)
        return true;
    if (crowd->first == NULL)
        return false;
    send_away(crowd->first);
    return true;
}

void crowd_on_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
                         enum MHD_ConnectionNotificationCode what)
{
    struct guest *guest = *socket_ctx;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        guest = mem_calloc(1, sizeof(*guest));
        guest->crowd = ctx;
        guest->fd =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        guest->crowd->count++;
        list_last(guest);
        *socket_ctx = guest;
    } else {
        unlist(guest);
        guest->crowd->count--;
        free(guest);
    }
}

static struct guest *guest_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void crowd_keep(struct MHD_Connection *connection)
{
    struct guest *guest = guest_of(connection);
    if (guest != NULL)
        unlist(guest);
}

void crowd_release(struct MHD_Connection *connection)
{
    struct guest *guest = guest_of(connection);
    if (guest == NULL || guest->is_sent_away)
        return;
    unlist(guest);
    list_last(guest);
}
