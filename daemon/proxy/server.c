// SPDX-License-Identifier: MIT
// The proxy as a whole: opens the recording, binds, starts recorder and workers, and ends them in
// the opposite order.
#include "hark/server.h"

#include "hark/authority.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/version.h"
#include "listener.h"
#include "playback_recording.h"
#include "recorder.h"
#include "routing.h"
#include "server_private.h"
#include "upstream.h"
#include "worker.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVED_DESCRIPTORS 24
#define ORIGIN_DESCRIPTORS   4096L
#define PROTECTED_MAX        4

// An older configuration lives on: exchanges that began with it still read it.
struct config_generation {
    struct config_generation *older;
    struct config *config;
};

struct server {
    struct log *log;
    struct config_generation *configs; // the current one first; thread: main
    char *db_path;
    struct store_writer *writer; // NULL: the recording stays as it is
    struct recorder *recorder;
    struct playback *playback;   // NULL: the mode is none of playback's
    struct authority *authority; // NULL: nothing is intercepted
    pthread_mutex_t mutex;       // guards the list of listeners
    struct listener *listeners;  // in the order of opening; sessions come and go
    int64_t next_session_id;     // under the mutex
    struct worker **workers;
    size_t worker_count;
    struct address protected[PROTECTED_MAX]; // set before traffic can know of them
    atomic_size_t protected_count;
    int connections_max;
    int64_t started_us;
    int64_t session_id;
    atomic_bool is_recording; // mode is not off
    atomic_int mode;          // enum config_mode
    atomic_bool is_draining;
    struct replay_list replays;
};

// --- own addresses -----------------------------------------------------------------------------

static in_port_t port_of(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6)
        return ((const struct sockaddr_in6 *)&address->storage)->sin6_port;
    return ((const struct sockaddr_in *)&address->storage)->sin_port;
}

static bool is_unspecified(const struct address *address)
{
    if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
        return IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
    }
    return ((const struct sockaddr_in *)&address->storage)->sin_addr.s_addr == INADDR_ANY;
}

static bool is_same_host(const struct address *a, const struct sockaddr *b)
{
    if (a->storage.ss_family != b->sa_family)
        return false;
    if (b->sa_family == AF_INET)
        return ((const struct sockaddr_in *)&a->storage)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)&a->storage)->sin6_addr,
                  &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool is_this_machine(const struct address *address)
{
    if (address_is_loopback(address) || is_unspecified(address))
        return true;
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces) != 0)
        return false;
    bool is_own = false;
    for (struct ifaddrs *at = interfaces; at != NULL && !is_own; at = at->ifa_next)
        is_own = at->ifa_addr != NULL && is_same_host(address, at->ifa_addr);
    freeifaddrs(interfaces);
    return is_own;
}

enum own_address server_is_own_address(struct server *server, const struct address *address)
{
    enum own_address owner = OWN_NONE;
    in_port_t port = port_of(address);
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
        if (port_of(&at->address) == port)
            owner = OWN_PROXY;
    pthread_mutex_unlock(&server->mutex);
    for (size_t i = 0; i < atomic_load(&server->protected_count); i++)
        if (port_of(&server->protected[i]) == port)
            owner = OWN_PAGE;
    return owner != OWN_NONE && is_this_machine(address) ? owner : OWN_NONE;
}

void server_protect_address(struct server *server, const char *address)
{
    size_t count = atomic_load(&server->protected_count);
    if (count < PROTECTED_MAX && address_parse(address, &server->protected[count]) == 0)
        atomic_store(&server->protected_count, count + 1);
}

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

bool server_may_accept(const struct server *server)
{
    int connections = 0;
    for (size_t i = 0; i < server->worker_count; i++)
        connections += atomic_load(&server->workers[i]->connections);
    return connections < server->connections_max;
}

static int connection_limit(const struct config *config, struct log *log)
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

int server_check_config(const struct config *config, struct err *err)
{
    const struct {
        bool is_set;
        const char *key;
    } unsupported[] = {
        {config->upstream_http != CONFIG_UPSTREAM_HTTP_1_1, "upstream_http"},
        {config->ignore != NULL, "ignore"},
        {config->redact_headers.count > 0, "redact_headers"},
        {config->redact_query.count > 0, "redact_query"},
        {config->keep_age_ms > 0, "keep_age"},
        {config->keep_bytes > 0, "keep_bytes"},
        {config->allow.count > 0, "allow"},
        {config->proxy_auth != NULL, "proxy_auth"},
        {config->reverse.count > 0, "reverse"},
    };
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
        if (unsupported[i].is_set)
            return err_set(err, "%s: %s = %s is not supported by hark %s; remove it",
                           config_origin(config, unsupported[i].key), unsupported[i].key,
                           config_text(config, unsupported[i].key), HARK_VERSION);
    return upstream_check_client_certs(config, err);
}

