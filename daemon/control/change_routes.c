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

// How often a deletion says how far it is, if that is asked for.
#define TELL_US ((int64_t)100000)

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
    if (older && (units_parse_age(older, &age_ms) < 0 || age_ms > INT64_MAX / 1000))
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
    if (options->filter)
        return filter_is_empty(options->filter);
    return !options->is_compact && options->keep_from_us == STORE_PRUNE_NO_LIMIT &&
           options->keep_count == STORE_PRUNE_NO_LIMIT &&
           options->keep_bytes == STORE_PRUNE_NO_LIMIT;
}

// Owner: exchanges_answer_remove().
struct removal {
    struct server *server;
    struct store_prune_options options;
    struct store_prune_result result; // so far
    bool tells_progress;              // a line now and then, the last of which is the result
    int64_t told_us;
    struct reply *reply;
};

static int write_result(struct removal *removal)
{
    const struct store_prune_result *result = &removal->result;
    struct buffer line = {0};
    buffer_printf(&line,
                  "{\"exchanges\":%" PRId64 ",\"bytes\":%" PRId64 ",\"marked\":%" PRId64
                  ",\"size\":%" PRId64 "}\n",
                  result->exchanges, result->bytes, result->marked, result->size);
    int rc = reply_write_buffer(removal->reply, &line);
    buffer_fini(&line);
    return rc;
}

static int run_job(void *ctx, store_step_fn step, void *step_ctx, struct err *err)
{
    struct removal *removal = ctx;
    int64_t now_us = clock_monotonic_us();
    if (removal->tells_progress && now_us - removal->told_us > TELL_US) {
        removal->told_us = now_us;
        if (write_result(removal) < 0 || reply_flush(removal->reply) < 0)
            return err_set(err, "nobody waits for it any more");
    }
    return server_run_job(removal->server, step, step_ctx, err);
}

// In the middle of the lines, the last one says it.
static void explain(struct removal *removal, const struct err *err)
{
    static const char title[] = "not everything was deleted";
    struct buffer text = {0};
    struct buffer line = {0};
    buffer_printf(&text, "%" PRId64 " exchanges were, then: %s", removal->result.exchanges,
                  err->text);
    if (!removal->reply->is_streamed) {
        reply_problem(removal->reply, 503, title, "%s", text.data);
    } else {
        buffer_printf(&line, "{\"title\":\"%s\",\"status\":503,\"detail\":", title);
        buffer_append_json_string(&line, text.data, text.length);
        buffer_append_text(&line, "}\n");
        reply_write_buffer(removal->reply, &line);
    }
    buffer_fini(&text);
    buffer_fini(&line);
}

static void remove_exchanges(struct removal *removal, struct store_reader *reader)
{
    const struct store_runner runner = {.run = run_job, .ctx = removal};
    struct err err = {0};
    removal->told_us = clock_monotonic_us();
    removal->reply->type = removal->tells_progress ? "application/jsonl" : "application/json";
    if (store_prune(reader, &removal->options, &runner, &removal->result, &err) == 0)
        write_result(removal);
    else
        explain(removal, &err);
}

void exchanges_answer_remove(const struct route_context *context, const struct request *request,
                             struct reply *reply)
{
    struct removal removal = {.server = context->server, .reply = reply};
    struct filter *filter;
    if (read_limits(request, &removal.options, reply) < 0 ||
        request_flag(request, "progress", &removal.tells_progress, reply) < 0 ||
        request_filter(request, &filter, reply) < 0)
        return;
    removal.options.filter = filter;
    if (is_all(&removal.options))
        reply_problem(reply, 400, "nothing says what to delete",
                      "Send filter, older, keep_bytes or keep_count; filter=id:1.. is all there "
                      "is. compact=1 alone gives free space back.");
    else
        remove_exchanges(&removal, request->reader);
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
