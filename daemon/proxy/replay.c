// SPDX-License-Identifier: MIT
// A run: reads requests from the recording, starts them when it is their turn, reads on in their
// bodies when they want it, and tells what became of them.
//
// The thread waits for three things at once: news from the workers, the time of the next request,
// and being told to stop. Nothing of it is ever large: one request is read ahead, of each body a
// segment.
#include "hark/replay.h"

#include "hark/clock.h"
#include "hark/mem.h"
#include "replay_plan.h"
#include "replay_read.h"
#include "server_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// How long a stopped run waits for what is going on.
#define STOP_PATIENCE_US ((int64_t)3000000)
// How often it looks whether somebody wants it to stop, or the server ends.
#define LOOK_US ((int64_t)100000)
// A rate is kept on average over this long: no more is caught up on.
#define RATE_SLACK_US ((int64_t)50000)

// Owner: whoever created it. Thread: that of replay_run(), but for the stop.
struct replay {
    struct replay *next; // in the server's list, under its mutex
    struct server *server;
    const struct replay_options *options;
    struct arena arena;
    struct target origin; // what `to` says
    struct store_reader *reader;
    struct replay_plan plan;
    struct replay_mailbox mailbox;
    atomic_int stops;
    int64_t session_id;
    const struct replay_callbacks *callbacks;

    struct replay_request *ahead; // read, and not its turn yet
    int64_t ahead_us;             // when it is, monotonic
    bool has_planned;             // the plan had anything
    bool is_planned_out;          // it has no more
    int64_t rounds_left;          // of the plan, this one among them
    int64_t begun_us;             // the round, monotonic; 0: nothing was begun
    int64_t first_recorded_us;    // of the round
    int64_t last_due_us;          // of the rate

    struct replay_request **going; // begun, their rows not written; as many as `going_count`
    size_t going_count;
    size_t going_capacity;
    size_t in_flight; // of them, not ended
    int64_t begun_count;
    int64_t told_count;
    size_t *in_flight_by_worker;
    size_t worker_count;
    int64_t looked_us;  // whether to stop, monotonic
    int64_t stopped_us; // monotonic; 0: it goes on
    bool is_aborted;
};

// --- life --------------------------------------------------------------------------------------

static int check_consent(struct replay *replay, enum replay_refusal *refusal, struct err *err)
{
    struct replay_counts counts;
    if (replay->options->is_agreed)
        return 0;
    if (replay_count(replay->reader, replay->options, &counts, err) != 0) {
        *refusal = REPLAY_NOT_READABLE;
        return -1;
    }
    if (counts.unsafe <= 1)
        return 0;
    *refusal = REPLAY_NOT_AGREED;
    return err_set(err,
                   "%lld of the %lld requests are not GET, HEAD or OPTIONS and may change "
                   "something",
                   (long long)counts.unsafe, (long long)counts.matched);
}

static int prepare(struct replay *replay, enum replay_refusal *refusal, struct err *err)
{
    const struct replay_options *options = replay->options;
    *refusal = REPLAY_BAD_OPTIONS;
    if (replay_check_options(options, err) != 0)
        return -1;
    if (options->to != NULL)
        replay_parse_origin(&replay->origin, &replay->arena, options->to, err);
    *refusal = REPLAY_IMPOSSIBLE;
    const char *why = server_refuses_replays(replay->server);
    if (why != NULL)
        return err_set(err, "%s", why);
    *refusal = REPLAY_NOT_READABLE;
    replay->mailbox.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (replay->mailbox.wake_fd < 0)
        return err_set(err, "replay: open an eventfd: %s", strerror(errno));
    replay->reader = store_reader_open(server_db_path(replay->server), err);
    if (replay->reader == NULL ||
        replay_plan_init(&replay->plan, replay->reader, options, err) != 0)
        return -1;
    *refusal = REPLAY_NOT_REFUSED;
    return check_consent(replay, refusal, err);
}

static void list_replay(struct replay *replay)
{
    struct replay_list *list = server_replays(replay->server);
    pthread_mutex_lock(&list->mutex);
    replay->next = list->first;
    list->first = replay;
    pthread_mutex_unlock(&list->mutex);
}

static void unlist_replay(struct replay *replay)
{
    struct replay_list *list = server_replays(replay->server);
    pthread_mutex_lock(&list->mutex);
    struct replay **link = &list->first;
    while (*link != NULL && *link != replay)
        link = &(*link)->next;
    if (*link != NULL)
        *link = replay->next;
    pthread_mutex_unlock(&list->mutex);
}

