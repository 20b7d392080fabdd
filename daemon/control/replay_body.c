// SPDX-License-Identifier: MIT
// The body, key by key: each has a function that reads it, and a key without one is a mistake.
#include "replay_body.h"

#include "hark/suggest.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

// --- which -------------------------------------------------------------------------------------

static bool read_range(const json_t *item, struct replay_range *range)
{
    int end = 0;
    const char *text = json_string_value(item);
    if (json_is_integer(item)) {
        range->first = range->last = json_integer_value(item);
        range->is_single = true;
    } else if (!text || text[strspn(text, "0123456789.")] != '\0' ||
               sscanf(text, "%18" SCNd64 "..%18" SCNd64 "%n", &range->first, &range->last, &end) !=
                   2 ||
               text[end] != '\0') {
        return false;
    }
    return range->first > 0 && range->first <= range->last && range->last < INT64_MAX;
}

static int read_ids(struct replay_body *body, const json_t *value, struct err *err)
{
    size_t count = json_array_size(value);
    struct replay_range *ranges = arena_alloc(&body->arena, (count + 1) * sizeof *ranges);
    if (count == 0)
        return err_set(err, "\"ids\" wants a list of numbers and of texts such as \"10..20\"");
    for (size_t i = 0; i < count; i++)
        if (!read_range(json_array_get(value, i), &ranges[i]))
            return err_set(err, "item %zu of \"ids\" is neither a number nor \"10..20\"", i + 1);
    body->options.ranges = ranges;
    body->options.range_count = count;
    return 0;
}

// One text, or a list of its words.
static int read_filter(struct replay_body *body, const json_t *value, struct err *err)
{
    size_t count = json_is_string(value) ? 1 : json_array_size(value);
    const char **words = arena_alloc(&body->arena, (count + 1) * sizeof *words);
    for (size_t i = 0; i < count; i++) {
        words[i] = json_string_value(json_is_string(value) ? value : json_array_get(value, i));
        if (!words[i])
            return err_set(err, "\"filter\" wants a text, or a list of its words");
    }
    body->filter = filter_create(words, count, err);
    body->options.filter = body->filter;
    if (body->filter && filter_is_empty(body->filter))
        return err_set(err, "\"filter\" has no word; id:1.. is all there is");
    return body->filter ? 0 : -1;
}

// --- what is changed ---------------------------------------------------------------------------

static int read_to(struct replay_body *body, const json_t *value, struct err *err)
{
    body->options.to = json_string_value(value);
    return body->options.to ? 0 : err_set(err, "\"to\" wants a text such as \"http://host:port\"");
}

static int read_pairs(struct replay_body *body, const json_t *value, const char *key,
                      struct fields *pairs, struct err *err)
{
    struct err ignored = {0};
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    int rc = fields_from_json(pairs, &body->arena, text, &ignored);
    free(text);
    return rc == 0 ? 0 : err_set(err, "\"%s\" wants a list of pairs: [[\"name\",\"value\"]]", key);
}

static int read_set_headers(struct replay_body *body, const json_t *value, struct err *err)
{
    return read_pairs(body, value, "set_headers", &body->options.set_headers, err);
}

static int read_set_query(struct replay_body *body, const json_t *value, struct err *err)
{
    return read_pairs(body, value, "set_query", &body->options.set_query, err);
}

static int read_drop_headers(struct replay_body *body, const json_t *value, struct err *err)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *name = json_string_value(json_array_get(value, i));
        if (!name)
            return err_set(err, "item %zu of \"drop_headers\" is no text", i + 1);
        fields_add(&body->options.drop_headers, &body->arena, name, strlen(name), "", 0);
    }
    return json_is_array(value) ? 0 : err_set(err, "\"drop_headers\" wants a list of names");
}

// --- how ---------------------------------------------------------------------------------------

static int read_count(const json_t *value, const char *key, int64_t max, int64_t *count,
                      struct err *err)
{
    *count = json_integer_value(value);
    if (!json_is_integer(value) || *count < 1 || *count > max)
        return err_set(err, "\"%s\" wants a whole number from 1 to %" PRId64, key, max);
    return 0;
}

static int read_concurrency(struct replay_body *body, const json_t *value, struct err *err)
{
    int64_t count = 0;
    int rc = read_count(value, "concurrency", REPLAY_CONCURRENCY_MAX, &count, err);
    body->options.concurrency = (int)count;
    return rc;
}

