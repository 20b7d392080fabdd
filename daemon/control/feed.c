// SPDX-License-Identifier: MIT
// A row becomes one event for all listeners; its id is the position after it.
#include "feed.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/rows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_US ((int64_t)15 * 1000000)
#define STUCK_MAX_US ((int64_t)20 * 1000000)
// Others want to hear of something, too.
#define POLL_MAX_US 50000
#define COMMENT     ":\n"
#define RETRY       "retry: 1000\n"

// --- life ----------------------------------------------------------------------------------------

struct feed *feed_create(const char *filter_text, struct filter *filter, bool with_pending,
                         const char *position)
{
    struct feed *feed = mem_calloc(1, sizeof *feed);
    feed->wish = (struct feed_wish){mem_strdup(filter_text), with_pending};
    feed->filter = filter;
    buffer_append_text(&feed->position, position ? position : "");
    return feed;
}

static void listener_end(struct listener *listener, bool is_whole)
{
    stream_end(listener->stream, is_whole);
    stream_unref(listener->stream);
    free(listener);
}

void feed_dismiss(struct feed *feed, bool is_whole)
{
    while (feed->listeners) {
        struct listener *listener = feed->listeners;
        feed->listeners = listener->next;
        listener_end(listener, is_whole);
    }
}

void feed_destroy(struct feed *feed)
{
    if (!feed)
        return;
    assert(!feed->listeners);
    store_follow_destroy(feed->follow);
    filter_destroy(feed->filter);
    buffer_fini(&feed->position);
    free(feed->wish.filter_text);
    free(feed);
}

static void link_listener(struct feed *feed, struct listener *listener)
{
    listener->next = feed->listeners;
    feed->listeners = listener;
}

void feed_add(struct feed *feed, struct stream *stream)
{
    struct listener *listener = mem_calloc(1, sizeof *listener);
    listener->stream = stream;
    listener->heard_us = clock_monotonic_us();
    link_listener(feed, listener);
}

// --- what is alike -------------------------------------------------------------------------------

bool feed_is_for(const struct feed *feed, const char *filter_text, bool with_pending)
{
    return feed->wish.with_pending == with_pending &&
           strcmp(feed->wish.filter_text, filter_text) == 0;
}

bool feed_is_level(const struct feed *feed)
{
    return feed->follow && !store_follow_is_behind(feed->follow);
}

bool feed_is_same(const struct feed *feed, const struct feed *other)
{
    return feed_is_level(feed) && feed_is_level(other) &&
           feed_is_for(feed, other->wish.filter_text, other->wish.with_pending) &&
           strcmp(feed->position.data, other->position.data) == 0;
}

// --- events --------------------------------------------------------------------------------------

static void note_position(struct feed *feed)
{
    buffer_clear(&feed->position);
    store_follow_position(feed->follow, &feed->position);
}

// Only says where the stream is: nothing is dispatched for it.
static enum stream_result offer_position(const struct feed *feed, struct listener *listener,
                                         const char *before)
{
    struct buffer event = {0};
    buffer_printf(&event, "%sid: %s\n\n", before, feed->position.data);
    enum stream_result result = stream_offer(listener->stream, event.data, event.length);
    buffer_fini(&event);
    return result;
}

void feed_merge(struct feed *to, struct feed *from, bool is_welcome)
{
    while (from->listeners) {
        struct listener *listener = from->listeners;
        from->listeners = listener->next;
        if (is_welcome)
            offer_position(to, listener, RETRY);
        link_listener(to, listener);
    }
}

// A poll under way. Owner: feed_poll()'s stack.
struct telling {
    struct feed *feed;
    int64_t *budget_bytes;
    int64_t now_us;
    struct buffer event;
};

// A listener without room goes on by itself, from before the row it could not take.
static void part_with(struct feed *feed, struct listener **link, int64_t now_us)
{
    struct listener *listener = *link;
    *link = listener->next;
    if (listener->stuck_us == 0)
        listener->stuck_us = now_us;
    struct feed *own =
        feed_create(feed->wish.filter_text, NULL, feed->wish.with_pending, feed->position.data);
    link_listener(own, listener);
    own->next = feed->behind;
    feed->behind = own;
}