struct replay *replay_create(struct server *server, const struct replay_options *options,
                             enum replay_refusal *refusal, struct err *err)
{
    struct replay *replay = mem_calloc(1, sizeof(*replay));
    replay->server = server;
    replay->options = options;
    replay->rounds_left = options->repeat > 0 ? options->repeat : 1;
    replay->mailbox.wake_fd = -1;
    pthread_mutex_init(&replay->mailbox.mutex, NULL);
    while (server_worker(server, replay->worker_count) != NULL)
        replay->worker_count++;
    replay->in_flight_by_worker =
        mem_calloc(replay->worker_count, sizeof(replay->in_flight_by_worker[0]));
    if (prepare(replay, refusal, err) != 0) {
        replay_destroy(replay);
        return NULL;
    }
    replay->session_id = server_begin_session(server, options->command);
    list_replay(replay);
    return replay;
}

void replay_destroy(struct replay *replay)
{
    if (replay == NULL)
        return;
    unlist_replay(replay);
    if (replay->session_id != 0)
        server_end_session(replay->server, replay->session_id);
    store_reader_close(replay->reader);
    if (replay->mailbox.wake_fd >= 0)
        close(replay->mailbox.wake_fd);
    pthread_mutex_destroy(&replay->mailbox.mutex);
    arena_fini(&replay->arena);
    free(replay->in_flight_by_worker);
    free(replay->going);
    free(replay);
}

void replay_stop(struct replay *replay)
{
    atomic_fetch_add(&replay->stops, 1);
    eventfd_write(replay->mailbox.wake_fd, 1);
}

bool replay_stop_session(struct server *server, int64_t session_id)
{
    struct replay_list *list = server_replays(server);
    pthread_mutex_lock(&list->mutex);
    struct replay *replay = list->first;
    while (replay != NULL && replay->session_id != session_id)
        replay = replay->next;
    if (replay != NULL)
        replay_stop(replay);
    pthread_mutex_unlock(&list->mutex);
    return replay != NULL;
}

bool replay_was_stopped(const struct replay *replay)
{
    return atomic_load(&replay->stops) > 0;
}

int64_t replay_session_id(const struct replay *replay)
{
    return replay->session_id;
}

static void tell(struct replay *replay, const struct replay_result *result)
{
    if (replay->callbacks->on_result(replay->callbacks->ctx, result) != 0)
        replay_stop(replay);
}

// --- reading -----------------------------------------------------------------------------------

// Reads exchange `id` ahead; one that cannot be sent is told of, and nothing is ahead then.
static int read_ahead(struct replay *replay, int64_t id, struct err *err)
{
    struct exchange_row *recorded = NULL;
    enum store_found found = store_get_row(replay->reader, id, &recorded, err);
    if (found == STORE_READ_ERROR)
        return -1;
    if (found == STORE_NOT_FOUND) {
        tell(replay, &(struct replay_result){.outcome = REPLAY_MISSING, .replay_of = id});
        return 0;
    }
    struct replay_request *request = replay_request_create(&replay->mailbox, recorded);
    const struct replay_reading reading = {
        .reader = replay->reader,
        .options = replay->options,
        .origin = replay->options->to == NULL ? NULL : &replay->origin,
    };
    struct replay_skip skip = {0};
    request->session_id = replay->session_id;
    int result = replay_read_request(&reading, request, &skip, err);
    if (result == 0 && !skip.reason.is_set) {
        replay->ahead = request;
        return 0;
    }
    if (result == 0)
        tell(replay, &(struct replay_result){.outcome = skip.outcome,
                                             .replay_of = id,
                                             .recorded = recorded,
                                             .reason = skip.reason.text});
    replay_request_unref(request);
    return result;
}

// --- whose turn it is ---------------------------------------------------------------------------

static int64_t paced_us(struct replay *replay, const struct exchange_row *recorded)
{
    if (replay->begun_us == 0) {
        replay->begun_us = clock_monotonic_us();
        replay->first_recorded_us = recorded->started_us;
    }
    int64_t offset_us = recorded->started_us - replay->first_recorded_us;
    return replay->begun_us + (int64_t)((double)offset_us / replay->options->speed);
}

