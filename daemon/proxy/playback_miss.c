// SPDX-License-Identifier: MIT
// The closest one is looked for among the newest of the same host and path, else of the same host,
// else of all, since a miss must not become slow with the size of the recording.
#include "playback_miss.h"

#include "hark/mem.h"
#include "hark/query.h"
#include "hark/redact.h"
#include "hark/utf8.h"
#include "playback_differences.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MAX  16
#define DEPTH_MAX 64

static const char *const redact_keys[] = {NULL, "redact_headers", "redact_query", "redact_json",
                                          "redact_form"};

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
    differences_compare_lists(differences, REDACT_QUERY, &ours, &theirs);
    arena_fini(&arena);
}

static void compare_headers(struct differences *differences, const struct config *config,
                            const struct fields *here, const struct fields *there)
{
    struct arena arena = {0};
    struct fields ours = playback_headers(config, here, &arena);
    struct fields theirs = playback_headers(config, there, &arena);
    differences_compare_lists(differences, REDACT_HEADERS, &ours, &theirs);
    arena_fini(&arena);
}

static void compare_heads(struct differences *differences, const struct config *config,
                          const struct exchange_row *here, const struct exchange_row *there)
{
    if (matches(config, "host"))
        differences_compare_texts(differences, 32, "the host", here->host, there->host);
    if (matches(config, "method"))
        differences_compare_texts(differences, 8, "the method", here->method, there->method);
    if (matches(config, "scheme"))
        differences_compare_texts(differences, 4, "the scheme", here->scheme, there->scheme);
    if (matches(config, "port") && here->port != there->port) {
        char *ours = mem_printf("%d", here->port);
        char *theirs = mem_printf("%d", there->port);
        differences_compare_texts(differences, 4, "the port", ours, theirs);
        free(ours);
        free(theirs);
    }
    if (matches(config, "path"))
        differences_compare_texts(differences, 16, "the path", here->path, there->path);
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
    differences_add(differences, &(struct difference){1, REDACT_JSON, what, ours, theirs});
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
    for (size_t i = 0; i < count && differences->count <= DIFFERENCES_SHOWN_MAX; i++) {
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

static bool is_of_type(const struct exchange_row *row, const char *type)
{
    return row->request_type != NULL && strncmp(row->request_type, type, strlen(type)) == 0;
}

static bool is_whole(const struct playback_digest *digest)
{
    return digest->is_collecting && !digest->is_undecodable;
}

static bool is_text(const struct playback_digest *digest)
{
    const struct buffer *content = &digest->content;
    return content->length == 0 || (memchr(content->data, '\0', content->length) == NULL &&
                                    utf8_is_valid(content->data, content->length));
}

static const char *text_from(struct arena *arena, const struct buffer *content, size_t at)
{
    return arena_printf(arena, "%.*s", (int)(content->length - at),
                        content->length > 0 ? content->data + at : "");
}

static void compare_forms(struct differences *differences, const struct buffer *here,
                          const struct buffer *there)
{
    struct arena arena = {0};
    struct fields ours = {0};
    struct fields theirs = {0};
    query_parse(&ours, &arena, text_from(&arena, here, 0));
    query_parse(&theirs, &arena, text_from(&arena, there, 0));
    differences_compare_lists(differences, REDACT_FORM, &ours, &theirs);
    arena_fini(&arena);
}

static size_t first_difference(const struct buffer *here, const struct buffer *there)
{
    size_t at = 0;
    while (at < here->length && at < there->length && here->data[at] == there->data[at])
        at++;
    return at;
}

static void compare_plain(struct differences *differences, const struct buffer *here,
                          const struct buffer *there)
{
    struct arena arena = {0};
    size_t at = first_difference(here, there);
    if (at == here->length && at == there->length)
        return;
    while (at > 0 && at < here->length && (here->data[at] & 0xc0) == 0x80)
        at--;
    differences_add(differences, &(struct difference){
                                     1, REDACT_NOTHING,
                                     arena_printf(&arena, "the body from byte %zu on", at + 1),
                                     text_from(&arena, here, at), text_from(&arena, there, at)});
    arena_fini(&arena);
}

// As wholes, by their sizes.
static void compare_sizes(struct differences *differences, const char *what, int64_t here,
                          int64_t there)
{
    char *ours = mem_printf("%" PRId64 " bytes", here);
    char *theirs = mem_printf("%" PRId64 " bytes", there);
    differences_add(differences, &(struct difference){1, REDACT_NOTHING, what, ours, theirs});
    free(ours);
    free(theirs);
}

// Is said as exactly as it can be without telling what is redacted there.
static void compare_contents(struct differences *differences, int64_t here_bytes,
                             const struct playback_digest *here,
                             const struct exchange_row *recorded,
                             const struct playback_digest *there)
{
    int before = differences->count;
    bool has_marks = redact_has_mark(there->content.data, there->content.length);
    bool is_known = is_whole(here) && is_whole(there);
    bool is_plain = is_known && is_text(here) && is_text(there);
    bool is_form = is_of_type(recorded, "application/x-www-form-urlencoded");
    if (is_plain && is_form)
        compare_forms(differences, &here->content, &there->content);
    if (differences->count != before)
        return;
    if (is_plain && !has_marks) {
        compare_plain(differences, &here->content, &there->content);
        return;
    }
    char *what = is_known ? mem_printf("the body at byte %zu",
                                       first_difference(&here->content, &there->content) + 1)
                          : mem_strdup("the body");
    compare_sizes(differences, what, here_bytes, recorded->request_size);
    differences->wants[is_form || is_of_type(recorded, "multipart/") ? REDACT_FORM : REDACT_JSON] |=
        has_marks;
    free(what);
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
    store_walk_body(exchange->worker->answers, recorded->id, BODY_REQUEST, on_segment, &there,
                    &ignored);
    playback_digest_finish(&there);
    json_t *ours = json_of(here);
    json_t *theirs = json_of(&there);
    if (ours != NULL && theirs != NULL)
        compare_json(differences, "$", ours, theirs, 0);
    else if (exchange->upload.total_bytes > 0 || recorded->request_size > 0)
        compare_contents(differences, exchange->upload.total_bytes, here, recorded, &there);
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

// Why a recorded request that is the very same does not answer; NULL: it should.
static const char *reason_of(const struct playback *playback, const struct exchange_row *row)
{
    if (row->status == 0)
        return "has no answer";
    if (row->body_truncated)
        return "was not recorded whole";
    return playback->config->playback_filter != NULL ? "is left out by playback_filter" : NULL;
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
        bool is_known = differences.weight > 0 || reason_of(playback, row) != NULL;
        bool is_closer = is_known && differences.weight < least;
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

static void append_nothing(const struct playback *playback, struct buffer *text)
{
    if (playback_index_count(playback->index) > 0)
        buffer_append_text(text, ", and nothing like it");
    else if (playback->config->playback_filter != NULL)
        buffer_printf(text, ", of which playback_filter %s leaves no answer",
                      playback->config->playback_filter);
    else
        buffer_append_text(text, ", which has no answers at all");
}

static void append_request(const struct playback *playback, const struct exchange_row *row,
                           struct buffer *text)
{
    const struct redaction rules = redaction_of(playback->config, NULL);
    struct buffer plain = {0};
    struct buffer url = {0};
    row_append_url(row, &plain);
    buffer_append_text(&plain, "");
    redact_target(&rules, plain.data, &url);
    buffer_printf(text, "#%" PRId64 " %s %s", row->id, row->method != NULL ? row->method : "",
                  url.data != NULL ? url.data : "");
    buffer_fini(&plain);
    buffer_fini(&url);
}

void playback_miss_describe(struct playback *playback, const struct exchange *exchange,
                            const struct playback_digest *digest, struct buffer *text)
{
    struct exchange_row *closest = find_closest(playback, exchange, digest);
    struct buffer told = {0};
    struct differences differences = {.out = &told};
    buffer_append_text(text, "this request is not in the recording");
    if (closest == NULL) {
        append_nothing(playback, text);
        return;
    }
    compare(&differences, playback, exchange, digest, closest);
    buffer_append_text(text, differences.count > 0 ? "; the closest, " : "; ");
    append_request(playback, closest, text);
    if (differences.count > 0)
        buffer_printf(text, ", differs in%s", told.data);
    else
        buffer_printf(text, " is the same, but %s (%s)", reason_of(playback, closest),
                      row_state_name(closest->state));
    if (differences.count > DIFFERENCES_SHOWN_MAX)
        buffer_printf(text, " and %d more", differences.count - DIFFERENCES_SHOWN_MAX);
    append_advice(&differences, text);
    buffer_fini(&told);
    row_destroy(closest);
}
