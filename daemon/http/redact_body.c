// SPDX-License-Identifier: MIT
// The header fields say how a body is to be read. Text that is not declared to be JSON may be some
// all the same (curl -d calls everything a form): its first character decides.
#include "hark/redact_body.h"

#include "hark/coding.h"
#include "hark/message.h"
#include "redact_events.h"
#include "redact_json.h"
#include "redact_multipart.h"
#include "redact_pairs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Encoded text of which nothing but space has come out so far, and that space.
#define UNDECIDED_MAX_BYTES ((size_t)64 * 1024)

// Then `out` is drained: with what comes on top of it, it is mostly one chunk still.
#define DRAIN_BYTES ((size_t)192 * 1024)

enum form {
    FORM_NONE,
    FORM_JSON,
    FORM_TEXT, // which may be JSON
    FORM_EVENTS,
    FORM_PAIRS,
    FORM_MULTIPART
};

struct redact_body {
    struct redaction rules;
    enum form form;
    struct decoder *decoder; // NULL: identity
    bool is_undecided;       // encoded text: is it JSON?
    bool is_decoded;         // something of it was given out decoded
    bool is_unreadable;      // it has a coding or a type that cannot be read
    struct err problem;
    struct buffer held;    // of an undecided one, as it came
    struct buffer space;   // and decoded
    redact_drain_fn drain; // of the call that is going on; NULL: none
    void *drain_ctx;
    struct redact_json json;
    struct redact_events events;
    struct redact_pairs pairs;
    struct redact_multipart multipart;
};

// --- what is it? -------------------------------------------------------------------------------

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static enum form form_of(const struct redaction *rules, const char *type)
{
    bool wants_json = rules->json->count > 0;
    bool wants_form = rules->form->count > 0;
    if (type == NULL)
        return wants_json ? FORM_TEXT : FORM_NONE;
    if (strstr(type, "json") != NULL)
        return wants_json ? FORM_JSON : FORM_NONE;
    if (begins_with(type, "multipart/"))
        return FORM_MULTIPART;
    if (strcmp(type, "application/x-www-form-urlencoded") == 0)
        return wants_form ? FORM_PAIRS : FORM_TEXT;
    if (!wants_json)
        return FORM_NONE;
    if (strcmp(type, "text/event-stream") == 0)
        return FORM_EVENTS;
    bool is_text = begins_with(type, "text/") || strcmp(type, "application/octet-stream") == 0;
    return is_text ? FORM_TEXT : FORM_NONE;
}

static void give_up(struct redact_body *body, const struct err *err)
{
    body->is_unreadable = true;
    body->problem = *err;
}

static void init_form(struct redact_body *body, const char *content_type)
{
    const struct redaction *rules = &body->rules;
    struct err err = {0};
    switch (body->form) {
    case FORM_NONE:
        break;
    case FORM_PAIRS:
        redact_pairs_init(&body->pairs, rules->form, rules->key, false);
        redact_json_init(&body->json, rules->json, rules->key, false);
        break;
    case FORM_JSON:
    case FORM_TEXT:
        redact_json_init(&body->json, rules->json, rules->key, body->form == FORM_JSON);
        break;
    case FORM_EVENTS:
        redact_events_init(&body->events, rules->json, rules->key);
        break;
    case FORM_MULTIPART:
        if (redact_multipart_init(&body->multipart, rules, content_type, &err) != 0)
            give_up(body, &err);
        break;
    }
}

// Text in a coding that nobody knows is searched as it is: who sends "Content-Encoding: utf-8"
// sends plain text.
static void open_decoder(struct redact_body *body, const char *coding)
{
    struct err err = {0};
    if (coding == NULL)
        return;
    body->decoder = decoder_create(coding, &err);
    if (body->decoder != NULL)
        decoder_bound(body->decoder);
    else if (body->form != FORM_TEXT)
        give_up(body, &err);
    body->is_undecided = body->decoder != NULL && body->form == FORM_TEXT;
}

// Of several types any may be the one that a reader goes by: the first that can be searched counts.
static enum form find_form(const struct redaction *rules, const struct fields *headers,
                           const char **content_type)
{
    struct arena arena = {0};
    enum form form = FORM_NONE;
    bool has_type = false;
    for (size_t i = 0; i < headers->count && form == FORM_NONE; i++) {
        if (!field_is_named(&headers->items[i], "Content-Type"))
            continue;
        has_type = true;
        *content_type = headers->items[i].value;
        form = form_of(rules, media_type_of_value(*content_type, &arena));
    }
    if (!has_type)
        form = form_of(rules, *content_type);
    arena_fini(&arena);
    return form;
}

