// SPDX-License-Identifier: MIT
// A recorded body alone, streamed: decoded, or as it was on the wire.
//
// A browser that shows it must not take it for a page of hark's: only what is an image goes out
// under its own type, text as plain text, anything else as bytes, and all of it sandboxed.
#include "answers.h"

#include "hark/body_view.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static const char *const image_types[] = {"image/png",  "image/jpeg", "image/gif",
                                          "image/webp", "image/avif", "image/x-icon"};

// The part that is asked for, while the body passes.
struct part {
    struct reply *reply;
    int64_t skip; // bytes before it
    int64_t left;
};

static int on_bytes(void *ctx, const void *data, size_t length)
{
    struct part *part = ctx;
    if (part->left == 0)
        return 1;
    if (part->skip >= (int64_t)length) {
        part->skip -= (int64_t)length;
        return 0;
    }
    const char *at = (const char *)data + part->skip;
    int64_t wanted = (int64_t)length - part->skip;
    if (wanted > part->left)
        wanted = part->left;
    part->skip = 0;
    part->left -= wanted;
    return reply_write(part->reply, at, (size_t)wanted) < 0 ? 1 : 0;
}

static const char *image_type(const struct body_view *view)
{
    const char *type = view->content_type ? view->content_type : "";
    size_t length = strcspn(type, "; \t");
    for (size_t i = 0; i < sizeof image_types / sizeof image_types[0]; i++)
        if (strlen(image_types[i]) == length && strncasecmp(type, image_types[i], length) == 0)
            return image_types[i];
    return NULL;
}

static const char *type_of(const struct body_view *view, enum body_form form)
{
    if (form == BODY_RAW || view->is_undecodable)
        return "application/octet-stream";
    if (image_type(view))
        return image_type(view);
    return body_view_is_text(view) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

// What is missing is not missed in silence.
static void add_problem(const struct body_view *view, struct reply *reply)
{
    if (view->is_cut)
        reply_add_header(reply, "Hark-Problem", "not all of the body was recorded");
    else if (view->problem.is_set && !view->is_undecodable)
        reply_add_header(reply, "Hark-Problem", "the body could not be decoded to its end");
    else if (view->is_undecodable)
        reply_add_header(reply, "Hark-Problem", "the content coding is unknown: as on the wire");
}

static void write_part(const struct body_view *view, struct charset_reader *charset,
                       struct part *part)
{
    struct reply *reply = part->reply;
    struct err err = {0};
    if (!charset) {
        int64_t there = view->shown_bytes > part->skip ? view->shown_bytes - part->skip : 0;
        // The body of an exchange that goes on may have grown when it is read again.
        part->left = there < part->left ? there : part->left;
        reply_set_length(reply, part->left);
    }
    if (body_view_walk_text(view, charset, on_bytes, part, &err) < 0)
        reply_read_problem(reply, &err);
}

static void write_body(const struct body_view *view, enum body_form form, struct part *part)
{
    struct err unknown = {0};
    struct charset_reader *charset = NULL;
    struct reply *reply = part->reply;
    reply->type = type_of(view, form);
    reply->policy = POLICY_RECORD;
    if (strncmp(reply->type, "text/", 5) == 0)
        charset = body_view_charset(view, &unknown);
    if (unknown.is_set)
        reply->type = "application/octet-stream";
    add_problem(view, reply);
    write_part(view, charset, part);
    charset_reader_destroy(charset);
}

static void answer(const struct request *request, enum body_side side, struct reply *reply)
{
    const struct integer_range sizes = {0, INT64_MAX, 0};
    const struct integer_range limits = {0, INT64_MAX, INT64_MAX};
    struct part part = {.reply = reply};
    bool is_raw;
    struct exchange_row *row;
    struct err err = {0};
    if (request_flag(request, "raw", &is_raw, reply) < 0 ||
        request_integer(request, "offset", sizes, &part.skip, reply) < 0 ||
        request_integer(request, "limit", limits, &part.left, reply) < 0 ||
        request_row(request, &row, reply) < 0)
        return;
    enum body_form form = is_raw ? BODY_RAW : BODY_DECODED;
    struct body_view view;
    if (body_view_init(&view, request->reader, row, side, form, &err) < 0) {
        reply_read_problem(reply, &err);
    } else {
        write_body(&view, form, &part);
        body_view_fini(&view);
    }
    row_destroy(row);
}

void bodies_answer_request(const struct route_context *context, const struct request *request,
                           struct reply *reply)
{
    (void)context;
    answer(request, BODY_REQUEST, reply);
}

void bodies_answer_response(const struct route_context *context, const struct request *request,
                            struct reply *reply)
{
    (void)context;
    answer(request, BODY_RESPONSE, reply);
}
