// SPDX-License-Identifier: MIT
// The proxy as a whole: opens the recording, binds, starts recorder and workers, and ends them in
// the opposite order.
#include "hark/server.h"

#include "admission.h"
#include "hark/authority.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/version.h"
#include "playback_recording.h"
#include "recorder.h"
#include "refusal.h"
#include "server_state.h"
#include "upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// As long as a backup or somebody at a prompt may well take.
#define BUSY_PATIENCE_US     ((int64_t)60000000)
#define RESERVED_DESCRIPTORS (24 + 4 * REFUSAL_FAREWELLS_MAX)
#define ORIGIN_DESCRIPTORS   4096L
#define FULL_PATIENCE_US     ((int64_t)1000000)
#define THREAD_STACK_BYTES   ((size_t)1 << 20)

// --- what workers ask --------------------------------------------------------------------------

struct worker *server_least_busy_worker(const struct server *server, struct worker *self)
{
    struct worker *least = self;
    int fewest = atomic_load(&self->connections);
    for (size_t i = 0; i < server->worker_count; i++) {
        int connections = atomic_load(&server->workers[i]->connections);
        if (connections < fewest) {
            fewest = connections;
            least = server->workers[i];
        }
    }
    return least;
}

enum server_room server_find_room(struct server *server, int64_t now_us)
{
    int connections = 0;
    for (size_t i = 0; i < server->worker_count; i++)
        connections += atomic_load(&server->workers[i]->connections);
    int64_t since_us = atomic_load(&server->full_since_us);
    if (connections < server->connections_max) {
        if (since_us != 0)
            atomic_store(&server->full_since_us, 0);
        return ROOM_THERE;
    }
    if (since_us == 0) {
        atomic_store(&server->full_since_us, now_us);
        return ROOM_SOON;
    }
    return now_us - since_us < FULL_PATIENCE_US ? ROOM_SOON : ROOM_NONE;
}

int server_connection_limit(const struct config *config, struct log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return config->max_connections;
    // A connection takes one descriptor while it is idle, and a second, for its origin, while it
    // works.
    long room = (long)limit.rlim_cur - RESERVED_DESCRIPTORS;
    room -= room / 2 < ORIGIN_DESCRIPTORS ? room / 2 : ORIGIN_DESCRIPTORS;
    if (room < 1)
        room = 1;
    if (room >= config->max_connections)
        return config->max_connections;
    bool is_default = strcmp(config_origin(config, "max_connections"), "default") == 0;
    log_write(log, is_default ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN, "server",
              "max_connections is %d, but %ld is all that ulimit -n %ld has room for",
              config->max_connections, room, (long)limit.rlim_cur);
    return (int)room;
}

struct authenticator *server_authenticator(struct server *server)
{
    return server->authenticator;
}

struct worker *server_worker(const struct server *server, size_t index)
{
    return index < server->worker_count ? server->workers[index] : NULL;
}

const char *server_db_path(const struct server *server)
{
    return server->db_path;
}

struct replay_list *server_replays(struct server *server)
{
    return &server->replays;
}

const char *server_refuses_replays(const struct server *server)
{
    if (atomic_load(&server->is_draining))
        return "the daemon is about to end";
    switch ((enum config_mode)atomic_load(&server->mode)) {
    case CONFIG_MODE_OFF:
        return "mode is off: the answers would not be recorded";
    case CONFIG_MODE_PLAYBACK:
        return "mode is playback: nothing is sent to origins";
    case CONFIG_MODE_RECORD:
    case CONFIG_MODE_PLAYBACK_OR_RECORD:
        break;
    }
    return NULL;
}

// --- start -------------------------------------------------------------------------------------

