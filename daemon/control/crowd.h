// SPDX-License-Identifier: MIT
// The connections of the page. Whoever may connect could take all of them and say nothing, or a
// byte now and then; so when there is no room, the one goes that has waited longest without a
// request that the token allows.
//
// Owner: the face. Thread: its daemon's.
#ifndef HARK_CONTROL_CROWD_H
#define HARK_CONTROL_CROWD_H

#include <microhttpd.h>
#include <stdbool.h>

#define CROWD_MAX 512

struct guest;

struct crowd {
    struct guest *first; // of those that may be sent away, the one that has waited longest
    struct guest *last;
    int count; // of all
};

// Room for one more: there is, or it is made.
bool crowd_make_room(struct crowd *crowd);
// For MHD_OPTION_NOTIFY_CONNECTION; ctx is the crowd.
void crowd_on_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
                         enum MHD_ConnectionNotificationCode what);
// A request that the token allows begins, and any request ends. Of a connection that is in no crowd
// nothing is done.
void crowd_keep(struct MHD_Connection *connection);
void crowd_release(struct MHD_Connection *connection);

#endif
