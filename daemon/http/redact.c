// SPDX-License-Identifier: MIT
// The heads of an exchange. A field that is not listed may still have a URL in it (Location,
// Referer, Link, …), whose parameters are listed.
#include "hark/redact.h"

#include "hark/message.h"
#include "redact_mark.h"
#include "redact_names.h"
#include "redact_pairs.h"
#include "secret_parts.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct redaction redaction_of(const struct config *config, const unsigned char *key)
{
    return (struct redaction){.headers = &config->redact_headers,
                              .query = &config->redact_query,
                              .json = &config->redact_json,
                              .form = &config->redact_form,
                              .key = key};
}

bool redaction_is_off(const struct redaction *rules)
{
    return rules->headers->count == 0 && rules->query->count == 0 && rules->json->count == 0 &&
           rules->form->count == 0;
}

// A name with white space in it or behind it is an error (RFC 9112 section 5.1) that is recorded
// like another: what follows may be a part of the value.
static size_t name_length(const char *name)
{
    return strcspn(name, " \t");
}

bool redacts_field(const struct redaction *rules, const char *name)
{
    return redact_names_have(rules->headers, name, name_length(name));
}

bool redacts_parameter(const struct redaction *rules, const char *name, size_t length)
{
    return redact_names_have_parameter(rules->query, name, length);
}

// --- texts -------------------------------------------------------------------------------------

static void append_pairs(const struct redaction *rules, const char *text, bool has_urls,
                         struct buffer *out)
{
    struct redact_pairs pairs;
    redact_pairs_init(&pairs, rules->query, rules->key, has_urls);
    redact_pairs_write(&pairs, text, strlen(text), out);
    redact_pairs_finish(&pairs, out);
    redact_pairs_fini(&pairs);
}

static void append_mark(void *ctx, const char *text, size_t length, struct buffer *out)
{
    const struct redaction *rules = ctx;
    struct redact_mark mark;
    redact_mark_begin(&mark, rules->key);
    redact_mark_add(&mark, text, length);
    redact_mark_end(&mark, out);
}

// "user:password@" behind "//" gives access as Authorization does. `ends` are the bytes that end an
// authority.
static void append_without_userinfo(const struct redaction *rules, const char *text,
                                    const char *ends, struct buffer *out)
{
    const char *slashes;
    while ((slashes = strstr(text, "//")) != NULL) {
        const char *authority = slashes + strlen("//");
        const char *at = memrchr(authority, '@', strcspn(authority, ends));
        buffer_append(out, text, (size_t)(authority - text));
        if (at != NULL)
            append_mark((void *)rules, authority, (size_t)(at - authority), out);
        text = at != NULL ? at : authority;
    }
    buffer_append_text(out, text);
}

// Parameters come first: what looks like the end of a userinfo may be in the value of one
// ("?next=//host&token=a@b"), of which the rest would stay.
static void append_redacted(const struct redaction *rules, const char *text, bool has_urls,
                            struct buffer *out)
{
    struct buffer hidden = {0};
    if (rules->query->count > 0 && strchr(text, '=') != NULL) {
        append_pairs(rules, text, has_urls, &hidden);
        text = hidden.data;
    }
    append_without_userinfo(rules, text, has_urls ? "/?# \t\"<>" : "/?#& \t\"<>", out);
    buffer_fini(&hidden);
}

void redact_query(const struct redaction *rules, const char *query, struct buffer *out)
{
    append_redacted(rules, query, false, out);
}

void redact_reference(const struct redaction *rules, const char *text, struct buffer *out)
{
    append_redacted(rules, text, true, out);
}

// White space, fragments and quotes end a URL in a text; in a target that has them they end
// nothing, and where a value in it ends nobody can say.
static bool is_torn(const char *target)
{
    return strpbrk(target, "# \t\r\n\v\f") != NULL ||
           (target[0] != '/' && strpbrk(target, "\"<>") != NULL);
}

// Up to where a value may begin.
static size_t plain_length(const char *target)
{
    size_t length = strcspn(target, "?#=;@ \t\r\n\v\f\"<>");
    const char *slashes = strstr(target, "//");
    if (strchr(target, '@') == NULL)
        return length;
    size_t before_userinfo = slashes == NULL ? 0 : (size_t)(slashes - target) + strlen("//");
    return before_userinfo < length ? before_userinfo : length;
}

bool redacts_method(const struct redaction *rules, const char *method)
{
    return !redaction_is_off(rules) && !text_is_token(method, strlen(method));
}

void redact_target(const struct redaction *rules, const char *target, struct buffer *out)
{
    if (!redaction_is_off(rules) && is_torn(target)) {
        size_t length = plain_length(target);
        buffer_append(out, target, length);
        append_mark((void *)rules, target + length, strlen(target + length), out);
        return;
    }
    const char *at = strrchr(target, '@');
    bool is_authority = target[0] != '/' && strstr(target, "//") == NULL;
    if (is_authority && at != NULL) {
        append_mark((void *)rules, target, (size_t)(at - target), out);
        target = at;
    }
    bool is_url = target[0] == '/' || strstr(target, "//") != NULL;
    append_redacted(rules, target, is_url, out);
}

void redact_field(const struct redaction *rules, const char *name, const char *value,
                  struct buffer *out)
{
    if (redacts_field(rules, name))
        secret_parts_of_field(name, value, append_mark, (void *)rules, out);
    else if (strcasecmp(name, "Host") == 0)
        redact_target(rules, value, out);
    else
        redact_reference(rules, value, out);
}

