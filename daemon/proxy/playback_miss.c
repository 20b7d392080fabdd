// SPDX-License-Identifier: MIT
// The closest one is looked for among the newest of the same host and path, else of the same host,
// else of all, since a miss must not become slow with the size of the recording.
#include "playback_miss.h"

#include "hark/mem.h"
#include "hark/redact.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEAR_MAX        16
#define SHOWN_MAX       8  // differences
#define VALUE_SHOWN_MAX 80 // bytes
#define DEPTH_MAX       64

// Which key of the configuration would have made what is recorded as a mark equal.
enum redact_key {
    REDACT_NOTHING,
    REDACT_HEADERS,
    REDACT_QUERY,
    REDACT_JSON,
    REDACT_FORM,
    REDACT_KEY_COUNT
};
static const char *const redact_keys[] = {NULL, "redact_headers", "redact_query", "redact_json",
                                          "redact_form"};

// Differences, joined to a sentence. Owner: describe().
struct differences {
    struct buffer *out; // NULL: they are only weighed
    int count;
    int weight;
    bool wants[REDACT_KEY_COUNT]; // keys that the recording was made with, and that are not set
};

// Owner: whoever tells it.
struct difference {
    int weight;
    enum redact_key key;
    const char *what;
    const char *here; // NULL: there is none
    const char *there;
};

static void append_value(struct buffer *out, const char *value)
{
    size_t length = strlen(value);
    bool is_cut = length > VALUE_SHOWN_MAX;
    size_t shown = is_cut ? VALUE_SHOWN_MAX : length;
    while (is_cut && shown > 0 && (value[shown] & 0xc0) == 0x80)
        shown--;
    buffer_printf(out, "\"%.*s%s\"", (int)shown, value, is_cut ? "…" : "");
}

static void append_side(struct buffer *out, const char *value, const char *where)
{
    if (value == NULL)
        buffer_append_text(out, "not");
    else
        append_value(out, value);
    buffer_printf(out, " %s", where);
}

// What is redacted there is a secret here, too.
static void append_difference(struct buffer *out, const struct difference *difference,
                              bool is_redacted)
{
    buffer_printf(out, "%s (", difference->what);
    if (is_redacted) {
        buffer_append_text(out, "redacted there, not here)");
        return;
    }
    append_side(out, difference->here, "here");
    buffer_append_text(out, ", ");
    append_side(out, difference->there, "there");
    buffer_append_char(out, ')');
}

static void add(struct differences *differences, const struct difference *difference)
{
    const char *there = difference->there;
    bool is_redacted = difference->key != REDACT_NOTHING && difference->here != NULL &&
                       there != NULL && redact_has_mark(there, strlen(there));
    differences->weight += difference->weight;
    differences->count++;
    differences->wants[difference->key] |= is_redacted;
    if (differences->out == NULL || differences->count > SHOWN_MAX)
        return;
    buffer_append_text(differences->out, differences->count == 1 ? " " : ", ");
    append_difference(differences->out, difference, is_redacted);
}

static void compare_texts(struct differences *differences, int weight, const char *what,
                          const char *here, const char *there)
{
    if (strcmp(here != NULL ? here : "", there != NULL ? there : "") != 0)
        add(differences, &(struct difference){weight, REDACT_NOTHING, what, here, there});
}

// --- lists of names and values -----------------------------------------------------------------

static const char *value_of(const struct fields *fields, const char *name, bool ignores_case)
{
    for (size_t i = 0; i < fields->count; i++)
        if ((ignores_case ? strcasecmp : strcmp)(fields->items[i].name, name) == 0)
            return fields->items[i].value;
    return NULL;
}

static bool has_pair(const struct fields *fields, const struct field *field, bool ignores_case)
{
    for (size_t i = 0; i < fields->count; i++)
        if ((ignores_case ? strcasecmp : strcmp)(fields->items[i].name, field->name) == 0 &&
            strcmp(fields->items[i].value, field->value) == 0)
            return true;
    return false;
}

