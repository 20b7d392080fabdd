// SPDX-License-Identifier: MIT
// Live exchanges for whoever listens: one thread follows the recording and feeds the streams.
//
// The thread exists only once somebody has listened, looks ten times a second at most, and only
// while somebody listens. Listeners with the same wish share one follow. A listener that reads
// slowly goes on by itself from where it is; one that does not read at all is let go, and may come
// back with the position of the last event it got: nothing is missed and nothing repeated.
#ifndef HARK_CONTROL_EVENTS_H
#define HARK_CONTROL_EVENTS_H

#include "hark/store_reader.h"
#include "stream.h"

#include <stdbool.h>

#define EVENTS_LISTENERS_MAX 256

// Thread: any.
struct events;

struct events *events_create(const char *db_path);
// Ends all streams and the thread; from then on nobody is taken. Takes NULL.
void events_stop(struct events *events);
void events_destroy(struct events *events); // of stopped ones; takes NULL

// What somebody wants to hear of. Texts are copied.
struct events_wish {
    const char *filter_text; // what `filter` was made of; "" for none
    struct filter *filter;   // taken over if the listener is taken; NULL: all
    const char *position;    // to go on from; NULL: from now on
    bool with_pending;
};
// Takes a reference to the stream, which has begun or is about to. False if too many listen
// already: then nothing is taken.
bool events_join(struct events *events, const struct events_wish *wish, struct stream *stream);

#endif
