// SPDX-License-Identifier: MIT
// hark serve: the daemon in the foreground. The main thread starts everything and then only waits
// for signals, which all other threads have blocked.
#include "serve.h"

#include "activation.h"
#include "data_dir.h"
#include "hark/buffer.h"
#include "hark/clock.h"
#include "hark/control.h"
#include "hark/log.h"
#include "hark/mem.h"
#include "hark/server.h"
#include "hark/store_reader.h"
#include "predecessor.h"
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define DRAIN_MAX_US       (10 * (int64_t)1000000)
#define DRAIN_RUN_MAX_US   (2 * (int64_t)1000000)
#define DRAIN_LOOK_NS      (10 * 1000 * 1000)
#define DESCRIPTORS_FEWEST 1024
#define SESSIONS_LOOK_NS   (100 * 1000 * 1000)

// One run of the daemon. Owner and thread: main.
struct daemon {
    struct invocation *invocation;
    struct log *log;
    struct server *server;
    struct control *control;
    struct service service;
    struct activation sockets;
    char *db_path;     // absolute
    char *config_file; // the one read last; NULL: none
    enum serve_kind kind;
};

static sigset_t awaited_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    return set;
}

// Each exchange takes two descriptors, and the usual soft limit is 1024.
void serve_raise_descriptor_limit(struct log *log)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    bool is_raised = limit.rlim_cur == limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    if (!is_raised && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn(log, "serve", "raise the limit of open files: %s", strerror(errno));
    if (limit.rlim_max < DESCRIPTORS_FEWEST)
        log_warn(log, "serve", "only %lu files may be open at once; see ulimit -n",
                 (unsigned long)limit.rlim_max);
}

static int check_filter(const struct config *config, const char *key, const char *text,
                        struct err *err)
{
    if (!text)
        return 0;
    struct filter *filter = filter_create(&text, 1, err);
    filter_destroy(filter);
    return filter ? 0 : err_prefix(err, "%s: %s", config_origin(config, key), key);
}

// What a configuration says in the filter language, which its own floor does not know.
static int check_filters(const struct config *config, struct err *err)
{
    return check_filter(config, "playback_filter", config->playback_filter, err);
}

// A program that is run with hark may have a service manager of its own to talk to.
static int answer_manager(struct daemon *daemon, struct err *err)
{
    if (daemon->kind == SERVE_FOR_ONE_RUN)
        return 0;
    service_open(&daemon->service, daemon->log);
    return activation_take(&daemon->sockets, daemon->invocation->config, err);
}

static int start(struct daemon *daemon, struct err *err)
{
    struct invocation *invocation = daemon->invocation;
    struct config *config = invocation->config;
    if (data_dir_make(invocation->data_dir, daemon->log, err) < 0)
        return -1;
    // Runs that begin at the same time sort it out among themselves.
    if (daemon->kind == SERVE_FOR_ALL)
        predecessor_wait(invocation, daemon->log);
    serve_raise_descriptor_limit(daemon->log);

    daemon->control = control_create(
        &(struct control_options){
            .data_dir = invocation->control_dir ? invocation->control_dir : invocation->data_dir,
            .ui_address = config->ui,
            .ui_socket = daemon->sockets.ui,
        },
        err);
    if (!daemon->control)
        return -1;

    invocation->config = NULL;
    daemon->server = server_start(
        &(struct server_options){
            .data_dir = invocation->data_dir,
            .config = config,
            .sockets = daemon->sockets.proxies,
            .socket_count = daemon->sockets.proxy_count,
            .db_path = invocation->db_path,
            .command = invocation->command_line,
            .log = daemon->log,
        },
        err);
    if (!daemon->server)
        return -1;
    daemon->db_path = realpath(invocation->db_path, NULL);
    if (!daemon->db_path)
        daemon->db_path = mem_strdup(invocation->db_path);
    return control_start(daemon->control, daemon->server, daemon->db_path, err);
}

static void say_ready(const struct daemon *daemon)
{
    struct buffer line = {0};
    buffer_append_text(&line, "hark: ready: proxy ");
    server_append_addresses(daemon->server, ",", &line);
    char page[CONTROL_ADDRESS_MAX];
    if (control_get_address(daemon->control, page))
        buffer_printf(&line, ", page http://%s", page);
    struct server_reverse reverse;
    for (size_t i = 0; server_reverse_address(daemon->server, i, &reverse); i++)
        buffer_printf(&line, "%shttp://%s for %s://%s", i > 0 ? ", " : ", reverse ",
                      reverse.address, reverse.scheme, reverse.authority);
    buffer_printf(&line, ", recording to %s\n", daemon->db_path);
    // One write, so that whoever waits for the line gets it whole.
    if (write(STDERR_FILENO, line.data, line.length) < 0)
        log_warn(daemon->log, "serve", "say that it is ready: %s", strerror(errno));
    buffer_fini(&line);
}