static void add_field(struct differences *differences, enum redact_key key,
                      const struct field *field, const char *here, const char *there)
{
    const char *kind = key == REDACT_QUERY ? "the query parameter" : "the header";
    char *what = mem_printf("%s %s", kind, field->name);
    add(differences, &(struct difference){2, key, what, here, there});
    free(what);
}

static void compare_lists(struct differences *differences, enum redact_key key,
                          const struct fields *here, const struct fields *there)
{
    bool ignores_case = key == REDACT_HEADERS;
    for (size_t i = 0; i < here->count; i++) {
        const struct field *field = &here->items[i];
        if (has_pair(there, field, ignores_case))
            continue;
        add_field(differences, key, field, field->value,
                  value_of(there, field->name, ignores_case));
    }
    for (size_t i = 0; i < there->count; i++) {
        const struct field *field = &there->items[i];
        if (value_of(here, field->name, ignores_case) == NULL)
            add_field(differences, key, field, NULL, field->value);
    }
}

static bool matches(const struct config *config, const char *word)
{
    for (size_t i = 0; i < config->playback_match.count; i++)
        if (strcmp(config->playback_match.items[i], word) == 0)
            return true;
    return false;
}

static void compare_queries(struct differences *differences, const struct config *config,
                            const char *here, const char *there)
{
    struct arena arena = {0};
    struct fields ours = {0};
    struct fields theirs = {0};
    playback_query(config, here, &ours, &arena);
    playback_query(config, there, &theirs, &arena);
    compare_lists(differences, REDACT_QUERY, &ours, &theirs);
    arena_fini(&arena);
}

static void compare_headers(struct differences *differences, const struct config *config,
                            const struct fields *here, const struct fields *there)
{
    struct arena arena = {0};
    struct fields ours = playback_headers(config, here, &arena);
    struct fields theirs = playback_headers(config, there, &arena);
    compare_lists(differences, REDACT_HEADERS, &ours, &theirs);
    arena_fini(&arena);
}

static void compare_heads(struct differences *differences, const struct config *config,
                          const struct exchange_row *here, const struct exchange_row *there)
{
    if (matches(config, "host"))
        compare_texts(differences, 32, "the host", here->host, there->host);
    if (matches(config, "method"))
        compare_texts(differences, 8, "the method", here->method, there->method);
    if (matches(config, "scheme"))
        compare_texts(differences, 4, "the scheme", here->scheme, there->scheme);
    if (matches(config, "port") && here->port != there->port) {
        char *ours = mem_printf("%d", here->port);
        char *theirs = mem_printf("%d", there->port);
        compare_texts(differences, 4, "the port", ours, theirs);
        free(ours);
        free(theirs);
    }
    if (matches(config, "path"))
        compare_texts(differences, 16, "the path", here->path, there->path);
    if (matches(config, "query"))
        compare_queries(differences, config, here->query, there->query);
    compare_headers(differences, config, &here->request_headers, &there->request_headers);
}

// --- bodies ------------------------------------------------------------------------------------

static void add_json(struct differences *differences, const char *path, const json_t *here,
                     const json_t *there)
{
    char *ours = here == NULL ? NULL : json_dumps(here, JSON_ENCODE_ANY | JSON_COMPACT);
    char *theirs = there == NULL ? NULL : json_dumps(there, JSON_ENCODE_ANY | JSON_COMPACT);
    char *what = mem_printf("the body at %s", path);
    add(differences, &(struct difference){1, REDACT_JSON, what, ours, theirs});
    free(what);
    free(theirs);
    free(ours);
}

static void compare_json(struct differences *differences, const char *path, const json_t *here,
                         const json_t *there, int depth);

static void compare_objects(struct differences *differences, const char *path, const json_t *here,
                            const json_t *there, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)here, key, value)
    {
        char *at = mem_printf("%s.%s", path, key);
        compare_json(differences, at, value, json_object_get(there, key), depth + 1);
        free(at);
    }
    json_object_foreach((json_t *)there, key, value)
    {
        if (json_object_get(here, key) != NULL)
            continue;
        char *at = mem_printf("%s.%s", path, key);
        add_json(differences, at, NULL, value);
        free(at);
    }
}

