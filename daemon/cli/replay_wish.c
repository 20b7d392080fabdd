// SPDX-License-Identifier: MIT
// Words are ids and ranges, or else a filter. Ids that count from the newest exchange are resolved
// here, once: what is sent adds to the recording.
#include "replay_wish.h"

#include "hark/units.h"
#include "number.h"
#include "options.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// --- words -------------------------------------------------------------------------------------

static size_t count_ids(const struct invocation *invocation)
{
    size_t count = 0;
    for (size_t i = 0; i < invocation->word_count; i++)
        count += id_is_well_formed(invocation->words[i]);
    return count;
}

static enum status read_ids(struct replay_wish *wish, struct invocation *invocation)
{
    struct err err = {0};
    struct replay_range *ranges =
        arena_alloc(&wish->arena, invocation->word_count * sizeof *ranges);
    for (size_t i = 0; i < invocation->word_count; i++) {
        struct id_range range;
        switch (id_resolve(invocation->reader, invocation->words[i], &range, &err)) {
        case STORE_FOUND:
            break;
        case STORE_NOT_FOUND:
            return invocation_fail(invocation, STATUS_NO_MATCH, "there is no exchange %s",
                                   invocation->words[i]);
        case STORE_READ_ERROR:
            return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
        }
        if (range.first > range.last)
            return invocation_fail(invocation, STATUS_USAGE, "the range %s ends before it begins",
                                   invocation->words[i]);
        ranges[i] = (struct replay_range){range.first, range.last, range.is_single};
    }
    wish->options.ranges = ranges;
    wish->options.range_count = invocation->word_count;
    return STATUS_DONE;
}

static enum status read_words(struct replay_wish *wish, struct invocation *invocation)
{
    size_t ids = count_ids(invocation);
    if (invocation->word_count == 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "which exchanges? Give ids, a range such as 10..20, or a filter");
    if (ids > 0 && ids < invocation->word_count)
        return invocation_fail(invocation, STATUS_USAGE,
                               "ids and a filter exclude each other; in a filter, an id is id:%s",
                               ids == 1 ? "12" : "12..20");
    enum status status = ids == 0 ? invocation_filter(invocation, &wish->filter) : STATUS_DONE;
    wish->options.filter = wish->filter;
    if (wish->filter && filter_is_empty(wish->filter))
        return invocation_fail(invocation, STATUS_USAGE,
                               "which exchanges? The filter has no word (id:1.. is all there is)");
    if (status == STATUS_DONE)
        status = invocation_open_recording(invocation);
    return status == STATUS_DONE && ids > 0 ? read_ids(wish, invocation) : status;
}

// --- options -----------------------------------------------------------------------------------

// "N: v"; "N:" and "N;" give it an empty value.
static enum status add_header(struct replay_wish *wish, const struct invocation *invocation,
                              const char *text)
{
    size_t name_length = strcspn(text, ":;");
    if (text[name_length] == '\0' || name_length == 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--set-header wants 'Name: value', not \"%s\"", text);
    const char *value = text + name_length + 1;
    value += strspn(value, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    fields_add(&wish->options.set_headers, &wish->arena, text, name_length, value, length);
    return STATUS_DONE;
}

static enum status add_parameter(struct replay_wish *wish, const struct invocation *invocation,
                                 const char *text)
{
    const char *sign = strchr(text, '=');
    if (!sign || sign == text)
        return invocation_fail(invocation, STATUS_USAGE, "--set-query wants name=value, not \"%s\"",
                               text);
    fields_add(&wish->options.set_query, &wish->arena, text, (size_t)(sign - text), sign + 1,
               strlen(sign + 1));
    return STATUS_DONE;
}

static enum status add_edits(struct replay_wish *wish, const struct invocation *invocation)
{
    const struct given_option *given;
    enum status status = STATUS_DONE;
    for (size_t i = 0;
         status == STATUS_DONE && (given = given_options_find(invocation->given, "set-header", i));
         i++)
        status = add_header(wish, invocation, given->value);
    for (size_t i = 0;
         status == STATUS_DONE && (given = given_options_find(invocation->given, "set-query", i));
         i++)
        status = add_parameter(wish, invocation, given->value);
    for (size_t i = 0; (given = given_options_find(invocation->given, "drop-header", i)); i++)
        fields_add(&wish->options.drop_headers, &wish->arena, given->value, strlen(given->value),
                   "", 0);
    return status;
}

static enum status read_count(const struct invocation *invocation, const char *name, int64_t max,
                              int64_t *count)
{
    const char *text = invocation_value(invocation, name);
    if (!text)
        return STATUS_DONE;
    if (number_parse(text, count) < 0 || *count < 1 || *count > max)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--%s wants a number from 1 to %" PRId64 ", not \"%s\"", name, max,
                               text);
    return STATUS_DONE;
}

// A decimal number above 0, with `unit` or nothing behind it.
static enum status read_factor(const struct invocation *invocation, const char *name,
                               const char *unit, double *factor)
{
    const char *text = invocation_value(invocation, name);
    if (!text)
        return STATUS_DONE;
    char *end = NULL;
    *factor = strtod(text, &end);
    bool is_number = strspn(text, "0123456789.") == (size_t)(end - text) && end > text;
    bool has_end = *end == '\0' || strcmp(end, unit) == 0;
    if (!is_number || !has_end || !isfinite(*factor) || *factor <= 0 || *factor > 1e6)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--%s wants a number above 0, such as 2 or 0.5%s, not \"%s\"", name,
                               unit, text);
    return STATUS_DONE;
}

