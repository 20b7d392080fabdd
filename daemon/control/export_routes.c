// SPDX-License-Identifier: MIT
// The recording for use elsewhere, streamed while it is written.
#include "answers.h"

#include "hark/export.h"

#include <stdio.h>

static ssize_t on_write(void *cookie, const char *data, size_t length)
{
    return reply_write(cookie, data, length) < 0 ? 0 : (ssize_t)length;
}

static int read_options(const struct request *request, struct export_options *options,
                        struct reply *reply)
{
    const char *format = request_parameter(request, "format");
    struct err err = {0};
    if (export_format_parse(format != NULL ? format : "har", &options->format, &err) < 0) {
        reply_problem(reply, 400, "the format is not known", "%s", err.text);
        return -1;
    }
    return request_flag(request, "include_secrets", &options->includes_secrets, reply);
}

static void stream_export(const struct request *request, struct export_options *options,
                          struct reply *reply)
{
    struct err err = {0};
    options->out = fopencookie(reply, "w", (cookie_io_functions_t){.write = on_write});
    if (options->out == NULL) {
        reply_problem(reply, 500, "the export failed", "There is not enough memory.");
        return;
    }
    reply->type = export_format_media_type(options->format);
    int64_t count = export_write(request->reader, options, &err);
    bool is_wanted = ferror(options->out) == 0;
    fclose(options->out);
    if (count < 0 && is_wanted)
        reply_read_problem(reply, &err);
}

void export_answer(const struct route_context *context, const struct request *request,
                   struct reply *reply)
{
    (void)context;
    struct export_options options = {0};
    struct filter *filter;
    if (read_options(request, &options, reply) < 0 || request_filter(request, &filter, reply) < 0)
        return;
    options.filter = filter;
    stream_export(request, &options, reply);
    filter_destroy(filter);
}