static void add_listener(struct server *server, struct listener *listener)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL)
        link = &(*link)->next;
    *link = listener;
    pthread_mutex_unlock(&server->mutex);
}

static int open_listeners(struct server *server, const struct config *config, struct err *err)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        struct address address;
        const char *text = config->listen.items[i];
        if (address_parse(text, &address) == 0 && !address_is_loopback(&address))
            return err_set(err, "listen on %s: only loopback addresses are listened on", text);
        struct listener *listener = listener_create(text, 0, err);
        if (listener == NULL)
            return -1;
        add_listener(server, listener);
    }
    return 0;
}

static int open_recording(struct server *server, const struct server_options *options,
                          struct err *err)
{
    const struct config *config = options->config;
    if (config_is_read_only(config)) {
        server->session_id = 1;
        server->next_session_id = 2;
        return 0;
    }
    struct buffer settings = {0};
    buffer_printf(&settings, "{\"durability\":\"%s\",\"mode\":\"%s\"}",
                  config_text(config, "durability"), config_text(config, "mode"));
    const struct store_writer_options writer_options = {
        .path = options->db_path,
        .sync_every_commit = config->durability == CONFIG_DURABILITY_FULL,
        .version = HARK_VERSION,
        .command = options->command,
        .settings = settings.data,
        .log = options->log,
    };
    server->writer = store_writer_open(&writer_options, err);
    buffer_fini(&settings);
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

static int open_playback(struct server *server, const struct config *config, struct err *err)
{
    if (!config_plays_back(config))
        return 0;
    server->playback = playback_open(config, server->db_path, server->log, err);
    return server->playback == NULL ? -1 : 0;
}

static void post_to_all(struct server *server, const struct inbox_item *item)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_post(server->workers[i], item);
}

static void on_room(void *ctx)
{
    post_to_all(ctx, &(struct inbox_item){.kind = INBOX_ROOM});
}

static int open_authority(struct server *server, const struct server_options *options,
                          struct err *err)
{
    if (!options->config->intercept || options->has_no_clients)
        return 0;
    server->authority = authority_open(options->data_dir, err);
    return server->authority == NULL ? -1 : 0;
}

static int start_recorder(struct server *server, const struct config *config, struct err *err)
{
    const struct recorder_options options = {
        .writer = server->writer,
        .first_id = server->playback != NULL ? server->playback->last_id + 1 : 1,
        .queue_limit_bytes = (size_t)config->queue_bytes,
        .is_prompt = config->durability != CONFIG_DURABILITY_RELAXED,
        .on_room = on_room,
        .ctx = server,
        .log = server->log,
    };
    server->recorder = recorder_create(&options, err);
    return server->recorder == NULL ? -1 : 0;
}

static void create_workers(struct server *server, const struct config *config)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint32_t)clock_wall_us();
    server->workers = mem_calloc((size_t)config->workers, sizeof(server->workers[0]));
    for (int i = 0; i < config->workers; i++) {
        struct worker *worker = worker_create(server, config, server->recorder, server->log);
        worker->authority = server->authority;
        worker->playback = server->playback;
        snprintf(worker->via, sizeof(worker->via), "hark-%08x", random);
        server->workers[server->worker_count++] = worker;
    }
}

// Every worker accepts there.
static void listen_everywhere(struct server *server, struct listener *listener)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        listener_retain(listener);
        worker_post(server->workers[i],
                    &(struct inbox_item){.kind = INBOX_LISTEN, .listener = listener});
    }
}

static bool records(const struct config *config)
{
    return config->mode != CONFIG_MODE_OFF && !config_is_read_only(config);
}

