// SPDX-License-Identifier: MIT
// Asking the running daemon of a data folder, through its control.sock.
#ifndef HARK_CLI_DAEMON_CLIENT_H
#define HARK_CLI_DAEMON_CLIENT_H

#include "hark/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum daemon_answer {
    DAEMON_ANSWERED, // as it should
    DAEMON_ABSENT,   // nobody listens
    DAEMON_FAILED,   // anything else; err says what
};

// GET `path`. The caller owns the value.
enum daemon_answer daemon_get(const char *data_dir, const char *path, json_t **value,
                              struct err *err);

// Who listens on the socket, whether it answers or not; 0: nobody.
pid_t daemon_find_process(const char *data_dir);

// `method` on `path` with `body` (JSON; NULL: none), however long it takes. The caller owns the
// value, which is NULL if the answer has no content.
enum daemon_answer daemon_change(const char *data_dir, const char *method, const char *path,
                                 const char *body, json_t **value, struct err *err);

// An answer that comes line by line, for as long as it takes.
struct daemon_lines {
    // One line, without its end. Return 0 to go on, another number to leave.
    int (*on_line)(void *ctx, const char *line, size_t length);
    // A header field of the answer, before its first line. May be NULL.
    void (*on_field)(void *ctx, const char *name, const char *value);
    // Asked about once a second, and whenever something came; true leaves. May be NULL.
    bool (*must_leave)(void *ctx);
    void *ctx;
    bool has_left; // of its own will
};

// `method` on `path` with `body` (JSON; NULL: none).
enum daemon_answer daemon_ask_for_lines(const char *data_dir, const char *method, const char *path,
                                        const char *body, struct daemon_lines *lines,
                                        struct err *err);

// A file to POST. The caller owns the value that is answered.
struct daemon_upload {
    const char *path;
    const char *name; // of the file, for the parameter of that name
    const char *flag; // another parameter; NULL for none
    int fd;           // an ordinary file
    // Asked about once a second while it takes. May be NULL.
    void (*on_wait)(void *ctx);
    void *ctx;
};
enum daemon_answer daemon_post_file(const char *data_dir, const struct daemon_upload *upload,
                                    json_t **value, struct err *err);

// Stops what POST /api/v1/replay began, by its session. `has_ended`: there was nothing to stop.
enum daemon_answer daemon_stop_replay(const char *data_dir, int64_t session_id, bool *has_ended,
                                      struct err *err);

// What there is to know of a daemon before it is used. Owner: whoever called daemon_find().
struct daemon_info {
    pid_t pid;
    int64_t session_id;
    char *proxy; // "127.0.0.1:4275", the first of its addresses
    char *db;
    bool wants_login; // its clients need a user and a password
    bool is_ending;   // takes no more requests
};

enum daemon_answer daemon_find(const char *data_dir, struct daemon_info *info, struct err *err);
void daemon_info_fini(struct daemon_info *info);

// A session of its own for one program; see server_open_session(). The session ends by itself when
// the process that opened it does.
struct daemon_session {
    int64_t id;
    char *proxy; // the caller frees it
};

enum daemon_answer daemon_open_session(const char *data_dir, const char *command,
                                       struct daemon_session *session, struct err *err);
// {"id": …, "played_back": …, "playback_misses": …}. The caller owns the value.
enum daemon_answer daemon_get_session(const char *data_dir, int64_t id, json_t **value,
                                      struct err *err);
enum daemon_answer daemon_close_session(const char *data_dir, int64_t id, struct err *err);

#endif
