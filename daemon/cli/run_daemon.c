// SPDX-License-Identifier: MIT
// The own daemon is a forked child that serves without an exec: so the session row has the command
// line of the run. It has a session of processes of its own, where the terminal's signals do not
// reach it, and is told to end when this process does, however that comes about.
#include "run_daemon.h"

#include "daemon_client.h"
#include "file.h"
#include "hark/clock.h"
#include "hark/control.h"
#include "hark/mem.h"
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS       (5 * 1000 * 1000)
#define START_MAX_US  (60 * (int64_t)1000000)
#define SETTLE_MAX_US (1 * (int64_t)1000000)
#define STOP_MAX_US   (30 * (int64_t)1000000)
#define ATTACH_MAX_S  15
#define ATTACH_SAY_US (1 * (int64_t)1000000)
#define RETRY_NS      (150 * 1000 * 1000)
#define STARTS_MAX    4
#define ANY_LISTEN    "listen=127.0.0.1:0"
#define ANY_UI        "ui=127.0.0.1:0"
#define NO_LOGIN      "proxy_auth="
#define LOG_NAME      "run.log"

static void look_again_later(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
}

// --- starting one --------------------------------------------------------------------------------

static bool says_key(const struct config_sources *sources, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < sources->set_count; i++)
        if (strncmp(sources->sets[i], key, length) == 0 &&
            sources->sets[i][length + strspn(sources->sets[i] + length, " ")] == '=')
            return true;
    return false;
}

// Free ports, unless the flags name others: a file may say where the usual daemon listens, and that
// its clients have to log in, which the program could not.
static int set_addresses(struct invocation *invocation, struct err *err)
{
    struct config_sources sources = invocation->sources;
    const char **sets = mem_calloc(sources.set_count + 3, sizeof *sets);
    if (sources.set_count > 0)
        memcpy(sets, sources.sets, sources.set_count * sizeof *sets);
    if (!says_key(&invocation->sources, "listen"))
        sets[sources.set_count++] = ANY_LISTEN;
    if (!says_key(&invocation->sources, "ui"))
        sets[sources.set_count++] = ANY_UI;
    sets[sources.set_count++] = NO_LOGIN;
    sources.sets = sets;
    config_release(invocation->config);
    invocation->config = config_load(&sources, err);
    free(sets);
    return invocation->config ? serve_check(invocation->config, err) : -1;
}

// What flags have changed is nobody else's to use: its socket is where others do not look.
static int make_control_dir(struct run_daemon *daemon, struct err *err)
{
    daemon->control_dir = mem_printf("%s/run-%ld", daemon->data_dir, (long)getpid());
    if (mkdir(daemon->control_dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, "make %s: %s", daemon->control_dir, strerror(errno));
    return 0;
}

// The child does so when it ends, and the run if the child did not get to it. Takes NULL.
static void remove_control_dir(const char *control_dir)
{
    static const char *const names[] = {CONTROL_SOCKET_NAME, CONTROL_TOKEN_NAME};
    if (!control_dir)
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = mem_printf("%s/%s", control_dir, names[i]);
        unlink(path);
        free(path);
    }
    rmdir(control_dir);
}

static void become_daemon(struct invocation *invocation, const char *log, pid_t parent)
{
    int in = open("/dev/null", O_RDONLY);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0)
        _exit(STATUS_RUN_FAILED);
    close(in);
    close(out);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(STATUS_RUN_FAILED);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int status = (int)serve_run(invocation, SERVE_FOR_ONE_RUN);
    remove_control_dir(invocation->control_dir);
    exit(status);
}

static int explain_end(const char *log, struct err *err)
{
    struct buffer text = {0};
    struct err ignored = {0};
    if (file_read(log, &text, &ignored) == 0) {
        while (text.length > 0 && text.data[text.length - 1] == '\n')
            text.data[--text.length] = '\0';
        const char *newline = strrchr(text.data, '\n');
        const char *line = newline ? newline + 1 : text.data;
        size_t prefix = strcspn(line, ":");
        if (strncmp(line, "hark ", 5) == 0 && line[prefix])
            line += prefix + 2;
        err_set(err, "%s", line);
    }
    buffer_fini(&text);
    return err_set(err, "the daemon ended at once; see %s", log);
}