static int open_recording(struct server *server, const struct server_options *options,
                          struct err *err)
{
    const struct config *config = options->config;
    if (config_is_read_only(config)) {
        server->session_id = 1;
        server->next_session_id = 2;
        return 0;
    }
    const struct redaction rules = redaction_of(config, server->redact_key);
    char *command = redact_command(&rules, options->command);
    struct buffer settings = {0};
    buffer_printf(&settings, "{\"durability\":\"%s\",\"mode\":\"%s\"}",
                  config_text(config, "durability"), config_text(config, "mode"));
    const struct store_writer_options writer_options = {
        .path = options->db_path,
        .is_own_place = config->db == NULL,
        .sync_every_commit = config->durability == CONFIG_DURABILITY_FULL,
        .version = HARK_VERSION,
        .command = command,
        .settings = settings.data,
        .log = options->log,
    };
    server->writer = store_writer_open(&writer_options, err);
    buffer_fini(&settings);
    free(command);
    if (server->writer == NULL)
        return -1;
    server->session_id = store_writer_session_id(server->writer);
    server->next_session_id = server->session_id + 1;
    return 0;
}

// Playing back an empty file that was made just now would be of use to nobody.
static int check_recording(const struct server_options *options, struct err *err)
{
    if (options->config->mode != CONFIG_MODE_PLAYBACK || access(options->db_path, F_OK) == 0)
        return 0;
    return err_set(err,
                   "playback: there is no recording %s to answer from; record one with mode = "
                   "record or playback-or-record",
                   options->db_path);
}

static int open_playback(struct server *server, struct config *config, struct err *err)
{
    if (!config_plays_back(config))
        return 0;
    server->playback = playback_open(config, server->db_path, server->log, err);
    if (server->playback == NULL)
        return -1;
    playback_tallies_open(&server->playback->tallies, server->session_id);
    return 0;
}

void server_post_to_all(struct server *server, const struct inbox_item *item)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_post(server->workers[i], item);
}

// The recorder writes, and may fail, before there are workers; then none of them waits for it.
static void on_room(void *ctx)
{
    struct server *server = ctx;
    if (atomic_load(&server->has_workers))
        server_post_to_all(server, &(struct inbox_item){.kind = INBOX_ROOM});
}

static void warn_of_clock(const struct server *server)
{
    time_t from = (time_t)authority_valid_from(server->authority);
    if (clock_wall_us() / 1000000 >= (int64_t)from)
        return;
    char text[32];
    struct tm utc;
    gmtime_r(&from, &utc);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
    log_warn(server->log, "proxy",
             "%s/ca.pem is valid only from %s on, and clients refuse it until then: set the clock, "
             "or, if it is right, remove ca.pem and ca-key.pem to make a new pair",
             server->data_dir, text);
}

int server_open_authority(struct server *server, const struct config *config, struct err *err)
{
    if (!config->intercept || server->authority != NULL)
        return 0;
    server->authority = authority_open(server->data_dir, err);
    if (server->authority == NULL)
        return -1;
    warn_of_clock(server);
    return 0;
}

static int start_recorder(struct server *server, const struct config *config, struct err *err)
{
    const struct recorder_options options = {
        .writer = server->writer,
        .first_id = server->playback != NULL ? server->playback->last_id + 1 : 1,
        .queue_limit_bytes = (size_t)config->queue_bytes,
        .busy_patience_us = BUSY_PATIENCE_US,
        .is_prompt = config->durability != CONFIG_DURABILITY_RELAXED,
        .on_room = on_room,
        .ctx = server,
        .log = server->log,
    };
    server->recorder = recorder_create(&options, err);
    if (server->recorder == NULL)
        return -1;
    recorder_set_limits(server->recorder, config->keep_age_ms, config->keep_bytes);
    return 0;
}

static void create_workers(struct server *server, struct config *config)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)clock_wall_us();
    server->workers = mem_calloc((size_t)config->workers, sizeof(server->workers[0]));
    for (int i = 0; i < config->workers; i++) {
        struct worker *worker = worker_create(server, config, server->recorder, server->log);
        worker->admission = server->admission;
        worker->authority = server->authority;
        worker->playback = server->playback;
        worker->redact_key = server->redact_key;
        snprintf(worker->via, sizeof(worker->via), "hark-%08x", random);
        server->workers[server->worker_count++] = worker;
    }
}

