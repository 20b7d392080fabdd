// SPDX-License-Identifier: MIT
// The logger. Threads that others wait for write here, so none may wait for long for a reader:
// where there is no room for a line, it is lost, and a later one says how many were.
#include "hark/log.h"

#include "hark/buffer.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/utf8.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// A reader that is only slow gets this much time, one that has lost lines already gets none.
#define PATIENCE_MS  100
#define SAY_AGAIN_US ((int64_t)10000000)

struct log {
    int fd;
    const char *command; // that speaks; NULL: a daemon
    atomic_bool as_json;
    bool is_journal;
    atomic_int level;
    pthread_mutex_t mutex; // guards what follows, and the order of lines
    uint64_t lost_lines;   // since the last one that was written
    bool is_torn;          // the last one has no end
};

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const priorities[] = {"<3>", "<4>", "<6>", "<7>"}; // as in syslog(3)

// The variable is inherited: it is about this descriptor only if the numbers are its file's.
static bool is_journal(int fd)
{
    unsigned long long device, inode;
    struct stat info;
    const char *stream = getenv("JOURNAL_STREAM");
    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &info) == 0 && info.st_dev == device && info.st_ino == inode;
}

struct log *log_create(int fd, enum log_level level, bool as_json)
{
    struct log *log = mem_calloc(1, sizeof(*log));
    log->fd = fd;
    atomic_init(&log->as_json, as_json);
    log->is_journal = is_journal(fd);
    atomic_init(&log->level, (int)level);
    pthread_mutex_init(&log->mutex, NULL);
    return log;
}

struct log *log_create_for_command(int fd, enum log_level level, const char *command)
{
    struct log *log = log_create(fd, level, false);
    log->command = command;
    log->is_journal = false;
    return log;
}

void log_destroy(struct log *log)
{
    if (log != NULL)
        pthread_mutex_destroy(&log->mutex);
    free(log);
}

void log_set_level(struct log *log, enum log_level level)
{
    atomic_store_explicit(&log->level, (int)level, memory_order_relaxed);
}

void log_set_format(struct log *log, bool as_json)
{
    atomic_store_explicit(&log->as_json, as_json, memory_order_relaxed);
}

