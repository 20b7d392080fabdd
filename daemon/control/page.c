// SPDX-License-Identifier: MIT
// The page: the files of daemon/control/page, as they are in the program.
//
// A file may be kept by the browser, but is asked for again each time (with its ETag), so that a
// newer hark is never looked at through the page of an older one.
#include "answers.h"

#include "hark/embedded.h"

#include <string.h>
#include <strings.h>

struct media_type {
    const char *suffix;
    const char *type;
};

static const struct media_type media_types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *media_type_of(const char *name)
{
    const char *suffix = strrchr(name, '.');
    for (size_t i = 0; suffix && i < sizeof media_types / sizeof media_types[0]; i++)
        if (strcmp(media_types[i].suffix, suffix) == 0)
            return media_types[i].type;
    return "application/octet-stream";
}

// "gzip" as a coding of its own, and not with "q=0".
static bool takes_gzip(const struct request *request)
{
    const char *accepted = request_header(request, "Accept-Encoding");
    const char *gzip = accepted ? strcasestr(accepted, "gzip") : NULL;
    if (!gzip || (gzip > accepted && !strchr(", \t", gzip[-1])))
        return false;
    const char *end = gzip + strcspn(gzip, ",");
    const char *quality = strcasestr(gzip, "q=0");
    bool is_refused = quality && quality < end && quality + 3 + strspn(quality + 3, ".0 \t") == end;
    return strchr(",; \t", gzip[4]) && !is_refused;
}

static void reply_file(const struct request *request, const char *name, struct reply *reply)
{
    const struct embedded_file *file = embedded_find(embedded_page, name);
    if (!file) {
        reply_problem(reply, 404, "there is no such file", "The page has no file \"%s\".", name);
        return;
    }
    bool is_gzip = takes_gzip(request);
    const char *tag = arena_printf(&reply->arena, "\"%s%s\"", file->digest, is_gzip ? "-gzip" : "");
    const char *known = request_header(request, "If-None-Match");
    reply->policy = POLICY_PAGE;
    reply->cache_control = "no-cache";
    reply_add_header(reply, "ETag", tag);
    reply_add_header(reply, "Vary", "Accept, Accept-Encoding, Cookie");
    if (known && strstr(known, tag)) {
        reply->status = 304;
        return;
    }
    if (is_gzip) {
        reply_add_header(reply, "Content-Encoding", "gzip");
        reply_set_fixed(reply, media_type_of(name), file->gzip, file->gzip_length);
    } else {
        reply_set_fixed(reply, media_type_of(name), file->data, file->length);
    }
}

// Browsers say so; curl does not.
static bool wants_html(const struct request *request)
{
    const char *accepted = request_header(request, "Accept");
    return accepted && strcasestr(accepted, "text/html");
}

void page_answer_root(const struct route_context *context, const struct request *request,
                      struct reply *reply)
{
    if (!wants_html(request))
        health_answer_root(context, request, reply);
    else
        reply_file(request, request->is_authorised ? "index.html" : "welcome.html", reply);
}

void page_answer_welcome_style(const struct route_context *context, const struct request *request,
                               struct reply *reply)
{
    (void)context;
    reply_file(request, "welcome.css", reply);
}

void page_answer_file(const struct route_context *context, const struct request *request,
                      struct reply *reply)
{
    (void)context;
    reply_file(request, request->argument, reply);
}