void redact_error(const struct redaction *rules, const char *code, const char *text,
                  struct buffer *out)
{
    const char *first = strchr(text, '"');
    const char *last = strrchr(text, '"');
    bool is_malformed = code != NULL && strncmp(code, "bad-", strlen("bad-")) == 0;
    if (is_malformed && first != last) {
        struct buffer before = {0};
        buffer_append(&before, text, (size_t)(first + 1 - text));
        redact_reference(rules, before.data, out);
        buffer_fini(&before);
        append_mark((void *)rules, first + 1, (size_t)(last - first - 1), out);
        text = last;
    }
    redact_reference(rules, text, out);
}

char *redact_command(const struct redaction *rules, const char *command)
{
    size_t length = strcspn(command, " ");
    length += strspn(command + length, " ");
    length += strcspn(command + length, " ");
    bool is_cut = !redaction_is_off(rules) && command[length] != '\0';
    return is_cut ? mem_printf("%.*s …", (int)length, command) : mem_strdup(command);
}

// --- rows --------------------------------------------------------------------------------------

// Could there be something to replace in a value of this field? Most have nothing.
static bool is_suspect(const struct redaction *rules, const struct field *field)
{
    return redacts_field(rules, field->name) || strpbrk(field->value, "=@") != NULL;
}

static void redact_field_name(const struct redaction *rules, struct field *field,
                              struct arena *arena)
{
    size_t length = name_length(field->name);
    length += strspn(field->name + length, " \t");
    if (field->name[length] == '\0')
        return;
    struct buffer name = {0};
    buffer_append(&name, field->name, length);
    append_mark((void *)rules, field->name + length, strlen(field->name + length), &name);
    field->name = arena_strndup(arena, name.data, name.length);
    field->name_length = name.length;
    buffer_fini(&name);
}

static void redact_fields(const struct redaction *rules, struct fields *fields, struct arena *arena)
{
    struct buffer text = {0};
    for (size_t i = 0; i < fields->count; i++) {
        struct field *field = &fields->items[i];
        redact_field_name(rules, field, arena);
        if (!is_suspect(rules, field))
            continue;
        buffer_clear(&text);
        buffer_append_text(&text, "");
        redact_field(rules, field->name, field->value, &text);
        if (strcmp(text.data, field->value) == 0)
            continue;
        field->value = arena_strndup(arena, text.data, text.length);
        field->value_length = text.length;
    }
    buffer_fini(&text);
}

static void redact_pair(const struct redaction *rules, json_t *pair)
{
    const char *name = json_string_value(json_array_get(pair, 0));
    const char *value = json_string_value(json_array_get(pair, 1));
    struct buffer text = {0};
    if (name == NULL || value == NULL)
        return;
    buffer_append_text(&text, "");
    redact_field(rules, name, value, &text);
    json_array_set_new(pair, 1, json_stringn(text.data, text.length));
    buffer_fini(&text);
}

// [{"status":103,"headers":[["Name","value"],…]},…]; what is not of that form is left out.
static void redact_interim(const struct redaction *rules, struct exchange_row *row)
{
    if (row->interim == NULL)
        return;
    json_t *answers = json_loads(row->interim, 0, NULL);
    size_t i;
    json_t *answer;
    json_array_foreach(answers, i, answer)
    {
        size_t j;
        json_t *pair;
        json_array_foreach(json_object_get(answer, "headers"), j, pair) redact_pair(rules, pair);
    }
    char *text = answers != NULL ? json_dumps(answers, JSON_COMPACT) : NULL;
    row->interim = arena_strdup(&row->arena, text);
    free(text);
    json_decref(answers);
}

static const char *hide(const struct redaction *rules, struct arena *arena, const char *text)
{
    struct buffer hidden = {0};
    append_mark((void *)rules, text, strlen(text), &hidden);
    text = arena_strndup(arena, hidden.data, hidden.length);
    buffer_fini(&hidden);
    return text;
}

// What stands in front of a target that is none may be a part of it.
static void redact_method_of(const struct redaction *rules, struct exchange_row *row)
{
    if (row->method == NULL || *row->method == '\0' || !redacts_method(rules, row->method))
        return;
    row->method = hide(rules, &row->arena, row->method);
    if (row->path != NULL)
        row->path = hide(rules, &row->arena, row->path);
}

static void redact_target_of(const struct redaction *rules, struct exchange_row *row)
{
    struct buffer text = {0};
    if (row->query != NULL && strpbrk(row->query, "=@") != NULL) {
        redact_query(rules, row->query, &text);
        row->query = arena_strndup(&row->arena, text.data, text.length);
    }
    // What is no valid target is all kept as the path.
    if (row->path != NULL && (strpbrk(row->path, "=@") != NULL || is_torn(row->path))) {
        buffer_clear(&text);
        redact_target(rules, row->path, &text);
        row->path = arena_strndup(&row->arena, text.data, text.length);
    }
    buffer_fini(&text);
}

static void redact_error_of(const struct redaction *rules, struct exchange_row *row)
{
    struct buffer text = {0};
    if (row->error_text == NULL)
        return;
    redact_error(rules, row->error, row->error_text, &text);
    row->error_text = arena_strndup(&row->arena, text.data, text.length);
    buffer_fini(&text);
}

void redact_row(const struct redaction *rules, struct exchange_row *row)
{
    redact_method_of(rules, row);
    redact_target_of(rules, row);
    redact_fields(rules, &row->request_headers, &row->arena);
    redact_fields(rules, &row->request_trailers, &row->arena);
    redact_fields(rules, &row->response_headers, &row->arena);
    redact_fields(rules, &row->response_trailers, &row->arena);
    redact_interim(rules, row);
    redact_error_of(rules, row);
}
