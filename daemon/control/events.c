// SPDX-License-Identifier: MIT
// Others put listeners into an inbox under the lock; everything else is the thread's alone.
#include "events.h"

#include "feed.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "priority.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

// How often the recording is looked at, and how often while somebody catches up.
#define TICK_NS       ((int64_t)100 * 1000000)
#define SHORT_TICK_NS ((int64_t)20 * 1000000)

// What all listeners together are sent in a tick. When many listen they hear of things later rather
// than keep the cores busy.
#define TICK_BYTES ((int64_t)2 * 1024 * 1024)

struct events {
    char *db_path;
    pthread_mutex_t mutex;
    pthread_cond_t has_news;
    struct feed *inbox; // a feed for each newcomer
    size_t listener_count;
    bool is_running; // the thread is
    bool is_stopping;
    pthread_t thread;

    // The thread's.
    struct feed *feeds;
    struct store_reader *reader; // NULL while nobody listens
    ino_t inode;                 // of the file it has open
};

// --- the list of feeds ---------------------------------------------------------------------------

static void end_all(struct feed **feeds, bool is_whole)
{
    while (*feeds) {
        struct feed *feed = *feeds;
        *feeds = feed->next;
        feed_dismiss(feed, is_whole);
        feed_destroy(feed);
    }
}

// One that is level and about the same, for a newcomer that begins now.
static struct feed *find_level(const struct events *events, const struct feed *newcomer)
{
    if (newcomer->position.length > 0)
        return NULL;
    for (struct feed *feed = events->feeds; feed; feed = feed->next)
        if (feed_is_for(feed, newcomer->wish.filter_text, newcomer->wish.with_pending) &&
            feed_is_level(feed))
            return feed;
    return NULL;
}

// Feeds that have come to the same place become one; those without listeners end.
static void tidy(struct events *events)
{
    for (struct feed **link = &events->feeds; *link;) {
        struct feed *feed = *link;
        for (struct feed *other = feed->next; other && feed->listeners; other = other->next)
            if (feed_is_same(feed, other))
                feed_merge(other, feed, false);
        if (feed->listeners) {
            link = &feed->next;
            continue;
        }
        *link = feed->next;
        feed_destroy(feed);
    }
}

// --- a tick --------------------------------------------------------------------------------------

// The recording may have been set aside as damaged and begun anew.
static bool is_replaced(const struct events *events)
{
    struct stat info;
    return stat(events->db_path, &info) == 0 && info.st_ino != events->inode;
}

static void close_reader(struct events *events)
{
    end_all(&events->feeds, false);
    store_reader_close(events->reader);
    events->reader = NULL;
}

static bool is_stopping(void *ctx)
{
    struct events *events = ctx;
    pthread_mutex_lock(&events->mutex);
    bool is_stopping = events->is_stopping;
    pthread_mutex_unlock(&events->mutex);
    return is_stopping;
}

// Without a recording to read the streams break off, and the listeners try again.
static bool open_reader(struct events *events)
{
    struct err ignored = {0};
    struct stat info = {0};
    if (events->reader && !is_replaced(events))
        return true;
    close_reader(events);
    stat(events->db_path, &info);
    events->inode = info.st_ino;
    events->reader = store_reader_open(events->db_path, &ignored);
    if (events->reader)
        store_reader_watch(events->reader, is_stopping, events);
    return events->reader != NULL;
}

static void add_behind(struct events *events, struct feed *feed)
{
    while (feed->behind) {
        struct feed *behind = feed->behind;
        feed->behind = behind->next;
        behind->next = events->feeds;
        events->feeds = behind;
    }
}

// Each tick begins with another feed, so that a rare budget is shared.
static void rotate(struct events *events)
{
    struct feed *first = events->feeds;
    if (!first || !first->next)
        return;
    struct feed **end = &first->next;
    while (*end)
        end = &(*end)->next;
    events->feeds = first->next;
    first->next = NULL;
    *end = first;
}

static void poll_feed(struct events *events, struct feed *feed, int64_t *budget_bytes)
{
    struct err err = {0};
    if (feed_poll(feed, events->reader, budget_bytes, &err) < 0)
        feed_dismiss(feed, false);
}

// Returns how soon to look again.
static int64_t poll_all(struct events *events, int64_t *budget_bytes)
{
    bool is_level = true;
    rotate(events);
    for (struct feed *feed = events->feeds; feed && *budget_bytes > 0; feed = feed->next) {
        poll_feed(events, feed, budget_bytes);
        is_level = is_level && feed_is_level(feed) && !feed->behind;
        add_behind(events, feed);
    }
    return is_level || *budget_bytes <= 0 ? TICK_NS : SHORT_TICK_NS;
}