static int start_all(struct server *server, const struct server_options *options, struct err *err)
{
    struct config *config = options->config;
    if (server_check_config(config, err) != 0 ||
        server_prepare_redaction(server, config, err) != 0 || check_recording(options, err) != 0 ||
        (!options->has_no_clients && server_open_listeners(server, options, err) != 0) ||
        (!options->has_no_clients && server_open_authority(server, config, err) != 0) ||
        open_recording(server, options, err) != 0 || open_playback(server, config, err) != 0)
        return -1;
    server->connections_max = server_connection_limit(config, options->log);
    server->must_record = server_records(config);
    server->mode = (int)config->mode;
    server->wants_login = config->credentials != NULL;
    if (start_recorder(server, config, err) != 0)
        return -1;
    create_workers(server, config);
    for (size_t i = 0; i < server->worker_count; i++)
        if (worker_open(server->workers[i], err) != 0)
            return -1;
    atomic_store(&server->has_workers, true);
    for (struct listener *at = server->listeners; at != NULL; at = at->next) {
        at->session_id = server->session_id;
        server_listen_everywhere(server, at);
    }
    for (size_t i = 0; i < server->worker_count; i++)
        if (worker_start(server->workers[i], err) != 0)
            return -1;
    return 0;
}

// A worker has been seen to take 300 KiB, which a small `ulimit -s` does not give. This counts for
// the threads of libraries, too.
static void ensure_stack_size(void)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    if (pthread_getattr_default_np(&attributes) != 0)
        return;
    pthread_attr_getstacksize(&attributes, &bytes);
    if (bytes < THREAD_STACK_BYTES &&
        pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES) == 0)
        pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

struct server *server_start(const struct server_options *options, struct err *err)
{
    ensure_stack_size();
    upstream_init_library();
    struct server *server = mem_calloc(1, sizeof(*server));
    server->log = options->log;
    server->data_dir = mem_strdup(options->data_dir);
    server->db_path = mem_strdup(options->db_path);
    server->started_us = clock_wall_us();
    pthread_mutex_init(&server->mutex, NULL);
    pthread_mutex_init(&server->replays.mutex, NULL);
    server->config = options->config;
    server->admission = admission_create(server->log);
    admission_configure(server->admission, options->config);
    server->authenticator = authenticator_create(server->log, err);
    if (server->authenticator == NULL || start_all(server, options, err) != 0) {
        server_stop(server);
        return NULL;
    }
    return server;
}

int server_run_job(struct server *server, store_step_fn step, void *ctx, struct err *err)
{
    return recorder_run_job(server->recorder, step, ctx, err);
}

// --- drain, stop -------------------------------------------------------------------------------

void server_drain(struct server *server)
{
    atomic_store(&server->is_draining, true);
    server_post_to_all(server, &(struct inbox_item){.kind = INBOX_DRAIN});
    // New clients are refused at once, instead of waiting for nobody.
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
        if (!at->is_passed)
            shutdown(at->fd, SHUT_RDWR);
    pthread_mutex_unlock(&server->mutex);
}

bool server_is_drained(const struct server *server)
{
    for (size_t i = 0; i < server->worker_count; i++)
        if (atomic_load(&server->workers[i]->in_flight) > 0)
            return false;
    return true;
}

static void stop_workers(struct server *server)
{
    server_post_to_all(server, &(struct inbox_item){.kind = INBOX_STOP});
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    if (server->recorder != NULL)
        server_close_sessions(server);
    if (server->authenticator != NULL)
        authenticator_stop(server->authenticator);
    stop_workers(server);
    recorder_destroy(server->recorder);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_destroy(server->workers[i]);
    playback_close(server->playback);
    authority_close(server->authority);
    if (server->writer != NULL)
        store_writer_close(server->writer);
    server_free_listeners(server);
    admission_destroy(server->admission);
    authenticator_destroy(server->authenticator);
    pthread_mutex_destroy(&server->mutex);
    pthread_mutex_destroy(&server->replays.mutex);
    config_release(server->config);
    free(server->workers);
    free(server->data_dir);
    free(server->db_path);
    free(server);
}

const char *server_authority_pem(const struct server *server)
{
    struct authority *authority = server->authority;
    return authority == NULL ? NULL : authority_pem(authority);
}

bool server_admits(struct server *server, const struct sockaddr *peer, socklen_t length)
{
    struct address address = {.length = length};
    if (length > sizeof(address.storage))
        return false;
    memcpy(&address.storage, peer, length);
    return admission_allows(server->admission, &address);
}
