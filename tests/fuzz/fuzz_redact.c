// SPDX-License-Identifier: MIT
// Redaction of bodies, fields and queries. The input is a media type, a newline, and a body.
// However a body is cut, the same comes out, and what comes out has nothing left to redact; of what
// jansson takes for JSON every listed value is gone and nothing else has changed.
#include "fuzz.h"

#include "hark/redact_body.h"
#include "hark/row.h"

#include <jansson.h>
#include <strings.h>

static const char *names[] = {"password", "token"};
static const struct config_list list = {names, 2};
static const unsigned char key[REDACT_KEY_BYTES] = "key";
static const struct redaction rules = {
    .headers = &list, .query = &list, .json = &list, .form = &list, .key = key};

static int redact(const char *type, const char *text, size_t length, size_t step,
                  struct buffer *out)
{
    struct arena arena = {0};
    struct fields headers = {0};
    struct err err = {0};
    int rc = 0;
    fields_add(&headers, &arena, "Content-Type", strlen("Content-Type"), type, strlen(type));
    struct redact_body *body = redact_body_create(&rules, &headers, NULL, NULL);
    buffer_append_text(out, "");
    for (size_t at = 0; body != NULL && rc == 0 && at < length; at += step)
        rc = redact_body_write(body, text + at, length - at < step ? length - at : step, out, &err);
    if (body != NULL && rc == 0)
        rc = redact_body_finish(body, out, &err);
    redact_body_destroy(body);
    arena_fini(&arena);
    return rc;
}

static bool is_listed(const char *name)
{
    return strcasecmp(name, names[0]) == 0 || strcasecmp(name, names[1]) == 0;
}

static void check_same(const json_t *before, const json_t *after);

static void check_field(const char *name, const json_t *before, const json_t *after)
{
    const char *text = json_string_value(after);
    bool has_nothing =
        json_is_null(before) || (json_is_string(before) && json_string_length(before) == 0);
    assert(after != NULL);
    if (!is_listed(name) || has_nothing)
        check_same(before, after);
    else
        assert(text != NULL && redact_is_mark(text, json_string_length(after)));
}

static void check_same(const json_t *before, const json_t *after)
{
    assert(json_typeof(before) == json_typeof(after));
    if (json_is_array(before)) {
        assert(json_array_size(before) == json_array_size(after));
        for (size_t i = 0; i < json_array_size(before); i++)
            check_same(json_array_get(before, i), json_array_get(after, i));
    } else if (json_is_object(before)) {
        const char *name;
        json_t *value;
        assert(json_object_size(before) == json_object_size(after));
        json_object_foreach((json_t *)before, name, value)
        {
            check_field(name, value, json_object_get(after, name));
        }
    } else {
        assert(json_equal(before, after));
    }
}

static void check_json(const char *text, size_t length)
{
    struct buffer out = {0};
    json_t *before = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    int rc = redact("application/json", text, length, length + 1, &out);
    if (before != NULL) {
        json_t *after = json_loadb(out.data, out.length, 0, NULL);
        assert(rc == 0 && after != NULL);
        check_same(before, after);
        json_decref(after);
    }
    json_decref(before);
    buffer_fini(&out);
}

static void check_pieces(const char *type, const char *text, size_t length)
{
    struct buffer whole = {0};
    struct buffer pieces = {0};
    struct buffer again = {0};
    int rc = redact(type, text, length, length + 1, &whole);
    assert(redact(type, text, length, 1, &pieces) == rc);
    assert(whole.length == pieces.length && memcmp(whole.data, pieces.data, whole.length) == 0);
    // An event whose JSON is broken may be cut elsewhere the second time.
    bool is_stable = strcasestr(type, "text/event-stream") == NULL;
    if (rc == 0 && is_stable &&
        redact(type, whole.data, whole.length, whole.length + 1, &again) == 0)
        assert(again.length == whole.length && memcmp(again.data, whole.data, again.length) == 0);
    buffer_fini(&whole);
    buffer_fini(&pieces);
    buffer_fini(&again);
}

static void check_head(const char *text)
{
    struct buffer once = {0};
    struct buffer twice = {0};
    redact_query(&rules, text, &once);
    redact_query(&rules, once.data, &twice);
    // What is taken for a userinfo may end a name; without it there is another one.
    assert(strchr(text, '@') != NULL || strcmp(once.data, twice.data) == 0);
    buffer_clear(&once);
    buffer_append_text(&once, "");
    redact_field(&rules, "X-Other", text, &once);
    redact_field(&rules, "Token", text, &once);
    redact_target(&rules, text, &once);
    buffer_fini(&once);
    buffer_fini(&twice);
}

// A row whose every text is a word of the input, or none where there are no more words.
static void check_row(const char *text)
{
    struct exchange_row *row = row_create();
    const char *words[6];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t length = strcspn(text, " ");
        words[i] = arena_strndup(&row->arena, text, length);
        text += length + (text[length] == ' ');
    }
    row->method = words[0];
    row->path = words[1];
    row->query = words[2];
    row->error_text = words[3];
    fields_add(&row->request_headers, &row->arena, words[4], strlen(words[4]), words[5],
               strlen(words[5]));
    redact_row(&rules, row);
    assert(row->method != NULL && row->path != NULL && row->query != NULL);
    row_destroy(row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (end == NULL || memchr(data, '\0', (size_t)(end - data)) != NULL)
        return 0;
    char *type = mem_strndup((const char *)data, (size_t)(end - data));
    size_t length = size - (size_t)(end + 1 - data);
    char *body = mem_calloc(1, length + 1);
    memcpy(body, end + 1, length);
    check_pieces(type, body, length);
    check_json(body, length);
    check_head(body);
    check_row(body);
    free(body);
    free(type);
    return 0;
}