bool log_has_level(const struct log *log, enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

static void append_time(struct buffer *line)
{
    int64_t now_us = clock_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    char text[32];
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    buffer_printf(line, "%s.%03dZ", text, (int)(now_us / 1000 % 1000));
}

// Controls: those of ASCII, and U+0080 to U+009F, which are 0xc2 and a byte below 0xa0. Where the
// message is not UTF-8, any byte above ASCII may be one.
static bool is_control(const struct buffer *message, size_t i, bool is_utf8)
{
    const unsigned char *at = (const unsigned char *)message->data + i;
    if (at[0] < 0x80)
        return at[0] < 0x20 || at[0] == 0x7f;
    return !is_utf8 || (at[0] == 0xc2 && at[1] < 0xa0) || (at[0] < 0xa0 && i > 0 && at[-1] == 0xc2);
}

// A message may hold what a client sent: no byte of it can end the line or move the cursor.
static void append_escaped(struct buffer *line, const struct buffer *message)
{
    bool is_utf8 = utf8_is_valid(message->data, message->length);
    for (size_t i = 0; i < message->length; i++) {
        unsigned char c = (unsigned char)message->data[i];
        if (c == '\n')
            buffer_append_text(line, "\\n");
        else if (c == '\r')
            buffer_append_text(line, "\\r");
        else if (is_control(message, i, is_utf8))
            buffer_printf(line, "\\x%02x", c);
        else
            buffer_append_char(line, (char)c);
    }
}

static void append_json(struct buffer *line, enum log_level level, const char *part,
                        const struct buffer *message)
{
    buffer_append_text(line, "{\"time\":\"");
    append_time(line);
    buffer_printf(line, "\",\"level\":\"%s\",\"part\":\"%s\",\"message\":", level_names[level],
                  part);
    buffer_append_json_string(line, message->data, message->length);
    buffer_append_text(line, "}\n");
}

static void append_text(struct buffer *line, enum log_level level, const char *part,
                        const struct buffer *message, bool is_journal)
{
    if (!is_journal) {
        append_time(line);
        buffer_printf(line, " %-5s ", level_names[level]);
    }
    buffer_printf(line, "%s: ", part);
    append_escaped(line, message);
    buffer_append_char(line, '\n');
}

static void append_for_command(struct buffer *line, const char *command,
                               const struct buffer *message)
{
    buffer_printf(line, "hark %s: ", command);
    append_escaped(line, message);
    buffer_append_char(line, '\n');
}

static void append_line(struct log *log, struct buffer *line, enum log_level level,
                        const char *part, const struct buffer *message)
{
    if (log->command != NULL) {
        append_for_command(line, log->command, message);
        return;
    }
    if (log->is_journal)
        buffer_append_text(line, priorities[level]);
    if (log->as_json)
        append_json(line, level, part, message);
    else
        append_text(line, level, part, message, log->is_journal);
}

// --- writing -----------------------------------------------------------------------------------

// Pieces of PIPE_BUF bytes fit into a pipe that has room at all.
static size_t write_what_fits(const struct log *log, const struct buffer *text)
{
    size_t at = 0;
    while (at < text->length) {
        struct pollfd room = {.fd = log->fd, .events = POLLOUT};
        size_t left = text->length - at;
        if (poll(&room, 1, log->lost_lines == 0 ? PATIENCE_MS : 0) != 1 ||
            (room.revents & POLLOUT) == 0)
            break;
        ssize_t written = write(log->fd, text->data + at, left < PIPE_BUF ? left : PIPE_BUF);
        if (written <= 0)
            break;
        at += (size_t)written;
    }
    return at;
}

static void append_loss(struct log *log, struct buffer *text)
{
    struct buffer message = {0};
    if (log->is_torn)
        buffer_append_char(text, '\n');
    if (log->lost_lines == 0)
        return;
    buffer_printf(&message, "%" PRIu64 " lines were lost: nobody read them", log->lost_lines);
    append_line(log, text, LOG_LEVEL_WARN, "log", &message);
    buffer_fini(&message);
}

// A log that cannot be written has nowhere to say so.
static void write_line(struct log *log, const struct buffer *line)
{
    struct buffer text = {0};
    pthread_mutex_lock(&log->mutex);
    append_loss(log, &text);
    size_t loss_length = text.length;
    buffer_append(&text, line->data, line->length);
    size_t written = write_what_fits(log, &text);
    if (written > 0)
        log->is_torn = written < text.length;
    if (written >= loss_length)
        log->lost_lines = 0;
    log->lost_lines += written < text.length;
    pthread_mutex_unlock(&log->mutex);
    buffer_fini(&text);
}

void log_write(struct log *log, enum log_level level, const char *part, const char *format, ...)
{
    if (!log_has_level(log, level))
        return;
    struct buffer message = {0};
    struct buffer line = {0};
    buffer_reserve(&message, 1);
    va_list args;
    va_start(args, format);
    buffer_vprintf(&message, format, args);
    va_end(args);
    append_line(log, &line, level, part, &message);
    write_line(log, &line);
    buffer_fini(&line);
    buffer_fini(&message);
}

// --- now and then -------------------------------------------------------------------------------

int64_t log_limit_pass_some(struct log_limit *limit, int most)
{
    int64_t now_us = clock_monotonic_us();
    limit->unsaid++;
    if (limit->begun_us == 0 || now_us - limit->begun_us >= SAY_AGAIN_US) {
        limit->begun_us = now_us;
        limit->said = 0;
    }
    if (limit->said == most)
        return 0;
    int64_t unsaid = limit->unsaid;
    limit->said++;
    limit->unsaid = 0;
    return unsaid;
}

int64_t log_limit_pass(struct log_limit *limit)
{
    return log_limit_pass_some(limit, 1);
}
