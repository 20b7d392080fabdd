// SPDX-License-Identifier: MIT
// The index of a recording, and its thread. Bodies are read when a request with that head comes
// for the first time: a recording has a million of them, a test run asks for a few.
#include "playback_recording.h"

#include "hark/mem.h"
#include "playback_key.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// An exchange that has just ended may not be committed yet.
#define COMMIT_LOOKS   200
#define COMMIT_LOOK_NS (10 * 1000 * 1000L)

static const uint64_t unread_body = UINT64_C(0x756e7265616421);

uint32_t playback_place(const char *host, const char *path)
{
    uint64_t place = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (const char *at = host != NULL ? host : ""; *at != '\0'; at++)
        place = (place ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    for (const char *at = path != NULL ? path : ""; *at != '\0'; at++)
        place = (place ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    return (uint32_t)(place ^ (place >> 32));
}

// --- finding -----------------------------------------------------------------------------------

static uint64_t body_key(const struct playback *playback, uint64_t head_key, uint64_t body)
{
    return playback_wants_body(playback->config) ? playback_mix(head_key, body) : head_key;
}

void playback_add(struct playback *playback, uint64_t head_key, bool has_body, int64_t id,
                  const char *host, const char *path)
{
    uint64_t body = has_body ? unread_body : playback->empty_body;
    playback_index_add(playback->index, body_key(playback, head_key, body), id,
                       playback_place(host, path));
}

bool playback_knows_head(struct playback *playback, uint64_t head_key)
{
    return playback_index_has(playback->index, body_key(playback, head_key, unread_body)) ||
           playback_index_has(playback->index, body_key(playback, head_key, playback->empty_body));
}

void playback_count_hit(struct playback *playback, int64_t session_id)
{
    atomic_fetch_add(&playback->hits, 1);
    playback_tallies_add(&playback->tallies, session_id, true);
}

void playback_count_miss(struct playback *playback, int64_t session_id)
{
    atomic_fetch_add(&playback->misses, 1);
    playback_tallies_add(&playback->tallies, session_id, false);
}

static bool is_wanted(const struct playback *playback, uint64_t head_key)
{
    for (size_t i = 0; i < playback->wanted_count; i++)
        if (playback->wanted[i] == head_key)
            return true;
    return false;
}

static void want(struct playback *playback, uint64_t head_key)
{
    size_t size = (playback->wanted_count + 1) * sizeof(playback->wanted[0]);
    playback->wanted = mem_realloc(playback->wanted, size);
    playback->wanted[playback->wanted_count++] = head_key;
    pthread_cond_signal(&playback->wake);
}

// Are bodies of this head still to be read? Then they will be.
static bool must_wait(struct playback *playback, uint64_t head_key)
{
    pthread_mutex_lock(&playback->mutex);
    bool is_being_read = is_wanted(playback, head_key);
    if (!is_being_read &&
        playback_index_is_waiting(playback->index, playback_mix(head_key, unread_body))) {
        want(playback, head_key);
        is_being_read = true;
    }
    pthread_mutex_unlock(&playback->mutex);
    return is_being_read;
}

enum playback_found playback_find(struct playback *playback, uint64_t head_key, uint64_t body,
                                  int64_t *id)
{
    if (playback_wants_body(playback->config) && body != playback->empty_body &&
        must_wait(playback, head_key))
        return PLAYBACK_WAIT;
    *id = playback_index_take(playback->index, body_key(playback, head_key, body));
    return *id != 0 ? PLAYBACK_FOUND : PLAYBACK_MISS;
}

// --- the thread --------------------------------------------------------------------------------

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    (void)seq;
    (void)at_us;
    playback_digest_add(ctx, data, length);
    return 0;
}

static bool is_stopping(struct playback *playback)
{
    pthread_mutex_lock(&playback->mutex);
    bool is_stopping = playback->is_stopping;
    pthread_mutex_unlock(&playback->mutex);
    return is_stopping;
}

enum store_found playback_get_row(const struct playback *playback, struct store_reader *reader,
                                  int64_t id, struct exchange_row **row, struct err *err)
{
    enum store_found found = store_get_row(reader, id, row, err);
    bool is_half =
        found == STORE_FOUND && id > playback->last_id && (*row)->state == ROW_STATE_PENDING;
    if (!is_half)
        return found;
    row_destroy(*row);
    *row = NULL;
    return STORE_NOT_FOUND;
}

static enum store_found await_row(struct playback *playback, int64_t id, struct exchange_row **row,
                                  struct err *err)
{
    enum store_found found = playback_get_row(playback, playback->bodies, id, row, err);
    for (int looks = 0; found == STORE_NOT_FOUND && id > playback->last_id &&
                        looks < COMMIT_LOOKS && !is_stopping(playback);
         looks++) {
        nanosleep(&(struct timespec){.tv_nsec = COMMIT_LOOK_NS}, NULL);
        found = playback_get_row(playback, playback->bodies, id, row, err);
    }
    return found;
}

static void read_body(struct playback *playback, uint64_t head_key, int64_t id, uint32_t place)
{
    struct err err = {0};
    struct exchange_row *row = NULL;
    struct playback_digest digest;
    if (await_row(playback, id, &row, &err) != STORE_FOUND) {
        log_warn(playback->log, "playback", "exchange %lld does not answer: %s", (long long)id,
                 err.is_set ? err.text : "it is gone from the recording");
        return;
    }
    playback_digest_init(&digest, playback->config, &row->request_headers);
    if (store_walk_body(playback->bodies, id, BODY_REQUEST, on_segment, &digest, &err) < 0)
        log_warn(playback->log, "playback", "exchange %lld does not answer: %s", (long long)id,
                 err.text);
    else
        playback_index_add(playback->index, playback_mix(head_key, playback_digest_finish(&digest)),
                           id, place);
    playback_digest_fini(&digest);
    row_destroy(row);
}

static void read_bodies(struct playback *playback, uint64_t head_key)
{
    uint64_t unread = playback_mix(head_key, unread_body);
    uint32_t place = 0;
    int64_t id;
    while (!is_stopping(playback) &&
           (id = playback_index_pop(playback->index, unread, &place)) != 0)
        read_body(playback, head_key, id, place);
}

static void *thread_main(void *arg)
{
    struct playback *playback = arg;
    pthread_mutex_lock(&playback->mutex);
    while (!playback->is_stopping) {
        if (playback->wanted_count == 0) {
            pthread_cond_wait(&playback->wake, &playback->mutex);
            continue;
        }
        uint64_t head_key = playback->wanted[0];
        pthread_mutex_unlock(&playback->mutex);
        read_bodies(playback, head_key);
        pthread_mutex_lock(&playback->mutex);
        playback->wanted_count--;
        memmove(playback->wanted, playback->wanted + 1,
                playback->wanted_count * sizeof(playback->wanted[0]));
    }
    pthread_mutex_unlock(&playback->mutex);
    return NULL;
}

// --- life --------------------------------------------------------------------------------------

static void on_request(void *ctx, const struct store_request *request)
{
    struct playback *playback = ctx;
    struct arena arena = {0};
    struct fields headers = {0};
    struct err ignored = {0};
    if (playback_wants_headers(playback->config) && request->headers_json != NULL)
        fields_from_json(&headers, &arena, request->headers_json, &ignored);
    const struct playback_head head = {
        .method = request->method,
        .scheme = request->scheme,
        .host = request->host,
        .port = request->port,
        .path = request->path,
        .query = request->query,
        .headers = &headers,
    };
    playback_add(playback, playback_head_key(playback->config, &head), request->has_body,
                 request->id, request->host, request->path);
    playback->last_id = request->id;
    arena_fini(&arena);
}

static int read_recording(struct playback *playback, struct err *err)
{
    struct filter *filter = NULL;
    const char *text = playback->config->playback_filter;
    if (text != NULL && (filter = filter_create(&text, 1, err)) == NULL)
        return err_prefix(err, "playback_filter");
    int result = store_walk_requests(playback->bodies, filter, on_request, playback, err);
    filter_destroy(filter);
    return result;
}

struct store_reader *playback_open_reader(const struct playback *playback, struct err *err)
{
    return config_is_read_only(playback->config) ? store_reader_open_still(playback->db_path, err)
                                                 : store_reader_open(playback->db_path, err);
}

static int start_thread(struct playback *playback, struct err *err)
{
    int error = pthread_create(&playback->thread, NULL, thread_main, playback);
    if (error != 0)
        return err_set(err, "playback: start a thread: %s", strerror(error));
    pthread_setname_np(playback->thread, "hark-playback");
    playback->is_started = true;
    return 0;
}

static void tell_count(const struct playback *playback)
{
    const char *filter = playback->config->playback_filter;
    size_t count = playback_index_count(playback->index);
    if (count == 0 && filter != NULL)
        log_warn(playback->log, "playback", "playback_filter %s leaves nothing that can answer",
                 filter);
    else
        log_info(playback->log, "playback", "%zu recorded %s can answer", count,
                 count == 1 ? "exchange" : "exchanges");
}

struct playback *playback_open(struct config *config, const char *db_path, struct log *log,
                               struct err *err)
{
    struct playback *playback = mem_calloc(1, sizeof(*playback));
    playback->config = config_retain(config);
    playback->log = log;
    playback->db_path = db_path;
    playback->index = playback_index_create();
    playback->empty_body = playback_digest_finish(&(struct playback_digest){0});
    playback_tallies_init(&playback->tallies);
    pthread_mutex_init(&playback->mutex, NULL);
    pthread_cond_init(&playback->wake, NULL);
    playback->bodies = playback_open_reader(playback, err);
    if (playback->bodies == NULL || read_recording(playback, err) != 0 ||
        start_thread(playback, err) != 0) {
        playback_close(playback);
        return NULL;
    }
    tell_count(playback);
    return playback;
}

void playback_close(struct playback *playback)
{
    if (playback == NULL)
        return;
    pthread_mutex_lock(&playback->mutex);
    playback->is_stopping = true;
    pthread_mutex_unlock(&playback->mutex);
    pthread_cond_signal(&playback->wake);
    if (playback->is_started)
        pthread_join(playback->thread, NULL);
    pthread_cond_destroy(&playback->wake);
    pthread_mutex_destroy(&playback->mutex);
    playback_index_destroy(playback->index);
    playback_tallies_fini(&playback->tallies);
    store_reader_close(playback->bodies);
    free(playback->wanted);
    config_release(playback->config);
    free(playback);
}