static enum status read_pace(struct replay_wish *wish, const struct invocation *invocation)
{
    const char *pace = invocation_value(invocation, "pace");
    bool is_recorded = pace && strcmp(pace, "recorded") == 0;
    if (pace && !is_recorded && strcmp(pace, "fast") != 0)
        return invocation_fail(invocation, STATUS_USAGE,
                               "--pace wants recorded or fast, not \"%s\"", pace);
    if (invocation_has(invocation, "speed") && !is_recorded)
        return invocation_fail(invocation, STATUS_USAGE, "--speed is of --pace recorded");
    wish->options.speed = is_recorded ? 1 : 0;
    return read_factor(invocation, "speed", "x", &wish->options.speed);
}

static enum status read_numbers(struct replay_wish *wish, const struct invocation *invocation)
{
    struct replay_options *options = &wish->options;
    int64_t concurrency = 0;
    enum status status =
        read_count(invocation, "concurrency", REPLAY_CONCURRENCY_MAX, &concurrency);
    if (status == STATUS_DONE)
        status = read_count(invocation, "repeat", 1000000000, &options->repeat);
    if (status == STATUS_DONE)
        status = read_factor(invocation, "rate", "/s", &options->rate_per_s);
    if (status == STATUS_DONE)
        status = read_pace(wish, invocation);
    options->concurrency = (int)concurrency;
    return status;
}

enum status replay_wish_read(struct replay_wish *wish, struct invocation *invocation)
{
    struct err err = {0};
    wish->options.to = invocation_value(invocation, "to");
    wish->options.is_agreed = invocation_has(invocation, "yes");
    wish->options.sends_marks = invocation_has(invocation, "send-redacted");
    enum status status = add_edits(wish, invocation);
    if (status == STATUS_DONE)
        status = read_numbers(wish, invocation);
    if (status == STATUS_DONE && replay_check_options(&wish->options, &err) < 0)
        status = invocation_fail(invocation, STATUS_USAGE, "%s", err.text);
    return status == STATUS_DONE ? read_words(wish, invocation) : status;
}

void replay_wish_fini(struct replay_wish *wish)
{
    filter_destroy(wish->filter);
    arena_fini(&wish->arena);
}

// --- JSON --------------------------------------------------------------------------------------

static void append_string(struct buffer *out, const char *text)
{
    buffer_append_json_string(out, text, strlen(text));
}

static void append_ids(const struct replay_options *options, struct buffer *out)
{
    buffer_append_text(out, "\"ids\":[");
    for (size_t i = 0; i < options->range_count; i++) {
        const struct replay_range *range = &options->ranges[i];
        buffer_append_text(out, i > 0 ? "," : "");
        if (range->is_single)
            buffer_printf(out, "%" PRId64, range->first);
        else
            buffer_printf(out, "\"%" PRId64 "..%" PRId64 "\"", range->first, range->last);
    }
    buffer_append_char(out, ']');
}

static void append_words(const struct invocation *invocation, struct buffer *out)
{
    buffer_append_text(out, "\"filter\":[");
    for (size_t i = 0; i < invocation->word_count; i++) {
        buffer_append_text(out, i > 0 ? "," : "");
        append_string(out, invocation->words[i]);
    }
    buffer_append_char(out, ']');
}

static void append_pairs(const char *key, const struct fields *pairs, struct buffer *out)
{
    if (pairs->count == 0)
        return;
    buffer_printf(out, ",\"%s\":", key);
    fields_to_json(pairs, out);
}

static void append_names(const struct fields *names, struct buffer *out)
{
    if (names->count == 0)
        return;
    buffer_append_text(out, ",\"drop_headers\":[");
    for (size_t i = 0; i < names->count; i++) {
        buffer_append_text(out, i > 0 ? "," : "");
        append_string(out, names->items[i].name);
    }
    buffer_append_char(out, ']');
}

void replay_wish_append_json(const struct replay_wish *wish, const struct invocation *invocation,
                             struct buffer *out)
{
    const struct replay_options *options = &wish->options;
    buffer_append_char(out, '{');
    if (options->range_count > 0)
        append_ids(options, out);
    else
        append_words(invocation, out);
    append_pairs("set_headers", &options->set_headers, out);
    append_names(&options->drop_headers, out);
    append_pairs("set_query", &options->set_query, out);
    if (options->to) {
        buffer_append_text(out, ",\"to\":");
        append_string(out, options->to);
    }
    if (options->concurrency > 0)
        buffer_printf(out, ",\"concurrency\":%d", options->concurrency);
    if (options->repeat > 0)
        buffer_printf(out, ",\"repeat\":%" PRId64, options->repeat);
    if (options->rate_per_s > 0)
        buffer_printf(out, ",\"rate\":%.17g", options->rate_per_s);
    if (options->speed > 0)
        buffer_printf(out, ",\"pace\":\"recorded\",\"speed\":%.17g", options->speed);
    if (options->sends_marks)
        buffer_append_text(out, ",\"send_redacted\":true");
    buffer_append_text(out, ",\"command\":");
    append_string(out, invocation->command_line);
    buffer_append_text(out, options->is_agreed ? ",\"yes\":true}" : "}");
}