// Until it answers, or is no more.
static int wait_until_ready(struct run_daemon *daemon, struct err *err)
{
    int64_t deadline_us = clock_monotonic_us() + START_MAX_US;
    while (clock_monotonic_us() < deadline_us) {
        struct daemon_info info;
        struct err ignored = {0};
        bool is_ready = daemon_find(daemon->control_dir, &info, &ignored) == DAEMON_ANSWERED &&
                        info.pid == daemon->pid;
        if (is_ready) {
            daemon->session_id = info.session_id;
            daemon->proxy = mem_strdup(info.proxy);
            daemon->db = mem_strdup(info.db);
        }
        daemon_info_fini(&info);
        if (is_ready)
            return 0;
        if (waitpid(daemon->pid, NULL, WNOHANG) == daemon->pid) {
            daemon->pid = 0;
            return explain_end(daemon->log, err);
        }
        look_again_later();
    }
    kill(daemon->pid, SIGKILL);
    waitpid(daemon->pid, NULL, 0);
    daemon->pid = 0;
    return err_set(err, "the daemon does not answer; see %s", daemon->log);
}

static int start(struct invocation *invocation, struct run_daemon *daemon, struct err *err)
{
    if (!daemon->log)
        daemon->log = mem_printf("%s/" LOG_NAME, daemon->data_dir);
    unlink(daemon->log);
    pid_t parent = getpid();
    daemon->pid = fork();
    if (daemon->pid < 0) {
        daemon->pid = 0;
        return err_set(err, "start a daemon: %s", strerror(errno));
    }
    if (daemon->pid == 0)
        become_daemon(invocation, daemon->log, parent);
    return wait_until_ready(daemon, err);
}

// --- counting ------------------------------------------------------------------------------------

static int64_t integer_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void count_playback(struct run_daemon *daemon)
{
    json_t *counts = NULL;
    struct err ignored = {0};
    if (daemon_get_session(daemon->control_dir, daemon->session_id, &counts, &ignored) !=
        DAEMON_ANSWERED)
        return;
    daemon->played_back = integer_of(counts, "played_back");
    daemon->misses = integer_of(counts, "playback_misses");
    json_decref(counts);
}

static void look_at_mode(struct run_daemon *daemon)
{
    json_t *status = NULL;
    struct err ignored = {0};
    if (daemon_get(daemon->control_dir, "/api/v1/status", &status, &ignored) != DAEMON_ANSWERED)
        return;
    const char *mode = json_string_value(json_object_get(status, "mode"));
    daemon->is_read_only = mode && strcmp(mode, "playback") == 0 &&
                           !json_is_true(json_object_get(status, "is_recording"));
    json_decref(status);
}

// --- finding one ---------------------------------------------------------------------------------

enum join_result {
    JOINED,
    JOIN_ABSENT, // no daemon runs
    JOIN_BUSY    // one runs and takes no session, perhaps because it is ending; err says why
};

static enum join_result join(const struct invocation *invocation, struct run_daemon *daemon,
                             struct err *err)
{
    struct daemon_info info;
    enum daemon_answer answer = daemon_find(daemon->control_dir, &info, err);
    if (answer != DAEMON_ANSWERED)
        return answer == DAEMON_ABSENT ? JOIN_ABSENT : JOIN_BUSY;
    struct daemon_session session = {0};
    enum join_result result = JOIN_BUSY;
    if (daemon_open_session(daemon->control_dir, invocation->command_line, &session, err) ==
        DAEMON_ANSWERED) {
        daemon->session_id = session.id;
        daemon->proxy = session.proxy;
        daemon->db = mem_strdup(info.db);
        result = JOINED;
    }
    daemon_info_fini(&info);
    return result;
}