static int64_t rated_us(struct replay *replay)
{
    int64_t now_us = clock_monotonic_us();
    int64_t due_us = replay->last_due_us + (int64_t)(1e6 / replay->options->rate_per_s);
    if (replay->last_due_us == 0)
        due_us = now_us;
    replay->last_due_us = due_us > now_us - RATE_SLACK_US ? due_us : now_us - RATE_SLACK_US;
    return replay->last_due_us;
}

static int64_t due_us(struct replay *replay, const struct exchange_row *recorded)
{
    if (replay->options->speed > 0)
        return paced_us(replay, recorded);
    return replay->options->rate_per_s > 0 ? rated_us(replay) : 0;
}

static size_t concurrency(const struct replay *replay)
{
    const struct replay_options *options = replay->options;
    if (options->concurrency > 0)
        return (size_t)options->concurrency;
    return options->rate_per_s > 0 || options->speed > 0 ? REPLAY_CONCURRENCY_TIMED : 1;
}

static void begin_round(struct replay *replay)
{
    replay->rounds_left--;
    replay->is_planned_out = replay->rounds_left == 0 || !replay->has_planned;
    replay->begun_us = 0;
    replay_plan_rewind(&replay->plan);
}

// Has a request ahead, unless there is none left. The next one of the plan may be none to send.
static int look_ahead(struct replay *replay, struct err *err)
{
    int64_t id;
    while (replay->ahead == NULL && !replay->is_planned_out && replay->stopped_us == 0) {
        enum store_found found = replay_plan_next(&replay->plan, &id, err);
        if (found == STORE_READ_ERROR)
            return -1;
        if (found == STORE_FOUND) {
            replay->has_planned = true;
            if (read_ahead(replay, id, err) != 0)
                return -1;
            if (replay->ahead != NULL)
                replay->ahead_us = due_us(replay, replay->ahead->recorded);
        } else {
            begin_round(replay);
        }
        // Many that cannot be sent in a row must not keep a stop waiting.
        if (replay_was_stopped(replay))
            return 0;
    }
    return 0;
}

static size_t least_busy_worker(const struct replay *replay)
{
    size_t least = 0;
    for (size_t i = 1; i < replay->worker_count; i++)
        if (replay->in_flight_by_worker[i] < replay->in_flight_by_worker[least])
            least = i;
    return least;
}

static void begin_ahead(struct replay *replay)
{
    struct replay_request *request = replay->ahead;
    replay->ahead = NULL;
    if (replay->going_count == replay->going_capacity) {
        replay->going_capacity = replay->going_capacity == 0 ? 64 : replay->going_capacity * 2;
        replay->going =
            mem_realloc(replay->going, replay->going_capacity * sizeof(replay->going[0]));
    }
    request->number = replay->begun_count++;
    request->going_index = replay->going_count;
    replay->going[replay->going_count++] = request;
    request->worker_index = least_busy_worker(replay);
    request->worker = server_worker(replay->server, request->worker_index);
    replay->in_flight++;
    replay->in_flight_by_worker[request->worker_index]++;
    replay_request_begin(request);
}

static int begin_due(struct replay *replay, struct err *err)
{
    while (replay->stopped_us == 0 && replay->in_flight < concurrency(replay)) {
        if (look_ahead(replay, err) != 0)
            return -1;
        if (replay->ahead == NULL || replay->ahead_us > clock_monotonic_us())
            return 0;
        begin_ahead(replay);
    }
    return 0;
}

// --- news --------------------------------------------------------------------------------------

static void end_one(struct replay *replay, struct replay_request *request)
{
    replay->in_flight--;
    replay->in_flight_by_worker[request->worker_index]--;
}

static void forget(struct replay *replay, struct replay_request *request)
{
    struct replay_request *last = replay->going[--replay->going_count];
    replay->going[request->going_index] = last;
    last->going_index = request->going_index;
    replay_request_unref(request);
}

static void tell_written(struct replay *replay, struct replay_request *request)
{
    const struct exchange_row *row = request->row;
    bool is_answered = row->state == ROW_STATE_DONE && row->error == NULL;
    tell(replay, &(struct replay_result){
                     .outcome = is_answered ? REPLAY_ANSWERED : REPLAY_FAILED,
                     .replay_of = request->recorded->id,
                     .recorded = request->recorded,
                     .row = row,
                     .is_recorded = request->is_recorded,
                 });
    replay->told_count++;
    forget(replay, request);
}

static struct replay_request *next_in_order(const struct replay *replay)
{
    for (size_t i = 0; i < replay->going_count; i++)
        if (replay->going[i]->number == replay->told_count && replay->going[i]->is_written)
            return replay->going[i];
    return NULL;
}

