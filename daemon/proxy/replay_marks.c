// SPDX-License-Identifier: MIT
// Marks have the same form wherever they stand, so that they are found in what goes out, after all
// that was asked to be changed.
#include "replay_marks.h"

#include "hark/query.h"

#include <stdio.h>
#include <string.h>

// Of a longer name, so much is told.
#define NAME_SHOWN 40

static void add(struct replay_marks *marks, const char *kind, const char *name)
{
    char place[sizeof(marks->places[0])];
    snprintf(place, sizeof(place), "%s%.*s", kind, NAME_SHOWN, name);
    for (size_t i = 0; i < marks->count && i < REPLAY_MARKS_TOLD; i++)
        if (strcmp(marks->places[i], place) == 0)
            return;
    if (marks->count < REPLAY_MARKS_TOLD)
        strcpy(marks->places[marks->count], place);
    marks->count++;
}

static void find_in_fields(struct replay_marks *marks, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        if (redact_has_mark(field->value, field->value_length) &&
            !field_is_hop_by_hop(fields, field))
            add(marks, "", field->name);
    }
}

static void find_in_target(struct replay_marks *marks, const char *target)
{
    struct arena arena = {0};
    struct fields parameters = {0};
    size_t path_length = strcspn(target, "?");
    const char *query = target + path_length + (target[path_length] == '?');
    if (redact_has_mark(target, path_length))
        add(marks, "path", "");
    if (!redact_has_mark(query, strlen(query)))
        return;
    size_t before = marks->count;
    query_parse(&parameters, &arena, query);
    for (size_t i = 0; i < parameters.count; i++)
        if (redact_has_mark(parameters.items[i].value, parameters.items[i].value_length))
            add(marks, "parameter ", parameters.items[i].name);
    if (marks->count == before)
        add(marks, "query", "");
    arena_fini(&arena);
}

void replay_marks_find(struct replay_marks *marks, const struct replay_message *message)
{
    find_in_target(marks, message->target);
    find_in_fields(marks, &message->headers);
    find_in_fields(marks, &message->trailers);
}

int replay_marks_on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    struct replay_marks *marks = ctx;
    (void)seq;
    (void)at_us;
    marks->is_in_body = redact_search(&marks->body, data, length);
    return marks->is_in_body;
}

int replay_marks_explain(struct replay_marks *marks, struct err *reason)
{
    struct buffer text = {0};
    if (marks->is_in_body)
        add(marks, "body", "");
    if (marks->count == 0)
        return 0;
    size_t told = marks->count < REPLAY_MARKS_TOLD ? marks->count : REPLAY_MARKS_TOLD;
    for (size_t i = 0; i < told; i++)
        buffer_printf(&text, "%s%s", i > 0 ? ", " : "", marks->places[i]);
    if (marks->count > told)
        buffer_printf(&text, " and %zu more", marks->count - told);
    err_set(reason, "redacted: %s", text.data);
    buffer_fini(&text);
    return -1;
}
