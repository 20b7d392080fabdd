// SPDX-License-Identifier: MIT
// Looking for a text in recorded bodies and WebSocket messages: content codings are undone, and
// texts read in the character set that their header names. A piece at a time is in memory.
#ifndef HARK_STORE_BODY_SEARCH_H
#define HARK_STORE_BODY_SEARCH_H

#include "hark/store_writer.h"
#include "hark/text_search.h"
#include "watch.h"

#include <sqlite3.h>
#include <stdbool.h>

// What is looked for. Owner: who created it.
struct body_needle {
    struct text_search *search;
    bool is_ascii;
};

struct body_needle *body_needle_create(const char *text, size_t length);
void body_needle_destroy(void *needle); // takes NULL

// One side of an exchange.
struct body_place {
    int64_t exchange_id;
    enum body_side side;
    bool is_websocket;
    const char *coding; // Content-Encoding of a response
};

// The statements that read bodies of one connection. Owner: who declared it, zero-initialised but
// for `db` and `watch`. Thread: that of the connection.
struct body_search {
    sqlite3 *db;
    struct watch *watch;      // NULL: nobody interrupts
    sqlite3_stmt *headers[2]; // by body_side
    sqlite3_stmt *segments;
    sqlite3_stmt *messages;
};

void body_search_fini(struct body_search *search);
// Is the text there? Returns SQLITE_OK, SQLITE_INTERRUPT or what made reading fail. What cannot be
// decoded is searched as far as it can.
int body_search_run(struct body_search *search, const struct body_place *place,
                    struct body_needle *needle, bool *is_found);

#endif