// The line above names the file in every mode.
static void say_unrecorded(const struct daemon *daemon)
{
    struct server_status status;
    server_get_status(daemon->server, &status);
    if (!status.must_record)
        log_info(daemon->log, "serve", "nothing is recorded: %s", status.problem);
}

static void note_config_file(struct daemon *daemon, const char *file)
{
    free(daemon->config_file);
    daemon->config_file = file == NULL ? NULL : mem_strdup(file);
}

static void say_config_file(const struct daemon *daemon)
{
    if (daemon->config_file != NULL)
        log_info(daemon->log, "serve", "read %s", daemon->config_file);
}

static struct config *read_again(struct daemon *daemon, struct err *err)
{
    struct config_sources sources = daemon->invocation->sources;
    sources.known_file = daemon->config_file;
    struct config *config = config_load(&sources, err);
    if (config == NULL || check_filters(config, err) == 0)
        return config;
    config_release(config);
    return NULL;
}

// The two go together: nothing changes unless both can.
static int take_config(struct daemon *daemon, struct config *config, struct err *err)
{
    struct control_page *page = NULL;
    if (control_prepare_page(daemon->control, config->ui, &page, err) < 0) {
        config_release(config);
        return -1;
    }
    if (server_reload(daemon->server, config, err) < 0) {
        control_drop_page(daemon->control, page);
        return -1;
    }
    return control_change_page(daemon->control, page, err);
}

static void say_reloaded(struct daemon *daemon)
{
    struct server_reload reload;
    server_get_reload(daemon->server, &reload);
    log_info(daemon->log, "serve", "reload: read %s, changed: %s",
             daemon->config_file != NULL ? daemon->config_file : "no file, there is none",
             *reload.changed ? reload.changed : "nothing");
    if (*reload.waiting)
        log_warn(daemon->log, "serve", "reload: with the next start will change: %s",
                 reload.waiting);
}

static void reload(struct daemon *daemon)
{
    struct err err = {0};
    struct config *config = read_again(daemon, &err);
    const char *used = config == NULL ? NULL : config_file_in_use(config);
    char *file = used == NULL ? NULL : mem_strdup(used);
    enum log_level level = config == NULL ? LOG_LEVEL_INFO : config->log_level;
    bool is_json = config != NULL && config->log_format == CONFIG_LOG_FORMAT_JSON;
    if (config == NULL || take_config(daemon, config, &err) < 0) {
        server_note_bad_reload(daemon->server, err.text);
        log_error(daemon->log, "serve", "reload: %s; the old configuration stays", err.text);
    } else {
        // Whoever waits for the line gets it if it is wanted before or after.
        bool was_told = log_has_level(daemon->log, LOG_LEVEL_INFO);
        log_set_format(daemon->log, is_json);
        if (!was_told)
            log_set_level(daemon->log, level);
        note_config_file(daemon, file);
        say_reloaded(daemon);
        log_set_level(daemon->log, level);
    }
    free(file);
}

// What is in flight may end by itself; a second signal or ten seconds end the waiting. After a run
// the program is gone, and what is in flight can only be what it left behind.
static void drain(struct daemon *daemon)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    struct timespec look = {.tv_nsec = DRAIN_LOOK_NS};
    int64_t max_us = daemon->kind == SERVE_FOR_ONE_RUN ? DRAIN_RUN_MAX_US : DRAIN_MAX_US;
    int64_t deadline_us = clock_monotonic_us() + max_us;

    control_refuse_sessions(daemon->control);
    server_drain(daemon->server);
    // Whoever reads the line finds it so.
    log_info(daemon->log, "serve", "stopping");
    while (!server_is_drained(daemon->server)) {
        if (sigtimedwait(&set, NULL, &look) > 0) {
            log_info(daemon->log, "serve", "second signal: exit now");
            break;
        }
        if (clock_monotonic_us() >= deadline_us) {
            log_warn(daemon->log, "serve", "what is still in flight after %d s is cut off",
                     (int)(max_us / 1000000));
            break;
        }
    }
    // From here on, should the disk hang, a signal kills.
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

// Other runs may have found this daemon while the one that started it was going on. The end of that
// one sends another signal, which must not cut anything short.
static void wait_for_sessions(struct daemon *daemon)
{
    struct timespec look = {.tv_nsec = SESSIONS_LOOK_NS};
    sigset_t interrupt, terminate;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigemptyset(&terminate);
    sigaddset(&terminate, SIGTERM);
    while (control_finish_sessions(daemon->control) > 0)
        if (sigtimedwait(&interrupt, NULL, &look) > 0)
            break;
    prctl(PR_SET_PDEATHSIG, 0);
    sigtimedwait(&terminate, NULL, &(struct timespec){0});
}

