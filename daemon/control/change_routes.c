// SPDX-License-Identifier: MIT
// What changes the recording: deleting exchanges, and notes on them. It is done by jobs between
// the traffic's batches; the pool's thread finds what to do and waits.
#include "answers.h"

#include "hark/clock.h"
#include "hark/store_note.h"
#include "hark/store_prune.h"
#include "hark/units.h"

#include <inttypes.h>
#include <string.h>

static int run_job(void *ctx, store_step_fn step, void *step_ctx, struct err *err)
{
    return server_run_job(ctx, step, step_ctx, err);
}

// --- deleting ------------------------------------------------------------------------------------

static int refuse_parameter(const char *name, const char *text, const char *example,
                            struct reply *reply)
{
    reply_problem(reply, 400, "a parameter is not what it should be", "%s=%s: %s is expected.",
                  name, text, example);
    return -1;
}

static int read_limits(const struct request *request, struct store_prune_options *options,
                       struct reply *reply)
{
    const char *older = request_parameter(request, "older");
    const char *bytes = request_parameter(request, "keep_bytes");
    const struct integer_range counts = {0, INT64_MAX, STORE_PRUNE_NO_LIMIT};
    int64_t age_ms;
    options->keep_from_us = STORE_PRUNE_NO_LIMIT;
    options->keep_bytes = STORE_PRUNE_NO_LIMIT;
    if (older && (units_parse_duration(older, &age_ms) < 0 || age_ms > INT64_MAX / 1000))
        return refuse_parameter("older", older, "a duration such as 12h or 7d", reply);
    if (older)
        options->keep_from_us = clock_wall_us() - age_ms * 1000;
    if (bytes && units_parse_size(bytes, &options->keep_bytes) < 0)
        return refuse_parameter("keep_bytes", bytes, "a size such as 500M or 1G", reply);
    if (request_flag(request, "dry_run", &options->is_dry_run, reply) < 0 ||
        request_flag(request, "compact", &options->is_compact, reply) < 0)
        return -1;
    return request_integer(request, "keep_count", counts, &options->keep_count, reply);
}

static bool is_all(const struct store_prune_options *options)
{
    return !options->filter && !options->is_compact &&
           options->keep_from_us == STORE_PRUNE_NO_LIMIT &&
           options->keep_count == STORE_PRUNE_NO_LIMIT &&
           options->keep_bytes == STORE_PRUNE_NO_LIMIT;
}

static void remove_exchanges(const struct route_context *context, const struct request *request,
                             const struct store_prune_options *options, struct reply *reply)
{
    const struct store_runner runner = {.run = run_job, .ctx = context->server};
    struct store_prune_result result;
    struct err err = {0};
    if (is_all(options))
        reply_problem(reply, 400, "nothing says what to delete",
                      "Send filter, older, keep_bytes or keep_count; filter=id:1.. is all there "
                      "is. compact=1 alone gives free space back.");
    else if (store_prune(request->reader, options, &runner, &result, &err) < 0)
        reply_problem(reply, 503, "not everything was deleted",
                      "%" PRId64 " exchanges were, then: %s", result.exchanges, err.text);
    else
        reply_json(reply, "application/json",
                   json_pack("{s:I, s:I, s:I, s:I}", "exchanges", (json_int_t)result.exchanges,
                             "bytes", (json_int_t)result.bytes, "marked", (json_int_t)result.marked,
                             "size", (json_int_t)result.size));
}

void exchanges_answer_remove(const struct route_context *context, const struct request *request,
                             struct reply *reply)
{
    struct store_prune_options options = {0};
    struct filter *filter;
    if (read_limits(request, &options, reply) < 0 || request_filter(request, &filter, reply) < 0)
        return;
    options.filter = filter;
    remove_exchanges(context, request, &options, reply);
    filter_destroy(filter);
}

// --- notes ---------------------------------------------------------------------------------------

// {"mark": true, "text": "…"}: what is left out stays as it is, a text of null goes.
static int read_note(const json_t *body, struct store_note *note)
{
    const json_t *mark = json_object_get(body, "mark");
    const json_t *text = json_object_get(body, "text");
    size_t known = (mark != NULL) + (text != NULL);
    if (known == 0 || known != json_object_size(body) || (mark && !json_is_boolean(mark)) ||
        (text && !json_is_string(text) && !json_is_null(text)))
        return -1;
    note->sets_mark = mark != NULL;
    note->is_marked = json_is_true(mark);
    note->sets_text = text != NULL;
    note->text = json_string_value(text);
    return 0;
}

void notes_answer_put(const struct route_context *context, const struct request *request,
                      struct reply *reply)
{
    struct store_note note = {0};
    struct err err = {0};
    if (request_id(request, &note.exchange_id, reply) < 0)
        return;
    json_t *body = json_loadb(request->body->length > 0 ? request->body->data : "",
                              request->body->length, 0, NULL);
    if (read_note(body, &note) < 0)
        reply_problem(reply, 400, "the body is not what it should be",
                      "Send {\"mark\": true} or false, {\"text\": \"…\"} or null, or both.");
    else if (server_run_job(context->server, store_note_step, &note, &err) < 0)
        reply_problem(reply, 503, "the note was not written", "%s", err.text);
    else if (!note.is_found)
        reply_not_found(reply, note.exchange_id);
    else
        reply->status = 204;
    json_decref(body);
}
