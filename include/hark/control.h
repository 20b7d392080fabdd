// SPDX-License-Identifier: MIT
// The page and the API: over TCP for a browser and for scrapers, and over a socket in the data
// folder for hark's own commands.
//
// It has threads of its own and only asks the server for snapshots, so that nobody who looks can
// hold up the traffic.
#ifndef HARK_CONTROL_H
#define HARK_CONTROL_H

#include "hark/err.h"
#include "hark/server.h"

#include <stdbool.h>
#include <stddef.h>

#define CONTROL_SOCKET_NAME "control.sock"
#define CONTROL_TOKEN_NAME  "token"
#define CONTROL_ADDRESS_MAX 64

struct control;

struct control_options {
    const char *data_dir;   // exists; gets the socket and the token, both 0600
    const char *ui_address; // "127.0.0.1:4276", port 0 picks one; NULL: the socket alone
    int ui_socket;          // listening, taken over, in the place of `ui_address`; 0: none
};

// Binds the addresses and makes the token if there is none yet. Fails if another daemon serves
// from the folder, so it comes before anything of that daemon's could be touched.
struct control *control_create(const struct control_options *options, struct err *err);
// Starts answering. The server outlives the control floor. Threads inherit the caller's signal
// mask. -1 leaves it to control_destroy().
int control_start(struct control *control, struct server *server, const char *db_path,
                  struct err *err);
// Where the page is, "127.0.0.1:4276", with the real port; false without a page. Thread: any.
bool control_get_address(struct control *control, char address[CONTROL_ADDRESS_MAX]);

// Another place for the page while the daemon runs, in two steps, so that nothing has changed if
// the address cannot be had. `ui_address` and the page may be NULL: none. Thread: main.
struct control_page;
int control_prepare_page(struct control *control, const char *ui_address,
                         struct control_page **page, struct err *err);
void control_drop_page(struct control *control, struct control_page *page);
int control_change_page(struct control *control, struct control_page *page, struct err *err);
// How many sessions beside the daemon's own belong to processes that still run; once it has said 0,
// no more are opened.
size_t control_finish_sessions(struct control *control);
// No more are opened: the server takes no more requests.
void control_refuse_sessions(struct control *control);
// Ends what is being answered and removes the socket. Takes NULL.
void control_destroy(struct control *control);

#endif
