// SPDX-License-Identifier: MIT
// hark tail: prints exchanges as they end, whatever becomes of the daemon and of the file.
//
// The recording is looked at some times a second, which costs next to nothing while it does not
// change. Its file may come into being only later, or be replaced by another one: then everything
// in the new one is new.
#include "command.h"
#include "hark/clock.h"
#include "hark/store_follow.h"
#include "number.h"
#include "rows_output.h"
#include "tail_position.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_MS 100

// A file that is just being made cannot be opened yet.
#define OPEN_PATIENCE_US ((int64_t)3000000)

#define FROM_THE_START "0;"

static const struct rows_column layout[] = {
    {"id", "ID", COLUMN_PLAIN, 0},         {"started_at", "STARTED", COLUMN_CLOCK, 0},
    {"method", "METHOD", COLUMN_PLAIN, 0}, {"status", "STATUS", COLUMN_STATUS, 0},
    {"ms", "TIME", COLUMN_MS, 0},          {"response_size", "SIZE", COLUMN_SIZE, 0},
    {"type", "TYPE", COLUMN_PLAIN, 110},   {"client", "CLIENT", COLUMN_PLAIN, 150},
    {"url", "URL", COLUMN_PLAIN, 0},       {NULL, NULL, COLUMN_PLAIN, 0},
};

// For each of them, what it has room for; the last one takes the rest of the line.
static const char *const typical[] = {
    "123456", "12:34:56",         "DELETE",          "200", "1.23s",
    "1023k",  "application/json", "localhost:12345", "",
};

// Which file it is.
struct identity {
    dev_t device;
    ino_t inode;
};

// One run of the command.
struct tail {
    struct invocation *invocation;
    const struct filter *filter;
    int64_t wanted; // of those that have ended already; -1 once they are told
    struct rows_printer *printer;
    struct store_reader *reader; // NULL while there is no recording
    struct store_follow *follow;
    struct identity file;     // that the reader has open
    bool is_from_start;       // all of the next file is new
    bool is_waiting;          // that there is no recording has been said
    int64_t refused_since_us; // when the file could not be opened for the first time; 0: never
    bool has_named_columns;
    int signal_fd;
};

// --- the file ------------------------------------------------------------------------------------

static bool identify(const char *path, struct identity *identity)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    *identity = (struct identity){.device = info.st_dev, .inode = info.st_ino};
    return true;
}

static bool is_same_file(const struct tail *tail)
{
    struct identity now;
    return identify(tail->invocation->db_path, &now) && now.device == tail->file.device &&
           now.inode == tail->file.inode;
}

static void close_file(struct tail *tail)
{
    store_follow_destroy(tail->follow);
    store_reader_close(tail->reader);
    tail->follow = NULL;
    tail->reader = NULL;
}

static int begin(struct tail *tail, struct err *err)
{
    struct buffer position = {0};
    struct store_follow_options options = {.filter = tail->filter};
    int rc = 0;
    if (tail->is_from_start)
        buffer_append_text(&position, FROM_THE_START);
    else if (tail->wanted > 0)
        rc = tail_find_position(tail->reader, tail->filter, tail->wanted, &position, err);
    options.position = position.length > 0 ? position.data : NULL;
    if (rc == 0)
        tail->follow = store_follow_create(tail->reader, &options, err);
    buffer_fini(&position);
    return tail->follow ? 0 : -1;
}

static void wait_for_file(struct tail *tail)
{
    tail->is_from_start = true;
    tail->refused_since_us = 0;
    if (!tail->is_waiting && isatty(STDERR_FILENO))
        invocation_fail(tail->invocation, STATUS_DONE, "waiting for a recording in %s",
                        tail->invocation->db_path);
    tail->is_waiting = true;
}

// 0 also while there is nothing to open, or not yet.
static int open_file(struct tail *tail, struct err *err)
{
    struct err problem = {0};
    const char *path = tail->invocation->db_path;
    if (!identify(path, &tail->file)) {
        wait_for_file(tail);
        return 0;
    }
    tail->reader = store_reader_open(path, &problem);
    if (tail->reader && begin(tail, &problem) == 0) {
        tail->refused_since_us = 0;
        tail->is_waiting = false;
        return 0;
    }
    close_file(tail);
    int64_t now_us = clock_monotonic_us();
    if (tail->refused_since_us == 0)
        tail->refused_since_us = now_us;
    return now_us - tail->refused_since_us < OPEN_PATIENCE_US ? 0
                                                              : err_set(err, "%s", problem.text);
}