// After the others have been told what came before them.
static void take_in(struct events *events, struct feed *inbox, int64_t *budget_bytes)
{
    while (inbox) {
        struct feed *newcomer = inbox;
        inbox = newcomer->next;
        struct feed *known = find_level(events, newcomer);
        if (known) {
            feed_merge(known, newcomer, true);
            feed_destroy(newcomer);
        } else {
            newcomer->next = events->feeds;
            events->feeds = newcomer;
            poll_feed(events, newcomer, budget_bytes);
            add_behind(events, newcomer);
        }
    }
}

static size_t tend_all(struct events *events)
{
    size_t count = 0;
    int64_t now_us = clock_monotonic_us();
    for (struct feed *feed = events->feeds; feed; feed = feed->next)
        count += feed_tend(feed, now_us);
    return count;
}

// Returns how many listen then.
static size_t tick(struct events *events, struct feed *inbox, int64_t *wait_ns)
{
    *wait_ns = TICK_NS;
    if (!open_reader(events)) {
        end_all(&inbox, false);
        return 0;
    }
    int64_t budget_bytes = TICK_BYTES;
    *wait_ns = poll_all(events, &budget_bytes);
    take_in(events, inbox, &budget_bytes);
    size_t count = tend_all(events);
    tidy(events);
    if (count == 0)
        close_reader(events);
    return count;
}

// --- the thread ----------------------------------------------------------------------------------

// Called under the lock.
static void wait_for(struct events *events, int64_t wait_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ns;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    while (!events->is_stopping && !events->inbox &&
           pthread_cond_timedwait(&events->has_news, &events->mutex, &until) == 0)
        continue;
}

static void *thread_main(void *ctx)
{
    struct events *events = ctx;
    priority_lower();
    pthread_mutex_lock(&events->mutex);
    while (!events->is_stopping) {
        struct feed *inbox = events->inbox;
        size_t known = events->listener_count;
        int64_t wait_ns;
        events->inbox = NULL;
        pthread_mutex_unlock(&events->mutex);
        size_t count = tick(events, inbox, &wait_ns);
        pthread_mutex_lock(&events->mutex);
        events->listener_count -= known - count;
        if (events->listener_count > 0)
            wait_for(events, wait_ns);
        while (events->listener_count == 0 && !events->is_stopping)
            pthread_cond_wait(&events->has_news, &events->mutex);
    }
    pthread_mutex_unlock(&events->mutex);
    end_all(&events->inbox, true);
    end_all(&events->feeds, true);
    close_reader(events);
    return NULL;
}

// --- from outside --------------------------------------------------------------------------------

struct events *events_create(const char *db_path)
{
    struct events *events = mem_calloc(1, sizeof *events);
    pthread_condattr_t monotonic;
    events->db_path = mem_strdup(db_path);
    pthread_mutex_init(&events->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&events->has_news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return events;
}

static bool start(struct events *events)
{
    if (!events->is_running)
        events->is_running = pthread_create(&events->thread, NULL, thread_main, events) == 0;
    return events->is_running;
}

bool events_join(struct events *events, const struct events_wish *wish, struct stream *stream)
{
    pthread_mutex_lock(&events->mutex);
    bool is_taken =
        !events->is_stopping && events->listener_count < EVENTS_LISTENERS_MAX && start(events);
    if (is_taken) {
        struct feed *feed =
            feed_create(wish->filter_text, wish->filter, wish->with_pending, wish->position);
        feed_add(feed, stream_ref(stream));
        feed->next = events->inbox;
        events->inbox = feed;
        events->listener_count++;
        pthread_cond_signal(&events->has_news);
    }
    pthread_mutex_unlock(&events->mutex);
    return is_taken;
}

void events_stop(struct events *events)
{
    if (!events)
        return;
    pthread_mutex_lock(&events->mutex);
    events->is_stopping = true;
    pthread_cond_signal(&events->has_news);
    bool is_running = events->is_running;
    pthread_mutex_unlock(&events->mutex);
    if (is_running)
        pthread_join(events->thread, NULL);
}

void events_destroy(struct events *events)
{
    if (!events)
        return;
    pthread_cond_destroy(&events->has_news);
    pthread_mutex_destroy(&events->mutex);
    free(events->db_path);
    free(events);
}