static int start_all(struct server *server, const struct server_options *options, struct err *err)
{
    const struct config *config = options->config;
    if (server_check_config(config, err) != 0 || check_recording(options, err) != 0 ||
        (!options->has_no_clients && open_listeners(server, config, err) != 0) ||
        open_authority(server, options, err) != 0 || open_recording(server, options, err) != 0 ||
        open_playback(server, config, err) != 0)
        return -1;
    server->connections_max = connection_limit(config, options->log);
    server->is_recording = records(config);
    server->mode = (int)config->mode;
    if (start_recorder(server, config, err) != 0)
        return -1;
    create_workers(server, config);
    for (size_t i = 0; i < server->worker_count; i++)
        if (worker_open(server->workers[i], err) != 0)
            return -1;
    for (struct listener *at = server->listeners; at != NULL; at = at->next) {
        at->session_id = server->session_id;
        listen_everywhere(server, at);
    }
    for (size_t i = 0; i < server->worker_count; i++)
        if (worker_start(server->workers[i], err) != 0)
            return -1;
    return 0;
}

static void add_config(struct server *server, struct config *config)
{
    struct config_generation *generation = mem_calloc(1, sizeof(*generation));
    generation->older = server->configs;
    generation->config = config;
    server->configs = generation;
}

struct server *server_start(const struct server_options *options, struct err *err)
{
    upstream_init_library();
    struct server *server = mem_calloc(1, sizeof(*server));
    server->log = options->log;
    server->db_path = mem_strdup(options->db_path);
    server->started_us = clock_wall_us();
    pthread_mutex_init(&server->mutex, NULL);
    pthread_mutex_init(&server->replays.mutex, NULL);
    add_config(server, options->config);
    if (start_all(server, options, err) != 0) {
        server_stop(server);
        return NULL;
    }
    return server;
}

const char *server_listen_address(struct server *server, size_t index)
{
    // The server's own come first, and none of them goes away before the server does.
    pthread_mutex_lock(&server->mutex);
    const struct listener *listener = server->listeners;
    while (listener != NULL && index-- > 0)
        listener = listener->next;
    bool is_own = listener != NULL && listener->session_id == server->session_id;
    pthread_mutex_unlock(&server->mutex);
    return is_own ? listener->text : NULL;
}

// --- sessions ----------------------------------------------------------------------------------

static void record_session(struct server *server, int64_t id, const char *command, int64_t ended_us)
{
    struct record *record = record_create(0);
    record->session = mem_calloc(1, sizeof(*record->session));
    *record->session = (struct store_session){.id = id,
                                              .started_us = clock_wall_us(),
                                              .ended_us = ended_us,
                                              .command = mem_strdup(command)};
    recorder_push(server->recorder, record);
}

int server_open_session(struct server *server, const char *command, struct server_session *session,
                        struct err *err)
{
    pthread_mutex_lock(&server->mutex);
    int64_t id = server->next_session_id++;
    pthread_mutex_unlock(&server->mutex);
    struct listener *listener = listener_create("127.0.0.1:0", id, err);
    if (listener == NULL)
        return -1;
    session->id = id;
    snprintf(session->address, sizeof(session->address), "%s", listener->text);
    record_session(server, id, command, 0);
    add_listener(server, listener);
    listen_everywhere(server, listener);
    return 0;
}

static struct listener *take_session(struct server *server, int64_t id)
{
    pthread_mutex_lock(&server->mutex);
    struct listener **link = &server->listeners;
    while (*link != NULL && (*link)->session_id != id)
        link = &(*link)->next;
    struct listener *listener = *link;
    if (listener != NULL)
        *link = listener->next;
    pthread_mutex_unlock(&server->mutex);
    return listener;
}

int server_close_session(struct server *server, int64_t id, struct err *err)
{
    struct listener *listener = id == server->session_id ? NULL : take_session(server, id);
    if (listener == NULL)
        return err_set(err, "session %lld is not open", (long long)id);
    shutdown(listener->fd, SHUT_RDWR);
    record_session(server, id, "", clock_wall_us());
    post_to_all(server, &(struct inbox_item){.kind = INBOX_UNLISTEN, .listener = listener});
    listener_release(listener);
    return 0;
}

int64_t server_begin_session(struct server *server, const char *command)
{
    if (command == NULL)
        return server->session_id;
    pthread_mutex_lock(&server->mutex);
    int64_t id = server->next_session_id++;
    pthread_mutex_unlock(&server->mutex);
    record_session(server, id, command, 0);
    return id;
}

void server_end_session(struct server *server, int64_t id)
{
    if (id != server->session_id)
        record_session(server, id, "", clock_wall_us());
}

static void close_sessions(struct server *server)
{
    struct listener *next;
    for (struct listener *at = server->listeners; at != NULL; at = next) {
        next = at->next;
        struct err ignored = {0};
        if (at->session_id != server->session_id)
            server_close_session(server, at->session_id, &ignored);
    }
}

