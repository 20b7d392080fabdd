// SPDX-License-Identifier: MIT
// libcurl over a Unix socket. The socket's path goes through /proc/self/fd, since an address holds
// no more than 107 bytes of path.
#include "daemon_client.h"

#include "hark/buffer.h"
#include "hark/control.h"
#include "hark/mem.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define TIMEOUT_MS       10000L

#define SESSIONS_PATH   "/api/v1/sessions"
#define HTTP_OK         200
#define HTTP_CREATED    201
#define HTTP_NO_CONTENT 204
#define HTTP_NOT_FOUND  404

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
    struct buffer *answer = ctx;
    if (answer->length + size * count > ANSWER_MAX_BYTES)
        return 0;
    buffer_append(answer, data, size * count);
    return size * count;
}

// --- lines ---------------------------------------------------------------------------------------

// One answer that comes in lines, or a problem instead.
struct line_reader {
    struct daemon_lines *lines;
    CURL *curl;
    struct buffer rest; // what has no line end yet; all of a problem
};

static bool is_answer(const struct line_reader *reader)
{
    long status = 0;
    curl_easy_getinfo(reader->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == HTTP_OK;
}

static int take_lines(struct line_reader *reader)
{
    struct buffer *rest = &reader->rest;
    size_t taken = 0;
    char *end;
    int rc = 0;
    while (rc == 0 && (end = memchr(rest->data + taken, '\n', rest->length - taken))) {
        size_t length = (size_t)(end - rest->data) - taken;
        *end = '\0';
        rc = reader->lines->on_line(reader->lines->ctx, rest->data + taken, length);
        taken += length + 1;
    }
    rest->length -= taken;
    memmove(rest->data, rest->data + taken, rest->length);
    return rc;
}

static size_t on_line_data(char *data, size_t size, size_t count, void *ctx)
{
    struct line_reader *reader = ctx;
    size_t length = size * count;
    if (reader->rest.length + length > ANSWER_MAX_BYTES)
        return 0;
    buffer_append(&reader->rest, data, length);
    if (!is_answer(reader) || take_lines(reader) == 0)
        return length;
    reader->lines->has_left = true;
    return 0;
}

static size_t on_line_field(char *line, size_t size, size_t count, void *ctx)
{
    struct line_reader *reader = ctx;
    size_t length = size * count;
    char *name = mem_strndup(line, length);
    char *colon = strchr(name, ':');
    if (colon && reader->lines->on_field) {
        *colon = '\0';
        char *value = colon + 1 + strspn(colon + 1, " ");
        value[strcspn(value, "\r\n")] = '\0';
        reader->lines->on_field(reader->lines->ctx, name, value);
    }
    free(name);
    return length;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct line_reader *reader = ctx;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    if (reader->lines->must_leave && reader->lines->must_leave(reader->lines->ctx))
        reader->lines->has_left = true;
    return reader->lines->has_left ? 1 : 0;
}

static void set_line_options(struct line_reader *reader, CURL *curl)
{
    reader->curl = curl;
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_line_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, reader);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_line_field);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, reader);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, reader);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

// --- one question --------------------------------------------------------------------------------

struct question {
    const char *method;
    const char *path;
    const char *body; // NULL: none
    int body_fd;      // a file to send, if `body_bytes` is not 0
    int64_t body_bytes;
    long expected;                      // status of success; 0: any
    bool *is_missing;                   // 404 is an answer, too, and told here; NULL: a failure
    bool is_patient;                    // it may take long
    struct line_reader *reader;         // for an answer that comes in lines; else NULL
    const struct daemon_upload *upload; // what `body_fd` is of; else NULL
};

static size_t on_file(char *data, size_t size, size_t count, void *ctx)
{
    const struct question *question = ctx;
    ssize_t length = read(question->body_fd, data, size * count);
    return length < 0 ? CURL_READFUNC_ABORT : (size_t)length;
}

static int on_upload(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                     curl_off_t up)
{
    const struct daemon_upload *upload = ctx;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    if (upload->on_wait != NULL)
        upload->on_wait(upload->ctx);
    return 0;
}

// The answer takes as long as the file is long.
static void set_file_options(const struct question *question, CURL *curl)
{
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_upload);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)question->upload);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 0L);
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_file);
    curl_easy_setopt(curl, CURLOPT_READDATA, (void *)(uintptr_t)question);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->body_bytes);
}

