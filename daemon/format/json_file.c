// SPDX-License-Identifier: MIT
// jansson reads ahead of the value it parses, and then says where that ended; reading by position
// lets the next one begin there.
#include "json_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

// Lets the window hold the byte at `at`; false at the end of the file.
static bool fill(struct json_file *file, int64_t at)
{
    if (at >= file->window_at && at < file->window_at + (int64_t)file->window_length)
        return true;
    ssize_t count;
    do
        count = pread(file->fd, file->window, sizeof(file->window), at);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        file->read_errno = errno;
    file->window_at = at;
    file->window_length = count > 0 ? (size_t)count : 0;
    return count > 0;
}

int json_file_peek(struct json_file *file)
{
    while (fill(file, file->at)) {
        char c = file->window[file->at - file->window_at];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            return (unsigned char)c;
        file->at++;
    }
    return -1;
}

static int fail(const struct json_file *file, const char *what, struct err *err)
{
    if (file->read_errno != 0)
        return err_set(err, "read the file: %s", strerror(file->read_errno));
    return err_set(err, "%s at byte %" PRId64, what, file->at);
}

int json_file_take(struct json_file *file, char expected, struct err *err)
{
    int found = json_file_peek(file);
    if (found == expected) {
        file->at++;
        return 0;
    }
    char what[64];
    snprintf(what, sizeof(what), found < 0 ? "the file breaks off, '%c' is missing" : "no '%c'",
             expected);
    return fail(file, what, err);
}

bool json_file_has_more(struct json_file *file, char bracket, struct err *err)
{
    if (json_file_peek(file) == ',') {
        file->at++;
        return true;
    }
    json_file_take(file, bracket, err);
    return false;
}

// For json_load_callback(), which asks for at most 1 KiB at a time.
static size_t on_read(void *buffer, size_t size, void *ctx)
{
    struct json_file *file = ctx;
    if (file->at >= file->value_end) {
        file->is_too_long = true;
        return (size_t)-1;
    }
    if (!fill(file, file->at))
        return file->read_errno != 0 ? (size_t)-1 : 0;
    size_t left = file->window_length - (size_t)(file->at - file->window_at);
    size_t now = left < size ? left : size;
    memcpy(buffer, file->window + (file->at - file->window_at), now);
    file->at += (int64_t)now;
    return now;
}

static json_t *load(struct json_file *file, int64_t start, size_t flags, json_error_t *problem)
{
    file->is_too_long = false;
    file->at = start;
    file->value_end = start + file->value_max_bytes;
    json_t *value = json_load_callback(
        on_read, file, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL | flags, problem);
    file->at = file->is_too_long ? start : start + problem->position;
    return value;
}

json_t *json_file_value(struct json_file *file, struct err *err)
{
    if (json_file_peek(file) < 0) {
        fail(file, "the file breaks off", err);
        return NULL;
    }
    int64_t start = file->at;
    json_error_t problem;
    json_t *value = load(file, start, 0, &problem);
    if (value == NULL && json_error_code(&problem) == json_error_numeric_overflow)
        value = load(file, start, JSON_DECODE_INT_AS_REAL, &problem);
    if (value != NULL)
        return value;
    bool has_ended = json_error_code(&problem) == json_error_premature_end_of_input;
    if (file->is_too_long)
        err_set(err, "longer than %" PRId64 " MiB, which is the most that is taken",
                file->value_max_bytes / 1024 / 1024);
    else
        fail(file, has_ended ? "the file breaks off" : problem.text, err);
    return NULL;
}

// Behind the quotation mark that ends the string that begins here.
static int pass_over_string(struct json_file *file, struct err *err)
{
    for (file->at++; fill(file, file->at); file->at++) {
        char c = file->window[file->at - file->window_at];
        if (c == '\\')
            file->at++;
        else if (c == '"') {
            file->at++;
            return 0;
        }
    }
    return fail(file, "the file breaks off", err);
}

static void pass_over_scalar(struct json_file *file)
{
    while (fill(file, file->at) &&
           strchr(",:]} \t\r\n", file->window[file->at - file->window_at]) == NULL)
        file->at++;
}

int json_file_pass_over(struct json_file *file, struct err *err)
{
    int64_t depth = 0;
    do {
        int c = json_file_peek(file);
        if (c < 0)
            return fail(file, "the file breaks off", err);
        depth += c == '{' || c == '[' ? 1 : 0;
        depth -= c == '}' || c == ']' ? 1 : 0;
        if (c == '"' && pass_over_string(file, err) != 0)
            return -1;
        if (c != '"')
            file->at++;
        if (strchr("\"{}[],:", c) == NULL)
            pass_over_scalar(file);
    } while (depth > 0);
    return 0;
}