// What begins elsewhere than at the beginning (RFC 9110 section 14.4) may begin in the middle of
// what is secret.
static void check_range(struct redact_body *body, const struct fields *headers)
{
    const struct field *range = fields_find(headers, "Content-Range");
    struct err err = {0};
    if (range == NULL || strncasecmp(range->value, "bytes 0-", strlen("bytes 0-")) == 0)
        return;
    err_set(&err, "it is a range (Content-Range) that does not begin at 0");
    give_up(body, &err);
}

struct redact_body *redact_body_create(const struct redaction *rules, const struct fields *headers,
                                       const char *type, const char *coding)
{
    if (rules->json->count == 0 && rules->form->count == 0)
        return NULL;
    enum form form = find_form(rules, headers, &type);
    if (form == FORM_NONE)
        return NULL;
    struct redact_body *body = mem_calloc(1, sizeof(*body));
    body->rules = *rules;
    body->form = form;
    init_form(body, type);
    open_decoder(body, coding);
    check_range(body, headers);
    return body;
}

void redact_body_destroy(struct redact_body *body)
{
    if (body == NULL)
        return;
    decoder_destroy(body->decoder);
    redact_json_fini(&body->json);
    redact_events_fini(&body->events);
    redact_pairs_fini(&body->pairs);
    redact_multipart_fini(&body->multipart);
    buffer_fini(&body->held);
    buffer_fini(&body->space);
    free(body);
}

bool redact_body_is_decoded(const struct redact_body *body)
{
    return body->is_decoded;
}

// --- decoded bytes -----------------------------------------------------------------------------

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\r\n\xef\xbb\xbf", c) != NULL;
}

static bool begins_json(char c)
{
    return c == '{' || c == '[';
}

// A form that begins like JSON is taken for it. The space before tells nothing yet.
static size_t decide_form(struct redact_body *body, const char *data, size_t length)
{
    size_t space = 0;
    while (space < length && is_space(data[space]))
        space++;
    body->json.offset += space;
    if (space == length)
        return space;
    body->json.is_undecided = false;
    body->json.is_declared = begins_json(data[space]);
    body->form = body->json.is_declared ? FORM_JSON : FORM_PAIRS;
    return space;
}

static int write_pairs(struct redact_body *body, const char *data, size_t length,
                       struct buffer *out, struct err *err)
{
    size_t space = 0;
    if (body->json.is_undecided && body->rules.json->count > 0)
        space = decide_form(body, data, length);
    buffer_append(out, data, space);
    if (body->form == FORM_JSON)
        return redact_json_write(&body->json, data + space, length - space, out, err);
    redact_pairs_write(&body->pairs, data + space, length - space, out);
    return 0;
}

static int write_decoded(struct redact_body *body, const char *data, size_t length,
                         struct buffer *out, struct err *err)
{
    switch (body->form) {
    case FORM_JSON:
    case FORM_TEXT:
        return redact_json_write(&body->json, data, length, out, err);
    case FORM_EVENTS:
        return redact_events_write(&body->events, data, length, out, err);
    case FORM_PAIRS:
        return write_pairs(body, data, length, out, err);
    case FORM_MULTIPART:
        return redact_multipart_write(&body->multipart, data, length, out, err);
    case FORM_NONE:
        break;
    }
    buffer_append(out, data, length);
    return 0;
}

// Why the decoder is stopped.
enum stop {
    STOP_DRAINED = 1, // for now
    STOP_FAILED
};

// One piece on its way through the decoder.
struct piece {
    struct redact_body *body;
    struct buffer *out;
    struct err *err;
};

static int give_out_decoded(struct piece *piece, const char *data, size_t length)
{
    struct redact_body *body = piece->body;
    if (write_decoded(body, data, length, piece->out, piece->err) != 0)
        return STOP_FAILED;
    bool is_due = body->drain != NULL && piece->out->length >= DRAIN_BYTES;
    return is_due && !body->drain(body->drain_ctx, piece->out) ? STOP_DRAINED : 0;
}

// --- encoded text ------------------------------------------------------------------------------

// The first character that is no space says whether text is JSON. Of text that begins with too much
// of it nobody knows, so it is decoded and searched.
enum text_kind {
    TEXT_UNKNOWN,
    TEXT_DECODED,
    TEXT_OTHER
};

static enum text_kind kind_of(const struct redact_body *body, const char *text, size_t length)
{
    size_t space = 0;
    while (space < length && is_space(text[space]))
        space++;
    if (space < length)
        return begins_json(text[space]) ? TEXT_DECODED : TEXT_OTHER;
    size_t held = body->held.length + body->space.length + length;
    return held > UNDECIDED_MAX_BYTES ? TEXT_DECODED : TEXT_UNKNOWN;
}