static CURLcode perform(CURL *curl, const struct question *question, const char *socket_path,
                        const char *url, struct buffer *answer, long *status)
{
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, question->is_patient ? 0L : TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (question->body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->body);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, question->method);
    if (question->reader)
        set_line_options(question->reader, curl);
    if (question->body_bytes > 0)
        set_file_options(question, curl);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    return code;
}

static bool is_success(const struct question *question, long status)
{
    if (question->is_missing != NULL && status == HTTP_NOT_FOUND) {
        *question->is_missing = true;
        return true;
    }
    return question->expected == 0 ? status / 100 == 2 : status == question->expected;
}

static enum daemon_answer read_answer(CURLcode code, long status, const struct question *question,
                                      const struct buffer *answer, json_t **value, struct err *err)
{
    *value = NULL;
    if (code == CURLE_COULDNT_CONNECT)
        return DAEMON_ABSENT;
    if (code != CURLE_OK) {
        err_set(err, "ask the daemon: %s", curl_easy_strerror(code));
        return DAEMON_FAILED;
    }
    *value = json_loadb(answer->data ? answer->data : "", answer->length, 0, NULL);
    bool is_content_read = *value || answer->length == 0;
    if (is_success(question, status) && is_content_read)
        return DAEMON_ANSWERED;
    const char *detail = json_string_value(json_object_get(*value, "detail"));
    err_set(err, "ask the daemon: it answered %ld%s%s", status, detail ? ": " : "",
            detail ? detail : "");
    json_decref(*value);
    *value = NULL;
    return DAEMON_FAILED;
}

static enum daemon_answer ask(const char *data_dir, const struct question *question, json_t **value,
                              struct err *err)
{
    int folder = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return DAEMON_ABSENT;
    char *socket_path = mem_printf("/proc/self/fd/%d/" CONTROL_SOCKET_NAME, folder);
    char *url = mem_printf("http://localhost%s", question->path);
    struct buffer answer = {0};
    long status = 0;
    CURL *curl = curl_easy_init();
    CURLcode code =
        curl ? perform(curl, question, socket_path, url, &answer, &status) : CURLE_FAILED_INIT;
    curl_easy_cleanup(curl);
    close(folder);
    free(socket_path);
    free(url);
    const struct buffer *text = question->reader ? &question->reader->rest : &answer;
    enum daemon_answer result = read_answer(code, status, question, text, value, err);
    buffer_fini(&answer);
    return result;
}

enum daemon_answer daemon_get(const char *data_dir, const char *path, json_t **value,
                              struct err *err)
{
    const struct question question = {.method = "GET", .path = path, .expected = HTTP_OK};
    return ask(data_dir, &question, value, err);
}

pid_t daemon_find_process(const char *data_dir)
{
    int folder = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" CONTROL_SOCKET_NAME,
             folder);
    bool is_there = folder >= 0 && fd >= 0 &&
                    connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    if (folder >= 0)
        close(folder);
    if (fd >= 0)
        close(fd);
    return is_there ? peer.pid : 0;
}

enum daemon_answer daemon_change(const char *data_dir, const char *method, const char *path,
                                 const char *body, json_t **value, struct err *err)
{
    const struct question question = {
        .method = method, .path = path, .body = body, .is_patient = true};
    return ask(data_dir, &question, value, err);
}

enum daemon_answer daemon_ask_for_lines(const char *data_dir, const char *method, const char *path,
                                        const char *body, struct daemon_lines *lines,
                                        struct err *err)
{
    struct line_reader reader = {.lines = lines};
    struct question question = {
        .method = method, .path = path, .body = body, .expected = HTTP_OK, .reader = &reader};
    json_t *value = NULL;
    enum daemon_answer answer = ask(data_dir, &question, &value, err);
    json_decref(value);
    buffer_fini(&reader.rest);
    return lines->has_left ? DAEMON_ANSWERED : answer;
}