static void serve_until_signal(struct daemon *daemon)
{
    sigset_t set = awaited_signals();
    for (;;) {
        int signal_number = service_wait(&daemon->service, daemon->server, &set);
        if (signal_number == SIGHUP) {
            service_reloading(&daemon->service);
            reload(daemon);
            service_ready(&daemon->service, daemon->server);
        } else if (signal_number == SIGUSR1) {
            log_info(daemon->log, "serve", "no log file is set; the log goes to stderr");
        } else if (signal_number > 0) {
            break;
        }
    }
    if (daemon->kind == SERVE_FOR_ONE_RUN)
        wait_for_sessions(daemon);
    service_stopping(&daemon->service);
    drain(daemon);
}

int serve_check(const struct config *config, struct err *err)
{
    if (check_filters(config, err) < 0 || server_check_config(config, err) < 0)
        return -1;
    return 0;
}

enum status serve_check_only(const struct invocation *invocation)
{
    struct err err = {0};
    if (serve_check(invocation->config, &err) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
    const char *file = config_file_in_use(invocation->config);
    printf("The configuration is good (%s).\n", file ? file : "no file, flags and environment");
    return STATUS_DONE;
}

enum status serve_run(struct invocation *invocation, enum serve_kind kind)
{
    const struct config *config = invocation->config;
    sigset_t set = awaited_signals();
    sigprocmask(SIG_BLOCK, &set, NULL);
    // A file that may not grow further is a full disk, and no reason to die.
    signal(SIGXFSZ, SIG_IGN);
    struct daemon daemon = {.invocation = invocation, .kind = kind};
    service_init(&daemon.service);
    daemon.log =
        log_create(STDERR_FILENO, config->log_level, config->log_format == CONFIG_LOG_FORMAT_JSON);
    struct err err = {0};
    enum status status = STATUS_DONE;
    note_config_file(&daemon, config_file_in_use(config));
    if (answer_manager(&daemon, &err) == 0 && start(&daemon, &err) == 0) {
        if (kind == SERVE_FOR_ALL)
            say_ready(&daemon);
        say_config_file(&daemon);
        say_unrecorded(&daemon);
        service_ready(&daemon.service, daemon.server);
        serve_until_signal(&daemon);
    } else {
        status = invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    }

    control_destroy(daemon.control);
    if (daemon.server)
        server_stop(daemon.server);
    service_close(&daemon.service);
    log_destroy(daemon.log);
    free(daemon.config_file);
    free(daemon.db_path);
    return status;
}

static enum status run(struct invocation *invocation)
{
    if (invocation->word_count > 0)
        return invocation_fail(invocation, STATUS_USAGE, "unexpected argument \"%s\"",
                               invocation->words[0]);
    if (invocation_has(invocation, "check-config"))
        return serve_check_only(invocation);
    struct err err = {0};
    if (serve_check(invocation->config, &err) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
    return serve_run(invocation, SERVE_FOR_ALL);
}

static const struct command_option options[] = {
    {"listen", 0, "ADDR:PORT",
     "take proxy requests here; port 0 picks one\n(repeatable; default: 127.0.0.1:4275)"},
    {"ui", 0, "ADDR:PORT",
     "serve the page and the API here, or \"off\"\n(default: 127.0.0.1:4276)"},
    {"db", 0, "FILE", "record to this file\n(default: hark.db in the data folder)"},
    {"mode", 0, "MODE",
     "record, playback (answer from the recording, send\nnothing), playback-or-record, or off"},
    {"session", 0, "N", "in playback only this session's exchanges answer"},
    {"set", 0, "KEY=VALUE", "set any key of the configuration (repeatable)"},
    {"check-config", 0, NULL, "say whether the configuration is good, and exit"},
    {NULL, 0, NULL, NULL},
};

const struct command command_serve = {
    .name = "serve",
    .summary = "run the proxy in the foreground and record what passes",
    .help = "Listens as an HTTP proxy, forwards every request and records it with its answer.\n"
            "One line on stderr says when it takes requests, where, and which file it writes.\n"
            "\n"
            "Settings come from flags, then from the environment (HARK_LISTEN, HARK_MODE,\n"
            "…), then from the file (~/.config/hark/hark.conf, else /etc/hark/hark.conf).\n"
            "\n"
            "Signals: TERM and INT stop accepting, let what is in flight end for up to 10 s,\n"
            "write everything and exit; a second one does not wait. HUP reads the\n"
            "configuration again; a bad file keeps the old one.\n"
            "\n"
            "While a daemon of the same data folder does so, the next one waits for its end.\n"
            "\n"
            "Examples:\n"
            "  hark serve\n"
            "  hark serve --listen 127.0.0.1:0 --ui off --db /tmp/try.db\n"
            "  hark serve --mode playback --db tests/fixtures/api.db\n"
            "  hark serve --set durability=commit --set keep_bytes=2G\n",
    .options = options,
    .needs = NEEDS_CONFIG,
    .run = run,
};