int server_run_job(struct server *server, store_step_fn step, void *ctx, struct err *err)
{
    return recorder_run_job(server->recorder, step, ctx, err);
}

// --- reload, drain, stop -----------------------------------------------------------------------

// The recording was opened, and read, for what the mode was.
static void keep_playback(struct server *server, struct config *config)
{
    const struct config *old = server->configs->config;
    if (config->mode != old->mode && (config_plays_back(config) || config_plays_back(old))) {
        log_warn(server->log, "server", "reload: a new mode takes effect with the next start");
        config->mode = old->mode;
    }
    config->playback_record = old->playback_record;
}

void server_reload(struct server *server, struct config *config)
{
    struct err err = {0};
    const struct config *old = server->configs->config;
    if (server_check_config(config, &err) != 0) {
        log_error(server->log, "server", "reload: %s; the old configuration stays", err.text);
        config_destroy(config);
        return;
    }
    const char *fixed = config_first_fixed_change(old, config);
    if (fixed != NULL)
        log_warn(server->log, "server", "reload: a new %s takes effect with the next start", fixed);
    config->durability = old->durability;
    keep_playback(server, config);
    server->is_recording = records(config);
    server->mode = (int)config->mode;
    log_set_level(server->log, config->log_level);
    add_config(server, config);
    post_to_all(server, &(struct inbox_item){.kind = INBOX_CONFIG, .config = config});
}

void server_drain(struct server *server)
{
    atomic_store(&server->is_draining, true);
    post_to_all(server, &(struct inbox_item){.kind = INBOX_DRAIN});
    // New clients are refused at once, instead of waiting for nobody.
    pthread_mutex_lock(&server->mutex);
    for (const struct listener *at = server->listeners; at != NULL; at = at->next)
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
    post_to_all(server, &(struct inbox_item){.kind = INBOX_STOP});
    for (size_t i = 0; i < server->worker_count; i++)
        worker_join(server->workers[i]);
}

void server_stop(struct server *server)
{
    if (server == NULL)
        return;
    if (server->recorder != NULL)
        close_sessions(server);
    stop_workers(server);
    recorder_destroy(server->recorder);
    for (size_t i = 0; i < server->worker_count; i++)
        worker_destroy(server->workers[i]);
    playback_close(server->playback);
    authority_close(server->authority);
    if (server->writer != NULL)
        store_writer_close(server->writer);
    while (server->listeners != NULL) {
        struct listener *next = server->listeners->next;
        listener_release(server->listeners);
        server->listeners = next;
    }
    pthread_mutex_destroy(&server->mutex);
    pthread_mutex_destroy(&server->replays.mutex);
    while (server->configs != NULL) {
        struct config_generation *older = server->configs->older;
        config_destroy(server->configs->config);
        free(server->configs);
        server->configs = older;
    }
    free(server->workers);
    free(server->db_path);
    free(server);
}

// --- status ------------------------------------------------------------------------------------

static const char *const mode_names[] = {
    [CONFIG_MODE_RECORD] = "record",
    [CONFIG_MODE_PLAYBACK] = "playback",
    [CONFIG_MODE_PLAYBACK_OR_RECORD] = "playback-or-record",
    [CONFIG_MODE_OFF] = "off",
};

void server_get_status(const struct server *server, struct server_status *status)
{
    *status = (struct server_status){.session_id = server->session_id,
                                     .started_us = server->started_us,
                                     .workers = (int64_t)server->worker_count};
    for (size_t i = 0; i < server->worker_count; i++) {
        const struct worker *worker = server->workers[i];
        status->connections += atomic_load(&worker->connections);
        status->exchanges_in_flight += atomic_load(&worker->in_flight);
        status->exchanges_total += atomic_load(&worker->exchanges_total);
    }
    recorder_get_status(server->recorder, status);
    struct stat file;
    if (stat(server->db_path, &file) == 0)
        status->db_bytes = (int64_t)file.st_size;
    status->mode = mode_names[atomic_load(&server->mode)];
    if (server->playback != NULL) {
        status->played_back = atomic_load(&server->playback->hits);
        status->playback_misses = atomic_load(&server->playback->misses);
    }
    if (!server->is_recording) {
        status->is_recording = false;
        snprintf(status->problem, sizeof(status->problem),
                 server->playback != NULL ? "mode is playback" : "mode is off");
    }
}

const char *server_authority_pem(const struct server *server)
{
    return server->authority == NULL ? NULL : authority_pem(server->authority);
}