static void send_event(struct telling *telling)
{
    struct feed *feed = telling->feed;
    for (struct listener **link = &feed->listeners; *link;) {
        struct listener *listener = *link;
        enum stream_result result =
            stream_offer(listener->stream, telling->event.data, telling->event.length);
        if (result == STREAM_FULL) {
            part_with(feed, link, telling->now_us);
            continue;
        }
        listener->heard_us = telling->now_us;
        *telling->budget_bytes -= (int64_t)telling->event.length;
        link = &listener->next;
    }
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct telling *telling = ctx;
    struct feed *feed = telling->feed;
    struct buffer *event = &telling->event;
    buffer_clear(event);
    buffer_append_text(event, "id: ");
    store_follow_position(feed->follow, event);
    buffer_append_text(event, "\nevent: exchange\ndata: ");
    rows_append_json(event, count, names, values);
    buffer_append_text(event, "\n\n");
    send_event(telling);
    note_position(feed);
    return feed->listeners && *telling->budget_bytes > 0 ? 0 : 1;
}

// --- polling -------------------------------------------------------------------------------------

static int begin(struct feed *feed, struct store_reader *reader, struct err *err)
{
    const struct store_follow_options options = {
        .filter = feed->filter,
        .position = feed->position.length > 0 ? feed->position.data : NULL,
        .with_pending = feed->wish.with_pending,
        .is_wide = true,
    };
    if (!feed->filter && *feed->wish.filter_text) {
        const char *text = feed->wish.filter_text;
        feed->filter = filter_create(&text, 1, err);
        if (!feed->filter)
            return -1;
    }
    feed->follow = store_follow_create(reader, &options, err);
    if (!feed->follow)
        return -1;
    note_position(feed);
    for (struct listener *listener = feed->listeners; listener; listener = listener->next)
        offer_position(feed, listener, RETRY);
    return 0;
}

// A feed that is about to begin waits until its listener has read what it was sent.
static bool has_room(const struct feed *feed)
{
    for (struct listener *listener = feed->listeners; listener; listener = listener->next)
        if (listener->stuck_us > 0)
            return false;
    return true;
}

static void note_room(struct feed *feed)
{
    for (struct listener *listener = feed->listeners; listener; listener = listener->next)
        if (listener->stuck_us > 0 && stream_is_empty(listener->stream))
            listener->stuck_us = 0;
}

int feed_poll(struct feed *feed, struct store_reader *reader, int64_t *budget_bytes,
              struct err *err)
{
    struct telling telling = {
        .feed = feed, .budget_bytes = budget_bytes, .now_us = clock_monotonic_us()};
    note_room(feed);
    if (!has_room(feed))
        return 0;
    if (!feed->follow && begin(feed, reader, err) < 0)
        return -1;
    int result;
    do
        result = store_follow_poll(feed->follow, NULL, on_row, &telling, err);
    while (result == 0 && store_follow_is_behind(feed->follow) &&
           clock_monotonic_us() - telling.now_us < POLL_MAX_US);
    // Also where nothing was told: what does not match has been passed over.
    note_position(feed);
    buffer_fini(&telling.event);
    return result < 0 ? -1 : 0;
}

static bool is_lost(struct listener *listener, int64_t now_us)
{
    uint64_t sent_bytes = stream_sent_bytes(listener->stream);
    if (listener->stuck_us > 0 && sent_bytes != listener->sent_bytes)
        listener->stuck_us = now_us;
    listener->sent_bytes = sent_bytes;
    return stream_is_unwanted(listener->stream) ||
           (listener->stuck_us > 0 && now_us - listener->stuck_us > STUCK_MAX_US);
}

size_t feed_tend(struct feed *feed, int64_t now_us)
{
    size_t count = 0;
    for (struct listener **link = &feed->listeners; *link;) {
        struct listener *listener = *link;
        if (is_lost(listener, now_us)) {
            *link = listener->next;
            listener_end(listener, false);
            continue;
        }
        if (feed->follow && now_us - listener->heard_us > HEARTBEAT_US) {
            offer_position(feed, listener, COMMENT);
            listener->heard_us = now_us;
        }
        count++;
        link = &listener->next;
    }
    return count;
}