// --- following -----------------------------------------------------------------------------------

static int on_columns(void *ctx, size_t count, const char *const *names)
{
    struct tail *tail = ctx;
    if (tail->has_named_columns)
        return 0;
    tail->has_named_columns = true;
    return rows_on_columns(tail->printer, count, names);
}

static int on_row(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct tail *tail = ctx;
    return rows_on_row(tail->printer, count, names, values);
}

// Tells what is new. 1 if nobody reads it, -1 if it cannot be read.
static int look(struct tail *tail, struct err *err)
{
    bool was_replaced = !is_same_file(tail);
    int rc;
    do
        rc = store_follow_poll(tail->follow, on_columns, on_row, tail, err);
    while (rc == 0 && was_replaced && store_follow_is_behind(tail->follow));
    if (was_replaced && rc <= 0) {
        *err = (struct err){0};
        close_file(tail);
        tail->is_from_start = true;
        rc = 0;
    }
    if (fflush(stdout) != 0)
        return 1;
    return rc;
}

// Waits for a moment. False once it is time to leave: a signal, or nobody reads any more.
static bool rest(const struct tail *tail)
{
    struct pollfd fds[] = {{.fd = tail->signal_fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    bool is_behind = tail->follow && store_follow_is_behind(tail->follow);
    int ready = poll(fds, 2, is_behind ? 0 : POLL_MS);
    return ready <= 0 || (fds[0].revents == 0 && !(fds[1].revents & (POLLERR | POLLHUP)));
}

static enum status follow(struct tail *tail)
{
    struct err err = {0};
    int rc = 0;
    while (rc == 0) {
        rc = tail->reader ? 0 : open_file(tail, &err);
        if (rc == 0 && tail->reader)
            rc = look(tail, &err);
        if (rc == 0 && !rest(tail))
            break;
    }
    close_file(tail);
    if (rc < 0)
        return invocation_fail(tail->invocation, STATUS_FAILED, "%s", err.text);
    return STATUS_DONE;
}

// --- the command ---------------------------------------------------------------------------------

static enum status follow_with_signals(struct tail *tail)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    tail->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (tail->signal_fd < 0)
        return invocation_fail(tail->invocation, STATUS_FAILED, "wait for signals: %s",
                               strerror(errno));
    enum status status = follow(tail);
    close(tail->signal_fd);
    return status;
}

static enum status tail_rows(struct tail *tail, enum rows_format format)
{
    const struct rows_options options = {.out = stdout,
                                         .format = format,
                                         .terminal = terminal_of(STDOUT_FILENO),
                                         .layout = layout,
                                         .typical = typical,
                                         .now_us = clock_wall_us()};
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    tail->printer = rows_printer_create(&options);
    enum status status = follow_with_signals(tail);
    rows_printer_finish(tail->printer);
    rows_printer_destroy(tail->printer);
    return status;
}

static enum status run(struct invocation *invocation)
{
    struct tail tail = {.invocation = invocation};
    const char *count = invocation_value(invocation, "limit");
    if (count && number_parse(count, &tail.wanted) < 0)
        return invocation_fail(invocation, STATUS_USAGE, "-n wants a number, not \"%s\"", count);
    enum rows_format format;
    enum status status = rows_output_format(invocation, &format);
    struct filter *filter = NULL;
    if (status == STATUS_DONE)
        status = invocation_filter(invocation, &filter);
    tail.filter = filter;
    if (status == STATUS_DONE)
        status = tail_rows(&tail, format);
    filter_destroy(filter);
    return status;
}

static const struct command_option own_options[] = {
    {"limit", 'n', "N", "the last N that have ended already, first"},
    {NULL, 0, NULL, NULL},
};

const struct command command_tail = {
    .name = "tail",
    .arguments = "[FILTER…]",
    .summary = "print exchanges as they end",
    .help = "Prints a row for each exchange that matches once it has ended, until interrupted, in\n"
            "the formats and with the columns of hark ls. Each is printed once and none is left\n"
            "out, with the daemon running, started later, or started again, and when the file\n"
            "of the recording comes into being later or is replaced.\n"
            "\n"
            "Examples:\n"
            "  hark tail\n"
            "  hark tail -n 20 host:api.example.com status:>=400\n"
            "  hark tail --json | jq --unbuffered .url\n",
    .options = own_options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING | PRINTS_ROWS | TAKES_FILTER,
    .run = run,
};