enum daemon_answer daemon_post_file(const char *data_dir, const struct daemon_upload *upload,
                                    json_t **value, struct err *err)
{
    struct stat info;
    if (fstat(upload->fd, &info) < 0 || lseek(upload->fd, 0, SEEK_SET) < 0) {
        err_set(err, "read %s: %s", upload->name, strerror(errno));
        return DAEMON_FAILED;
    }
    char *name = curl_easy_escape(NULL, upload->name, 0);
    char *path = mem_printf("%s?name=%s%s%s", upload->path, name, upload->flag ? "&" : "",
                            upload->flag ? upload->flag : "");
    const struct question question = {.method = "POST",
                                      .path = path,
                                      .body_fd = upload->fd,
                                      .body_bytes = info.st_size,
                                      .upload = upload,
                                      .expected = HTTP_OK};
    enum daemon_answer answer = ask(data_dir, &question, value, err);
    free(path);
    curl_free(name);
    return answer;
}

// --- who it is -----------------------------------------------------------------------------------

enum daemon_answer daemon_find(const char *data_dir, struct daemon_info *info, struct err *err)
{
    static const char scheme[] = "http://";
    *info = (struct daemon_info){0};
    json_t *status = NULL;
    enum daemon_answer answer = daemon_get(data_dir, "/api/v1/status", &status, err);
    if (answer != DAEMON_ANSWERED)
        return answer;
    const char *proxy = json_string_value(json_array_get(json_object_get(status, "proxy"), 0));
    const char *db = json_string_value(json_object_get(status, "db"));
    if (proxy && db && strncmp(proxy, scheme, strlen(scheme)) == 0) {
        info->pid = (pid_t)json_integer_value(json_object_get(status, "pid"));
        info->session_id = json_integer_value(json_object_get(status, "session_id"));
        info->is_ending = json_is_true(json_object_get(status, "is_ending"));
        info->wants_login = json_is_true(json_object_get(status, "wants_login"));
        info->proxy = mem_strdup(proxy + strlen(scheme));
        info->db = mem_strdup(db);
    } else {
        err_set(err, "ask the daemon: it does not say where it listens");
        answer = DAEMON_FAILED;
    }
    json_decref(status);
    return answer;
}

void daemon_info_fini(struct daemon_info *info)
{
    free(info->proxy);
    free(info->db);
    *info = (struct daemon_info){0};
}

// --- sessions ------------------------------------------------------------------------------------

enum daemon_answer daemon_open_session(const char *data_dir, const char *command,
                                       struct daemon_session *session, struct err *err)
{
    struct buffer body = {0};
    buffer_append_text(&body, "{\"command\":");
    buffer_append_json_string(&body, command, strlen(command));
    buffer_printf(&body, ",\"pid\":%d}", (int)getpid());
    const struct question question = {
        .method = "POST", .path = SESSIONS_PATH, .body = body.data, .expected = HTTP_CREATED};
    json_t *value = NULL;
    enum daemon_answer answer = ask(data_dir, &question, &value, err);
    buffer_fini(&body);
    if (answer != DAEMON_ANSWERED)
        return answer;
    const char *proxy = json_string_value(json_object_get(value, "proxy"));
    session->id = json_integer_value(json_object_get(value, "id"));
    session->proxy = mem_strdup(proxy ? proxy : "");
    json_decref(value);
    return DAEMON_ANSWERED;
}

enum daemon_answer daemon_get_session(const char *data_dir, int64_t id, json_t **value,
                                      struct err *err)
{
    char *path = mem_printf(SESSIONS_PATH "/%" PRId64, id);
    enum daemon_answer answer = daemon_get(data_dir, path, value, err);
    free(path);
    return answer;
}

static enum daemon_answer delete_one(const char *data_dir, const char *folder, int64_t id,
                                     bool *is_missing, struct err *err)
{
    char *path = mem_printf("%s/%" PRId64, folder, id);
    const struct question question = {
        .method = "DELETE", .path = path, .expected = HTTP_NO_CONTENT, .is_missing = is_missing};
    json_t *value = NULL;
    enum daemon_answer answer = ask(data_dir, &question, &value, err);
    json_decref(value);
    free(path);
    return answer;
}

enum daemon_answer daemon_close_session(const char *data_dir, int64_t id, struct err *err)
{
    return delete_one(data_dir, SESSIONS_PATH, id, NULL, err);
}

enum daemon_answer daemon_stop_replay(const char *data_dir, int64_t session_id, bool *has_ended,
                                      struct err *err)
{
    return delete_one(data_dir, "/api/v1/replay", session_id, has_ended, err);
}