static void compare_json(struct differences *differences, const char *path, const json_t *here,
                         const json_t *there, int depth)
{
    if (there != NULL && json_equal(here, there))
        return;
    if (depth < DEPTH_MAX && json_is_object(here) && json_is_object(there)) {
        compare_objects(differences, path, here, there, depth);
        return;
    }
    if (depth >= DEPTH_MAX || !json_is_array(here) || !json_is_array(there)) {
        add_json(differences, path, here, there);
        return;
    }
    size_t count = json_array_size(here) > json_array_size(there) ? json_array_size(here)
                                                                  : json_array_size(there);
    for (size_t i = 0; i < count && differences->count <= SHOWN_MAX; i++) {
        char *at = mem_printf("%s[%zu]", path, i);
        const json_t *ours = json_array_get(here, i);
        const json_t *theirs = json_array_get(there, i);
        if (ours == NULL || theirs == NULL)
            add_json(differences, at, ours, theirs);
        else
            compare_json(differences, at, ours, theirs, depth + 1);
        free(at);
    }
}

static json_t *json_of(const struct playback_digest *digest)
{
    return digest->is_json && digest->is_collecting && digest->content.length > 0
               ? json_loadb(digest->content.data, digest->content.length,
                            JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
               : NULL;
}

static bool is_form(const struct exchange_row *row)
{
    const char *type = row->request_type != NULL ? row->request_type : "";
    return strcmp(type, "application/x-www-form-urlencoded") == 0 ||
           strncmp(type, "multipart/", strlen("multipart/")) == 0;
}

// As wholes, by their sizes.
static void compare_contents(struct differences *differences, int64_t here_bytes,
                             const struct exchange_row *recorded,
                             const struct playback_digest *there)
{
    char *ours = mem_printf("%" PRId64 " bytes", here_bytes);
    char *theirs = mem_printf("%" PRId64 " bytes", recorded->request_size);
    add(differences, &(struct difference){1, REDACT_NOTHING, "the body", ours, theirs});
    differences->wants[is_form(recorded) ? REDACT_FORM : REDACT_JSON] |=
        redact_has_mark(there->content.data, there->content.length);
    free(ours);
    free(theirs);
}

static int on_segment(void *ctx, int64_t seq, int64_t at_us, const void *data, size_t length)
{
    struct playback_digest *digest = ctx;
    (void)seq;
    (void)at_us;
    playback_digest_add(digest, data, length);
    return digest->is_collecting ? 0 : 1; // what is too large is not compared
}

static void compare_bodies(struct differences *differences, const struct config *config,
                           const struct exchange *exchange, const struct playback_digest *here,
                           const struct exchange_row *recorded)
{
    struct playback_digest there;
    struct err ignored = {0};
    playback_digest_init(&there, config, &recorded->request_headers);
    there.is_collecting = true; // whatever it is: there may be marks in it
    store_walk_body(exchange->worker->answers, recorded->id, BODY_REQUEST, on_segment, &there,
                    &ignored);
    playback_digest_finish(&there);
    json_t *ours = json_of(here);
    json_t *theirs = json_of(&there);
    if (ours != NULL && theirs != NULL)
        compare_json(differences, "$", ours, theirs, 0);
    else if (exchange->upload.total_bytes > 0 || recorded->request_size > 0)
        compare_contents(differences, exchange->upload.total_bytes, recorded, &there);
    json_decref(ours);
    json_decref(theirs);
    playback_digest_fini(&there);
}

// --- the closest -------------------------------------------------------------------------------

static void compare(struct differences *differences, struct playback *playback,
                    const struct exchange *exchange, const struct playback_digest *digest,
                    const struct exchange_row *recorded)
{
    compare_heads(differences, playback->config, exchange->row, recorded);
    // A body counts once the head is the same.
    if (differences->count == 0 && playback_wants_body(playback->config))
        compare_bodies(differences, playback->config, exchange, digest, recorded);
}

static int on_id(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct buffer *ids = ctx;
    (void)count;
    (void)names;
    buffer_append(ids, &values[0].integer, sizeof(values[0].integer));
    return 0;
}

// The newest ids of a host (NULL: of any).
static size_t find_by_host(struct store_reader *reader, const char *host, int64_t *ids)
{
    struct buffer sql = {0};
    struct buffer found = {0};
    struct err ignored = {0};
    buffer_append_text(&sql, "SELECT id FROM exchange WHERE (source = 'proxy' OR source = 'import')"
                             " AND kind <> 'tunnel'");
    if (host != NULL) {
        buffer_append_text(&sql, " AND host = '");
        for (; *host != '\0'; host++)
            buffer_printf(&sql, *host == '\'' ? "''" : "%c", *host);
        buffer_append_char(&sql, '\'');
    }
    buffer_printf(&sql, " ORDER BY id DESC LIMIT %d", NEAR_MAX);
    store_query(reader, sql.data, NULL, on_id, &found, &ignored);
    size_t count = found.length / sizeof(ids[0]);
    if (count > 0)
        memcpy(ids, found.data, found.length);
    buffer_fini(&found);
    buffer_fini(&sql);
    return count;
}

static size_t find_near(struct playback *playback, const struct exchange *exchange, int64_t *ids)
{
    const struct exchange_row *row = exchange->row;
    struct store_reader *reader = exchange->worker->answers;
    size_t count =
        playback_index_near(playback->index, playback_place(row->host, row->path), ids, NEAR_MAX);
    if (count == 0)
        count = find_by_host(reader, row->host, ids);
    if (count == 0)
        count = find_by_host(reader, NULL, ids);
    return count;
}

static struct exchange_row *find_closest(struct playback *playback, const struct exchange *exchange,
                                         const struct playback_digest *digest)
{
    int64_t ids[NEAR_MAX];
    size_t count = find_near(playback, exchange, ids);
    struct exchange_row *closest = NULL;
    int least = INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        struct exchange_row *row = NULL;
        struct err ignored = {0};
        struct differences differences = {0};
        if (store_get_row(exchange->worker->answers, ids[i], &row, &ignored) != STORE_FOUND)
            continue;
        compare(&differences, playback, exchange, digest, row);
        bool is_closer = differences.weight > 0 && differences.weight < least;
        row_destroy(is_closer ? closest : row);
        if (is_closer) {
            closest = row;
            least = differences.weight;
        }
    }
    return closest;
}