// Rows of requests that went out one after the other may be written the other way round, since
// each worker has its own say.
static void on_row_written(struct replay *replay, struct replay_request *request)
{
    request->is_written = true;
    if (concurrency(replay) > 1) {
        tell_written(replay, request);
        return;
    }
    while ((request = next_in_order(replay)) != NULL)
        tell_written(replay, request);
}

static int handle_news(struct replay *replay, struct replay_request *request, unsigned news,
                       struct err *err)
{
    int result = 0;
    if (news & NEWS_ENDED)
        end_one(replay, request);
    if ((news & NEWS_WANTS_BODY) && !(news & NEWS_ENDED)) {
        result = replay_read_body(replay->reader, request, err);
        if (result == 0)
            replay_request_give(request);
        else
            replay_request_abort(request);
    }
    if (news & NEWS_WRITTEN)
        on_row_written(replay, request);
    return result;
}

static struct replay_request *take_mail(struct replay *replay, unsigned *news)
{
    struct replay_mailbox *mailbox = &replay->mailbox;
    pthread_mutex_lock(&mailbox->mutex);
    struct replay_request *request = mailbox->first;
    if (request != NULL) {
        mailbox->first = request->next;
        *news = request->news;
        request->news = 0;
    }
    pthread_mutex_unlock(&mailbox->mutex);
    return request;
}

// Whoever ended makes room at once, before the results are told.
static int handle_mail(struct replay *replay, struct err *err)
{
    unsigned news = 0;
    struct replay_request *request;
    while ((request = take_mail(replay, &news)) != NULL)
        if (handle_news(replay, request, news, err) != 0)
            return -1;
    return 0;
}

// --- the loop ----------------------------------------------------------------------------------

static void abort_all(struct replay *replay)
{
    replay->is_aborted = true;
    for (size_t i = 0; i < replay->going_count; i++)
        replay_request_abort(replay->going[i]);
}

static void check_stop(struct replay *replay, struct err *err)
{
    int64_t now_us = clock_monotonic_us();
    if (now_us >= replay->looked_us + LOOK_US) {
        replay->looked_us = now_us;
        if (replay->callbacks->must_stop != NULL &&
            replay->callbacks->must_stop(replay->callbacks->ctx))
            replay_stop(replay);
    }
    int stops = atomic_load(&replay->stops);
    const char *why = server_refuses_replays(replay->server);
    if (why != NULL)
        err_set(err, "replay: %s", why);
    if (replay->stopped_us == 0 && (stops > 0 || err->is_set)) {
        replay->stopped_us = now_us;
        if (replay->ahead != NULL)
            replay_request_unref(replay->ahead);
        replay->ahead = NULL;
    }
    bool has_waited = replay->stopped_us != 0 && now_us >= replay->stopped_us + STOP_PATIENCE_US;
    if (!replay->is_aborted && (stops > 1 || has_waited))
        abort_all(replay);
}

static int64_t wait_us(const struct replay *replay)
{
    int64_t left_us = LOOK_US;
    bool has_room = replay->in_flight < concurrency(replay);
    if (replay->ahead != NULL && has_room) {
        int64_t until_us = replay->ahead_us - clock_monotonic_us();
        left_us = until_us < left_us ? until_us : left_us;
    }
    return left_us > 0 ? left_us : 0;
}

static void wait_for_news(struct replay *replay)
{
    struct pollfd wake = {.fd = replay->mailbox.wake_fd, .events = POLLIN};
    int64_t us = wait_us(replay);
    struct timespec timeout = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    eventfd_t count;
    if (ppoll(&wake, 1, &timeout, NULL) > 0)
        eventfd_read(wake.fd, &count);
}

static bool is_over(const struct replay *replay)
{
    bool has_more = replay->ahead != NULL || !replay->is_planned_out;
    return replay->going_count == 0 && (replay->stopped_us != 0 || !has_more);
}

int replay_run(struct replay *replay, const struct replay_callbacks *callbacks, struct err *err)
{
    replay->callbacks = callbacks;
    for (;;) {
        // An error ends it as a stop does: what has begun is seen through.
        handle_mail(replay, err);
        check_stop(replay, err);
        begin_due(replay, err);
        check_stop(replay, err);
        if (is_over(replay))
            return err->is_set ? -1 : 0;
        wait_for_news(replay);
    }
}