static int end_undecided(struct piece *piece)
{
    struct redact_body *body = piece->body;
    body->is_undecided = false;
    body->is_decoded = true;
    int rc = 0;
    if (body->space.length > 0)
        rc = write_decoded(body, body->space.data, body->space.length, piece->out, piece->err);
    buffer_fini(&body->held);
    buffer_fini(&body->space);
    return rc;
}

static int on_decoded(void *ctx, const void *data, size_t length)
{
    struct piece *piece = ctx;
    struct redact_body *body = piece->body;
    if (!body->is_undecided)
        return give_out_decoded(piece, data, length);
    switch (kind_of(body, data, length)) {
    case TEXT_UNKNOWN:
        buffer_append(&body->space, data, length);
        return 0;
    case TEXT_OTHER:
        return STOP_FAILED;
    case TEXT_DECODED:
        break;
    }
    return end_undecided(piece) == 0 ? give_out_decoded(piece, data, length) : STOP_FAILED;
}

static int take_stop(int rc)
{
    return rc == STOP_DRAINED ? 1 : rc == 0 ? 0 : -1;
}

static int decode(struct redact_body *body, const void *data, size_t length, struct buffer *out,
                  struct err *err)
{
    struct piece piece = {.body = body, .out = out, .err = err};
    body->is_decoded |= !body->is_undecided;
    return take_stop(decoder_write(body->decoder, data, length, on_decoded, &piece, err));
}

// What does not decode to JSON is given out as it came. It is searched all the same: perhaps the
// coding was never applied.
static int give_out_encoded(struct redact_body *body, struct buffer *out, struct err *err)
{
    body->is_undecided = false;
    decoder_destroy(body->decoder);
    body->decoder = NULL;
    int rc = write_decoded(body, body->held.data, body->held.length, out, err);
    buffer_fini(&body->held);
    buffer_fini(&body->space);
    return rc;
}

static int write_undecided(struct redact_body *body, const void *data, size_t length,
                           struct buffer *out, struct err *err)
{
    struct err problem = {0};
    buffer_append(&body->held, data, length);
    int rc = decode(body, data, length, out, &problem);
    if (rc < 0 && body->is_undecided)
        return give_out_encoded(body, out, err);
    if (rc < 0)
        return err_set(err, "%s", problem.text);
    if (rc > 0 || !body->is_undecided || body->held.length <= UNDECIDED_MAX_BYTES)
        return rc;
    struct piece piece = {.body = body, .out = out, .err = err};
    return end_undecided(&piece) == 0 ? 0 : -1;
}

// --- the body ----------------------------------------------------------------------------------

int redact_body_write(struct redact_body *body, const void *data, size_t length, struct buffer *out,
                      struct err *err)
{
    if (length == 0)
        return 0;
    if (body->is_unreadable)
        return err_set(err, "%s", body->problem.text);
    if (body->is_undecided)
        return write_undecided(body, data, length, out, err);
    if (body->decoder != NULL)
        return decode(body, data, length, out, err);
    return write_decoded(body, data, length, out, err);
}

int redact_body_write_drained(struct redact_body *body, const void *data, size_t length,
                              struct buffer *out, redact_drain_fn drain, void *drain_ctx,
                              struct err *err)
{
    body->drain = drain;
    body->drain_ctx = drain_ctx;
    int rc = redact_body_write(body, data, length, out, err);
    body->drain = NULL;
    return rc;
}

int redact_body_resume(struct redact_body *body, struct buffer *out, redact_drain_fn drain,
                       void *drain_ctx, struct err *err)
{
    struct piece piece = {.body = body, .out = out, .err = err};
    body->drain = drain;
    body->drain_ctx = drain_ctx;
    int rc = take_stop(decoder_resume(body->decoder, on_decoded, &piece, err));
    body->drain = NULL;
    return rc;
}

int redact_body_finish(struct redact_body *body, struct buffer *out, struct err *err)
{
    if (body->is_undecided && body->held.length > 0 && give_out_encoded(body, out, err) != 0)
        return -1;
    switch (body->form) {
    case FORM_JSON:
    case FORM_TEXT:
        redact_json_finish(&body->json, out);
        return 0;
    case FORM_EVENTS:
        redact_events_finish(&body->events, out);
        return 0;
    case FORM_PAIRS:
        redact_pairs_finish(&body->pairs, out);
        return 0;
    case FORM_MULTIPART:
        return body->is_unreadable ? 0 : redact_multipart_finish(&body->multipart, out, err);
    case FORM_NONE:
        break;
    }
    return 0;
}
