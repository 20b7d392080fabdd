// SPDX-License-Identifier: MIT
// The one logger: a line an event to stderr or a file, as text or as JSON lines.
//
// CR, LF and other controls in a message are escaped, so that what a client sends can never begin
// a line of its own. Thread: any; nobody waits for long for whoever reads the log: lines that
// it has no room for are lost and counted.
//
// Where the descriptor is the journal's (JOURNAL_STREAM), a line begins with its priority, "<6>",
// and has no time of its own: the journal keeps both.
#ifndef HARK_LOG_H
#define HARK_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log;

// Writes to the descriptor `fd`, which stays the caller's.
struct log *log_create(int fd, enum log_level level, bool as_json);
// For a command that is over soon: a line reads "hark import: message", as its other messages do.
// `command` ("import") outlives the log.
struct log *log_create_for_command(int fd, enum log_level level, const char *command);
void log_destroy(struct log *log);
// May be called while other threads log (configuration reload).
void log_set_level(struct log *log, enum log_level level);
void log_set_format(struct log *log, bool as_json);
bool log_has_level(const struct log *log, enum log_level level);

// `part` is the part of hark that speaks ("proxy", "store"); the message has no final newline.
void log_write(struct log *log, enum log_level level, const char *part, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// How often something is said that strangers can cause without end. Owner, thread: the caller's.
struct log_limit {
    int64_t begun_us; // when it was said, the first time in these 10 s; monotonic, 0: never
    int said;         // times since then
    int64_t unsaid;
};

// It has happened. Returns 0 if it was said in the last 10 s, else how often it has happened since.
int64_t log_limit_pass(struct log_limit *limit);
// The same for what may be said `most` times in 10 s.
int64_t log_limit_pass_some(struct log_limit *limit, int most);

#define log_error(log, part, ...) log_write((log), LOG_LEVEL_ERROR, (part), __VA_ARGS__)
#define log_warn(log, part, ...)  log_write((log), LOG_LEVEL_WARN, (part), __VA_ARGS__)
#define log_info(log, part, ...)  log_write((log), LOG_LEVEL_INFO, (part), __VA_ARGS__)
#define log_debug(log, part, ...) log_write((log), LOG_LEVEL_DEBUG, (part), __VA_ARGS__)

#endif