// Two runs may begin, and a daemon may end, at the same time: whoever was not first to start one
// finds the other's with the next look.
int run_daemon_attach(struct invocation *invocation, struct run_daemon *daemon, struct err *err)
{
    *daemon = (struct run_daemon){.data_dir = invocation->data_dir};
    bool has_flags = invocation->sources.set_count > 0;
    if (!has_flags)
        daemon->control_dir = mem_strdup(invocation->data_dir);
    else if (make_control_dir(daemon, err) < 0)
        return -1;
    invocation->control_dir = has_flags ? daemon->control_dir : NULL;
    int64_t began_us = clock_monotonic_us();
    int64_t deadline_us = began_us + ATTACH_MAX_S * (int64_t)1000000;
    int starts = 0;
    bool has_said = false;
    for (;;) {
        struct err problem = {0};
        enum join_result joined = join(invocation, daemon, &problem);
        if (joined == JOINED)
            return 0;
        if (joined == JOIN_ABSENT) {
            if (starts == 0 && set_addresses(invocation, err) < 0)
                return -1;
            if (start(invocation, daemon, &problem) == 0)
                return 0;
            starts++;
        }
        if (has_flags || starts == STARTS_MAX || clock_monotonic_us() >= deadline_us)
            return err_set(err, "%s", problem.text);
        if (!has_said && clock_monotonic_us() - began_us >= ATTACH_SAY_US) {
            fprintf(stderr, "hark run: waiting for up to %d s: %s\n", ATTACH_MAX_S, problem.text);
            has_said = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
}

// --- leaving -------------------------------------------------------------------------------------

// The program is gone, so its exchanges end within milliseconds and are committed soon after. What
// others have in flight must not hold this up for ever.
static void wait_until_settled(const struct run_daemon *daemon)
{
    int64_t deadline_us = clock_monotonic_us() + SETTLE_MAX_US;
    bool is_settled = false;
    while (!is_settled && clock_monotonic_us() < deadline_us) {
        json_t *status = NULL;
        struct err ignored = {0};
        if (daemon_get(daemon->control_dir, "/api/v1/status", &status, &ignored) != DAEMON_ANSWERED)
            return;
        is_settled = integer_of(status, "exchanges_in_flight") == 0 &&
                     integer_of(status, "queue_bytes") == 0;
        json_decref(status);
        if (!is_settled)
            look_again_later();
    }
}

static bool has_other_sessions(const struct run_daemon *daemon)
{
    json_t *status = NULL;
    struct err ignored = {0};
    if (daemon_get(daemon->control_dir, "/api/v1/status", &status, &ignored) != DAEMON_ANSWERED)
        return false;
    bool has_others = integer_of(status, "sessions") > 0;
    json_decref(status);
    return has_others;
}

// A daemon that other runs have come to use ends after the last of them.
static int stop(struct run_daemon *daemon, struct err *err)
{
    int64_t deadline_us = clock_monotonic_us() + STOP_MAX_US;
    int status = 0;
    kill(daemon->pid, SIGTERM);
    while (waitpid(daemon->pid, &status, WNOHANG) != daemon->pid) {
        if (has_other_sessions(daemon)) {
            wait_until_settled(daemon);
            return 0;
        }
        if (clock_monotonic_us() >= deadline_us) {
            kill(daemon->pid, SIGKILL);
            return err_set(err, "the daemon did not end; see %s", daemon->log);
        }
        look_again_later();
    }
    if (WIFSIGNALED(status))
        return err_set(err, "the daemon died of signal %d; see %s", WTERMSIG(status), daemon->log);
    return 0;
}

int run_daemon_detach(struct run_daemon *daemon, bool has_died, struct err *err)
{
    if (has_died)
        return err_set(err, "the daemon ended before the program; see %s", daemon->log);
    count_playback(daemon);
    look_at_mode(daemon);
    if (daemon->pid > 0)
        return stop(daemon, err);
    switch (daemon_close_session(daemon->control_dir, daemon->session_id, err)) {
    case DAEMON_ABSENT:
        return err_set(err, "the daemon of %s ended before the program", daemon->data_dir);
    case DAEMON_FAILED:
        return -1;
    case DAEMON_ANSWERED:
        break;
    }
    wait_until_settled(daemon);
    return 0;
}

void run_daemon_fini(struct run_daemon *daemon)
{
    if (daemon->control_dir && strcmp(daemon->control_dir, daemon->data_dir) != 0)
        remove_control_dir(daemon->control_dir);
    free(daemon->control_dir);
    free(daemon->proxy);
    free(daemon->db);
    free(daemon->log);
    *daemon = (struct run_daemon){0};
}