// What is redacted is equal only if both sides know that it is.
static void append_advice(const struct differences *differences, struct buffer *text)
{
    const char *lead = "; set ";
    for (size_t key = 0; key < REDACT_KEY_COUNT; key++) {
        if (!differences->wants[key])
            continue;
        buffer_printf(text, "%s%s", lead, redact_keys[key]);
        lead = " and ";
    }
    if (*lead != ';')
        buffer_append_text(text, " as it was when this was recorded");
}

void playback_miss_describe(struct playback *playback, const struct exchange *exchange,
                            const struct playback_digest *digest, struct buffer *text)
{
    struct exchange_row *closest = find_closest(playback, exchange, digest);
    struct differences differences = {.out = text};
    buffer_append_text(text, "this request is not in the recording");
    if (closest == NULL) {
        buffer_printf(text, playback_index_count(playback->index) == 0
                                ? ", which has no answers at all"
                                : ", and nothing like it");
        return;
    }
    const struct redaction rules = redaction_of(playback->config, NULL);
    struct buffer plain = {0};
    struct buffer url = {0};
    row_append_url(closest, &plain);
    buffer_append_text(&plain, "");
    redact_target(&rules, plain.data, &url);
    buffer_fini(&plain);
    buffer_printf(text, "; the closest, #%" PRId64 " %s %s, differs in", closest->id,
                  closest->method != NULL ? closest->method : "", url.data != NULL ? url.data : "");
    compare(&differences, playback, exchange, digest, closest);
    if (differences.count > SHOWN_MAX)
        buffer_printf(text, " and %d more", differences.count - SHOWN_MAX);
    append_advice(&differences, text);
    buffer_fini(&url);
    row_destroy(closest);
}