static int read_repeat(struct replay_body *body, const json_t *value, struct err *err)
{
    return read_count(value, "repeat", 1000000000, &body->options.repeat, err);
}

static int read_factor(const json_t *value, const char *key, double *factor, struct err *err)
{
    *factor = json_number_value(value);
    if (!json_is_number(value) || *factor <= 0)
        return err_set(err, "\"%s\" wants a number above 0", key);
    return 0;
}

static int read_rate(struct replay_body *body, const json_t *value, struct err *err)
{
    return read_factor(value, "rate", &body->options.rate_per_s, err);
}

static int read_pace(struct replay_body *body, const json_t *value, struct err *err)
{
    const char *pace = json_string_value(value);
    bool is_recorded = pace && strcmp(pace, "recorded") == 0;
    if (!is_recorded && (!pace || strcmp(pace, "fast") != 0))
        return err_set(err, "\"pace\" wants \"recorded\" or \"fast\"");
    const json_t *speed = json_object_get(body->json, "speed");
    body->options.speed = is_recorded ? 1 : 0;
    return is_recorded && speed ? read_factor(speed, "speed", &body->options.speed, err) : 0;
}

// Its number is read with the pace.
static int read_speed(struct replay_body *body, const json_t *value, struct err *err)
{
    const char *pace = json_string_value(json_object_get(body->json, "pace"));
    (void)value;
    return pace && strcmp(pace, "recorded") == 0
               ? 0
               : err_set(err, "\"speed\" is of \"pace\": \"recorded\"");
}

static int read_yes(struct replay_body *body, const json_t *value, struct err *err)
{
    body->options.is_agreed = json_is_true(value);
    return json_is_boolean(value) ? 0 : err_set(err, "\"yes\" wants true or false");
}

static int read_send_redacted(struct replay_body *body, const json_t *value, struct err *err)
{
    body->options.sends_marks = json_is_true(value);
    return json_is_boolean(value) ? 0 : err_set(err, "\"send_redacted\" wants true or false");
}

static int read_command(struct replay_body *body, const json_t *value, struct err *err)
{
    body->options.command = json_string_value(value);
    return body->options.command ? 0 : err_set(err, "\"command\" wants a text");
}

static const struct key {
    const char *name;
    int (*read)(struct replay_body *body, const json_t *value, struct err *err);
} keys[] = {
    {"ids", read_ids},
    {"filter", read_filter},
    {"to", read_to},
    {"set_headers", read_set_headers},
    {"drop_headers", read_drop_headers},
    {"set_query", read_set_query},
    {"concurrency", read_concurrency},
    {"rate", read_rate},
    {"repeat", read_repeat},
    {"pace", read_pace},
    {"speed", read_speed},
    {"yes", read_yes},
    {"send_redacted", read_send_redacted},
    {"command", read_command},
};

// --- all of it ---------------------------------------------------------------------------------

static int read_key(struct replay_body *body, const char *name, const json_t *value,
                    struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].read(body, value, err);
    const char *near = suggest_nearest(name, keys, COUNT_OF(keys), sizeof keys[0]);
    return err_set(err, "\"%s\" is not known%s%s%s", name, near ? "; did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "");
}

static int read_all(struct replay_body *body, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(body->json, name, value)
    {
        if (!json_is_null(value) && read_key(body, name, value, err) < 0)
            return -1;
    }
    bool has_ids = body->options.range_count > 0;
    if (has_ids == (body->filter != NULL))
        return err_set(err, "say which: \"ids\" or \"filter\", one of them");
    return replay_check_options(&body->options, err);
}

enum replay_body_result replay_body_read(struct replay_body *body, const char *text, size_t length,
                                         struct err *err)
{
    json_error_t problem;
    if (!body->options.command)
        body->options.command = "POST /api/v1/replay";
    body->json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(body->json)) {
        err_set(err, "the body is no JSON object%s%s", body->json ? "" : ": ",
                body->json ? "" : problem.text);
        return REPLAY_BODY_BAD;
    }
    if (read_all(body, err) == 0)
        return REPLAY_BODY_READ;
    bool has_filter = !json_is_null(json_object_get(body->json, "filter"));
    bool is_filters = strncmp(err->text, "filter:", strlen("filter:")) == 0;
    return has_filter && is_filters ? REPLAY_BODY_BAD_FILTER : REPLAY_BODY_BAD;
}

void replay_body_fini(struct replay_body *body)
{
    filter_destroy(body->filter);
    arena_fini(&body->arena);
    json_decref(body->json);
}
