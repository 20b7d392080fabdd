// SPDX-License-Identifier: MIT
// Giving connections to libmicrohttpd. From 1.0 on it only takes note of one, and starts it in its
// next round; what hark knows about the connection waits here until then, under its descriptor.
#include "client_private.h"
#include "hark/mem.h"
#include "route.h"

#include <stdlib.h>

struct adoption {
    struct adoption *next;
    int fd;
    struct route *route; // NULL: no CONNECT came before
    int64_t session_id;
    bool asks_no_login;
    struct client_count *count;
};

// Unlinks it; NULL if there is none.
static struct adoption *take(struct client_side *side, int fd)
{
    struct adoption **link = &side->adoptions;
    while (*link != NULL && (*link)->fd != fd)
        link = &(*link)->next;
    struct adoption *adoption = *link;
    if (adoption != NULL)
        *link = adoption->next;
    return adoption;
}

// libmicrohttpd closed the descriptor without having started the connection.
static void give_up(struct client_side *side, struct adoption *adoption)
{
    if (adoption == NULL)
        return;
    log_warn(side->worker->log, "client", "libmicrohttpd refused a connection");
    worker_end_connection(side->worker, adoption->count);
    route_destroy(adoption->route);
    free(adoption);
}

void client_side_adopt(struct client_side *side, int fd, const struct peer *peer,
                       struct route *route)
{
    // The number is in use again.
    give_up(side, take(side, fd));
    struct adoption *adoption = mem_calloc(1, sizeof(*adoption));
    *adoption = (struct adoption){side->adoptions,     fd,         route, peer->session_id,
                                  peer->asks_no_login, peer->count};
    side->adoptions = adoption;
    if (MHD_add_connection(side->daemon, fd, (const struct sockaddr *)&peer->address.storage,
                           peer->address.length) != MHD_YES)
        give_up(side, take(side, fd));
    side->must_run = true;
}

void client_adopted(struct client_side *side, int fd, struct connection *connection)
{
    struct adoption *adoption = take(side, fd);
    connection->route = adoption->route;
    connection->session_id = adoption->session_id;
    connection->asks_no_login = adoption->asks_no_login;
    connection->count = adoption->count;
    free(adoption);
}

void client_give_up_adoptions(struct client_side *side)
{
    while (side->adoptions != NULL)
        give_up(side, take(side, side->adoptions->fd));
}
