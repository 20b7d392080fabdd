// SPDX-License-Identifier: MIT
// Each exchange is read, masked, and walked over by the writer of the format.
#include "hark/export.h"

#include "hark/curl_command.h"
#include "hark/har.h"
#include "hark/secrets.h"
#include "hark/suggest.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    enum export_format format;
    const char *media_type;
} formats[] = {
    {"har", EXPORT_HAR, "application/json"},
    {"curl", EXPORT_CURL, "text/plain; charset=utf-8"},
    {"jsonl", EXPORT_JSONL, "application/jsonl"},
};

#define FORMAT_COUNT (sizeof(formats) / sizeof(formats[0]))

int export_format_parse(const char *name, enum export_format *format, struct err *err)
{
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            *format = formats[i].format;
            return 0;
        }
    }
    const char *near = suggest_nearest(name, formats, FORMAT_COUNT, sizeof(formats[0]));
    return err_set(err, "there is no format \"%s\"%s%s; it is one of har, curl, jsonl", name,
                   near != NULL ? "; did you mean " : "", near != NULL ? near : "");
}

const char *export_format_media_type(enum export_format format)
{
    return formats[format].media_type;
}

// One export.
struct pass {
    struct store_reader *reader;
    const struct export_options *options;
    int64_t count;
    struct err *err;
    struct json_out har;
    struct json_writer jsonl;
    struct curl_writer curl;
};

static int walk(struct pass *pass, const struct exchange_row *row)
{
    switch (pass->options->format) {
    case EXPORT_HAR:
        return exchange_walk(pass->reader, row, &har_writer_stops, &pass->har, pass->err);
    case EXPORT_CURL:
        return exchange_walk(pass->reader, row, &curl_writer_stops, &pass->curl, pass->err);
    case EXPORT_JSONL:
        return exchange_walk(pass->reader, row, &json_writer_stops, &pass->jsonl, pass->err);
    }
    return 0;
}

static int on_listed(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    (void)count;
    (void)names;
    struct pass *pass = ctx;
    const struct export_options *options = pass->options;
    struct exchange_row *row = NULL;
    enum store_found found = store_get_row(pass->reader, values[0].integer, &row, pass->err);
    if (found != STORE_FOUND)
        return found == STORE_NOT_FOUND ? 0 : 1; // deleted meanwhile
    if (!options->includes_secrets)
        secrets_mask_row(row);
    int result = walk(pass, row);
    row_destroy(row);
    if (result != 0)
        return 1;
    pass->count++;
    return 0;
}

static void pass_fini(struct pass *pass)
{
    json_out_fini(&pass->har);
    json_out_fini(&pass->jsonl.json);
    buffer_fini(&pass->curl.command);
}

int64_t export_write(struct store_reader *reader, const struct export_options *options,
                     struct err *err)
{
    struct pass pass = {
        .reader = reader,
        .options = options,
        .err = err,
        .har.out = options->out,
        .jsonl = {.json.out = options->out, .is_lossless = true},
        .curl.out = options->out,
    };
    const struct store_list_options all = {.filter = options->filter};
    if (options->format == EXPORT_HAR)
        har_begin(&pass.har);
    int result = store_list_traffic(reader, &all, NULL, on_listed, &pass, err);
    if (result == 0 && options->format == EXPORT_HAR)
        result = har_end(&pass.har);
    if (result == 0 && fflush(options->out) != 0)
        result = -1;
    pass_fini(&pass);
    if (result == 0)
        return pass.count;
    // Whoever owns the output knows why it failed.
    return err_set(err, "export: write: %s", strerror(errno));
}
