// SPDX-License-Identifier: MIT
// Content is collected until it is too long to be kept, then it goes through the stream.
#include "reply.h"

#include "stream.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MAX_BYTES ((size_t)64 * 1024)

void reply_fini(struct reply *reply)
{
    buffer_fini(&reply->body);
    arena_fini(&reply->arena);
    *reply = (struct reply){0};
}

// --- the head ------------------------------------------------------------------------------------

void reply_add_header(struct reply *reply, const char *name, const char *value)
{
    assert(reply->header_count < REPLY_HEADERS_MAX);
    reply->headers[reply->header_count++] =
        (struct reply_header){name, arena_strdup(&reply->arena, value)};
}

void reply_set_fixed(struct reply *reply, const char *type, const void *data, size_t length)
{
    reply->type = type;
    reply->fixed = data;
    reply->fixed_length = length;
}

void reply_set_length(struct reply *reply, int64_t length)
{
    reply->has_length = true;
    reply->length = length;
}

// --- content -------------------------------------------------------------------------------------

// Whoever asked for the head alone has got it with that.
static int begin(struct reply *reply)
{
    assert(reply->may_stream);
    reply->is_streamed = true;
    if (reply->is_head)
        buffer_clear(&reply->body);
    stream_begin(reply->stream, &reply->body);
    return reply->is_head ? -1 : 0;
}

int reply_write(struct reply *reply, const void *data, size_t length)
{
    if (reply->is_streamed)
        return reply->is_head ? -1 : stream_write(reply->stream, data, length);
    buffer_append(&reply->body, data, length);
    return reply->may_stream && reply->body.length > WHOLE_MAX_BYTES ? begin(reply) : 0;
}

int reply_write_buffer(struct reply *reply, struct buffer *buffer)
{
    int rc = buffer->length > 0 ? reply_write(reply, buffer->data, buffer->length) : 0;
    buffer_clear(buffer);
    return rc;
}

int reply_flush(struct reply *reply)
{
    return reply->is_streamed ? 0 : begin(reply);
}

bool reply_is_unwanted(struct reply *reply)
{
    return reply->may_stream && stream_is_unwanted(reply->stream);
}

void reply_hand_over(struct reply *reply)
{
    reply->is_streamed = true;
    reply->is_handed_over = true;
}

void reply_take_back(struct reply *reply)
{
    reply->is_streamed = false;
    reply->is_handed_over = false;
}

void reply_text(struct reply *reply, const char *text)
{
    buffer_append_text(&reply->body, text);
    reply->type = "text/plain; charset=utf-8";
}

static int on_json_text(const char *text, size_t length, void *ctx)
{
    buffer_append(ctx, text, length);
    return 0;
}

void reply_json(struct reply *reply, const char *type, json_t *object)
{
    buffer_clear(&reply->body);
    json_dump_callback(object, on_json_text, &reply->body, JSON_COMPACT);
    buffer_append_char(&reply->body, '\n');
    json_decref(object);
    reply->type = type;
}

// --- problems ------------------------------------------------------------------------------------

static json_t *problem_object(unsigned status, const char *title)
{
    return json_pack("{s:s, s:s, s:i}", "type", "about:blank", "title", title, "status",
                     (int)status);
}

static void set_problem(struct reply *reply, unsigned status, json_t *problem)
{
    reply->status = status;
    reply->has_length = false;
    reply->policy = POLICY_NONE;
    reply_json(reply, "application/problem+json", problem);
}

// A text of a request may hold any bytes.
static json_t *text_of(const struct buffer *text)
{
    json_t *string = json_stringn(text->data ? text->data : "", text->length);
    return string ? string : json_string("(not UTF-8)");
}

void reply_problem(struct reply *reply, unsigned status, const char *title, const char *detail, ...)
{
    struct buffer text = {0};
    va_list args;
    va_start(args, detail);
    buffer_vprintf(&text, detail, args);
    va_end(args);
    json_t *problem = problem_object(status, title);
    json_object_set_new(problem, "detail", text_of(&text));
    set_problem(reply, status, problem);
    buffer_fini(&text);
}

// What stands in quotes behind "did you mean"; null if nothing does.
static json_t *suggestion_of(const char *text)
{
    static const char lead[] = "did you mean \"";
    const char *found = strstr(text, lead);
    if (!found)
        return json_null();
    const char *begin = found + sizeof lead - 1;
    return json_stringn(begin, strcspn(begin, "\""));
}

void reply_filter_problem(struct reply *reply, const struct err *err)
{
    int column = 0;
    int text_at = 0;
    sscanf(err->text, "filter: column %d: %n", &column, &text_at);
    const char *text = err->text + text_at;
    const struct buffer detail = {.data = (char *)(uintptr_t)text, .length = strlen(text)};
    json_t *problem = problem_object(400, "there is a mistake in the filter");
    json_object_set_new(problem, "detail", text_of(&detail));
    json_object_set_new(problem, "column", column > 0 ? json_integer(column) : json_null());
    json_object_set_new(problem, "suggestion", suggestion_of(text));
    set_problem(reply, 400, problem);
}

void reply_read_problem(struct reply *reply, const struct err *err)
{
    reply->has_failed = true;
    if (!reply->is_streamed)
        reply_problem(reply, 503, "the recording cannot be read", "%s", err->text);
}

void reply_not_found(struct reply *reply, int64_t id)
{
    reply_problem(reply, 404, "there is no such exchange",
                  "%" PRId64 " was never given out, is not written yet, or has been deleted.", id);
}
