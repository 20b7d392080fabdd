// SPDX-License-Identifier: MIT
// Keys and digests: SHA-256, of which the first eight bytes are kept.
#include "playback_key.h"

#include "hark/mem.h"
#include "hark/message.h"
#include "hark/query.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HASH_BYTES 32

static const char header_word[] = "header:";

static uint64_t first_bytes(const unsigned char *hash)
{
    uint64_t number;
    memcpy(&number, hash, sizeof(number));
    return number;
}

static uint64_t hash_of(const void *data, size_t length)
{
    unsigned char hash[HASH_BYTES];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, length, hash) != 0)
        abort(); // GnuTLS always has it
    return first_bytes(hash);
}

uint64_t playback_mix(uint64_t a, uint64_t b)
{
    uint64_t mixed = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2)));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

// --- the head ----------------------------------------------------------------------------------

static bool matches_word(const struct config *config, const char *word)
{
    for (size_t i = 0; i < config->playback_match.count; i++)
        if (strcmp(config->playback_match.items[i], word) == 0)
            return true;
    return false;
}

bool playback_wants_body(const struct config *config)
{
    return matches_word(config, "body");
}

bool playback_wants_headers(const struct config *config)
{
    for (size_t i = 0; i < config->playback_match.count; i++)
        if (strncmp(config->playback_match.items[i], "header", strlen("header")) == 0)
            return true;
    return false;
}

static bool has_item(const struct config_list *list, const char *text, bool ignores_case)
{
    for (size_t i = 0; i < list->count; i++)
        if ((ignores_case ? strcasecmp : strcmp)(list->items[i], text) == 0)
            return true;
    return false;
}

// Where it goes is compared by host and port, what it carries by its body. A body that is searched
// for what is redacted is recorded decoded.
static bool is_about_the_message(const struct config *config, const struct field *field)
{
    bool has_own_coding = config->redact_json.count > 0 || config->redact_form.count > 0;
    return (has_own_coding && field_is_named(field, "Content-Encoding")) ||
           field_is_named(field, "Host") || field_is_named(field, "Content-Length") ||
           field_is_named(field, "Transfer-Encoding") || field_is_named(field, "Expect");
}

static bool field_counts(const struct config *config, const struct fields *fields,
                         const struct field *field)
{
    for (size_t i = 0; i < config->playback_match.count; i++) {
        const char *word = config->playback_match.items[i];
        if (strncmp(word, header_word, strlen(header_word)) == 0 &&
            field_is_named(field, word + strlen(header_word)))
            return true;
    }
    return matches_word(config, "headers") && !is_about_the_message(config, field) &&
           !field_is_hop_by_hop(fields, field) &&
           !has_item(&config->playback_ignore_headers, field->name, true);
}

static int compare_fields(const void *a, const void *b)
{
    const struct field *left = a;
    const struct field *right = b;
    int order = strcasecmp(left->name, right->name);
    if (order == 0)
        order = strcmp(left->name, right->name);
    return order != 0 ? order : strcmp(left->value, right->value);
}

static void sort_fields(struct fields *fields)
{
    if (fields->count > 1)
        qsort(fields->items, fields->count, sizeof(fields->items[0]), compare_fields);
}

void playback_query(const struct config *config, const char *query, struct fields *parameters,
                    struct arena *arena)
{
    const struct redaction rules = redaction_of(config, NULL);
    struct buffer text = {0};
    size_t kept = 0;
    if (query != NULL && !redaction_is_off(&rules)) {
        redact_query(&rules, query, &text); // also what is named in a URL that is a value
        query = text.data;
    }
    query_parse(parameters, arena, query);
    buffer_fini(&text);
    for (size_t i = 0; i < parameters->count; i++) {
        struct field *parameter = &parameters->items[i];
        if (has_item(&config->playback_ignore_query, parameter->name, false))
            continue;
        if (redacts_parameter(&rules, parameter->name, parameter->name_length)) {
            parameter->value = REDACT_MARK_WORD;
            parameter->value_length = strlen(REDACT_MARK_WORD);
        }
        parameters->items[kept++] = *parameter;
    }
    parameters->count = kept;
    sort_fields(parameters);
}

// NUL is in none of these texts, so it can stand between them.
static void append_part(struct buffer *out, const char *text)
{
    if (text != NULL)
        buffer_append_text(out, text);
    buffer_append_char(out, '\0');
}

static void append_fields(struct buffer *out, const struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        append_part(out, fields->items[i].name);
        append_part(out, fields->items[i].value);
    }
}

static void append_query(struct buffer *out, const struct config *config, const char *query)
{
    struct arena arena = {0};
    struct fields parameters = {0};
    if (query != NULL)
        playback_query(config, query, &parameters, &arena);
    append_fields(out, &parameters);
    arena_fini(&arena);
}

struct fields playback_headers(const struct config *config, const struct fields *headers,
                               struct arena *arena)
{
    const struct redaction rules = redaction_of(config, NULL);
    struct fields counting = {0};
    struct buffer value = {0};
    for (size_t i = 0; i < headers->count; i++) {
        const struct field *field = &headers->items[i];
        if (!field_counts(config, headers, field))
            continue;
        buffer_clear(&value);
        buffer_append_text(&value, "");
        redact_field(&rules, field->name, field->value, &value);
        fields_add(&counting, arena, field->name, field->name_length, value.data, value.length);
    }
    buffer_fini(&value);
    return counting;
}

static void append_headers(struct buffer *out, const struct config *config,
                           const struct fields *headers)
{
    struct arena arena = {0};
    struct fields counting = playback_headers(config, headers, &arena);
    for (size_t i = 0; i < counting.count; i++)
        for (char *at = (char *)counting.items[i].name; *at != '\0'; at++)
            if (*at >= 'A' && *at <= 'Z')
                *at = (char)(*at + 'a' - 'A');
    sort_fields(&counting);
    append_fields(out, &counting);
    arena_fini(&arena);
}

uint64_t playback_head_key(const struct config *config, const struct playback_head *head)
{
    struct buffer key = {0};
    append_part(&key, matches_word(config, "method") ? head->method : NULL);
    append_part(&key, matches_word(config, "scheme") ? head->scheme : NULL);
    append_part(&key, matches_word(config, "host") ? head->host : NULL);
    buffer_printf(&key, "%d", matches_word(config, "port") ? head->port : 0);
    append_part(&key, NULL);
    append_part(&key, matches_word(config, "path") ? head->path : NULL);
    if (matches_word(config, "query"))
        append_query(&key, config, head->query);
    append_part(&key, NULL);
    if (head->headers != NULL && playback_wants_headers(config))
        append_headers(&key, config, head->headers);
    uint64_t hash = hash_of(key.data, key.length);
    buffer_fini(&key);
    return hash;
}

// --- the body ----------------------------------------------------------------------------------

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

// The parameter `boundary` (RFC 2046 section 5.1.1); NULL if there is none.
static char *boundary_of(const char *content_type)
{
    const char *at = content_type;
    while ((at = strchr(at, ';')) != NULL) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "boundary=", strlen("boundary=")) != 0)
            continue;
        at += strlen("boundary=");
        bool is_quoted = *at == '"';
        at += is_quoted;
        return mem_strndup(at, strcspn(at, is_quoted ? "\"" : "; \t"));
    }
    return NULL;
}

static gnutls_hash_hd_t open_hash(void)
{
    gnutls_hash_hd_t hash = NULL;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) != 0)
        abort();
    return hash;
}

static uint64_t result_of(gnutls_hash_hd_t hash)
{
    unsigned char bytes[HASH_BYTES];
    gnutls_hash_output(hash, bytes);
    return first_bytes(bytes);
}

void playback_digest_init(struct playback_digest *digest, const struct config *config,
                          const struct fields *headers)
{
    const struct redaction rules = redaction_of(config, NULL);
    struct arena arena = {0};
    struct err ignored = {0};
    const char *type = media_type(headers, &arena);
    const char *coding = content_encoding(headers, &arena);
    const struct field *content_type = fields_find(headers, "Content-Type");
    *digest = (struct playback_digest){0};
    digest->decoder = coding == NULL ? NULL : decoder_create(coding, &ignored);
    if (digest->decoder != NULL)
        decoder_bound(digest->decoder);
    digest->search = redact_body_create(&rules, headers, NULL, NULL);
    digest->raw = digest->decoder == NULL ? NULL : open_hash();
    digest->is_json = type != NULL && (ends_with(type, "/json") || ends_with(type, "+json"));
    if (type != NULL && strncmp(type, "multipart/", strlen("multipart/")) == 0)
        digest->boundary = boundary_of(content_type->value);
    digest->is_collecting = true;
    arena_fini(&arena);
}

static void take_content(struct playback_digest *digest, const void *data, size_t length)
{
    if (digest->is_collecting && digest->content.length + length > PLAYBACK_CONTENT_MAX_BYTES) {
        digest->hash = open_hash();
        gnutls_hash(digest->hash, digest->content.data, digest->content.length);
        buffer_fini(&digest->content);
        digest->is_collecting = false;
    }
    if (digest->is_collecting) {
        buffer_append(&digest->content, data, length);
        return;
    }
    if (digest->hash == NULL)
        digest->hash = open_hash();
    gnutls_hash(digest->hash, data, length);
}

// What cannot be searched was not recorded from there on.
static void take_searched(struct playback_digest *digest, const struct buffer *found, int rc)
{
    if (found->length > 0)
        take_content(digest, found->data, found->length);
    digest->is_cut = rc != 0;
}

static int take_decoded(void *ctx, const void *data, size_t length)
{
    struct playback_digest *digest = ctx;
    struct buffer found = {0};
    struct err ignored = {0};
    if (digest->search == NULL)
        take_content(digest, data, length);
    else if (!digest->is_cut)
        take_searched(digest, &found,
                      redact_body_write(digest->search, data, length, &found, &ignored));
    buffer_fini(&found);
    return 0;
}

static void end_search(struct playback_digest *digest)
{
    struct buffer found = {0};
    struct err ignored = {0};
    if (digest->search == NULL || digest->is_cut)
        return;
    take_searched(digest, &found, redact_body_finish(digest->search, &found, &ignored));
    digest->is_cut = true;
    buffer_fini(&found);
}

void playback_digest_add(struct playback_digest *digest, const void *data, size_t length)
{
    struct err ignored = {0};
    if (length == 0)
        return;
    if (digest->decoder == NULL) {
        take_decoded(digest, data, length);
        return;
    }
    gnutls_hash(digest->raw, data, length);
    if (!digest->is_undecodable)
        digest->is_undecodable =
            decoder_write(digest->decoder, data, length, take_decoded, digest, &ignored) != 0;
}

static int append_json_text(const char *text, size_t length, void *ctx)
{
    buffer_append(ctx, text, length);
    return 0;
}

// The content in the one spelling that all spellings of it have; -1 if it is no JSON, or one in
// which something would be lost.
static int spell_json(const struct buffer *content, struct buffer *out)
{
    json_t *value = json_loadb(content->data, content->length,
                               JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (value == NULL)
        return -1;
    int result = json_dump_callback(value, append_json_text, out,
                                    JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(value);
    return result;
}

static void drop_boundary(const struct buffer *content, const char *boundary, struct buffer *out)
{
    size_t length = strlen(boundary);
    const char *at = content->data;
    const char *end = at + content->length;
    const char *found;
    while (length > 0 && (found = memmem(at, (size_t)(end - at), boundary, length)) != NULL) {
        buffer_append(out, at, (size_t)(found - at));
        at = found + length;
    }
    buffer_append(out, at, (size_t)(end - at));
}

static uint64_t hash_collected(const struct playback_digest *digest)
{
    struct buffer spelt = {0};
    const struct buffer *content = &digest->content;
    if (digest->is_json && spell_json(content, &spelt) == 0)
        content = &spelt;
    else if (digest->boundary != NULL) {
        buffer_clear(&spelt);
        drop_boundary(content, digest->boundary, &spelt);
        content = &spelt;
    }
    uint64_t hash = hash_of(content->length > 0 ? content->data : "", content->length);
    buffer_fini(&spelt);
    return hash;
}

uint64_t playback_digest_finish(struct playback_digest *digest)
{
    struct err ignored = {0};
    if (digest->decoder != NULL && !digest->is_undecodable)
        digest->is_undecodable = decoder_finish(digest->decoder, &ignored) != 0;
    end_search(digest);
    if (digest->is_undecodable)
        return result_of(digest->raw);
    if (digest->hash != NULL)
        return result_of(digest->hash);
    return digest->content.length == 0 ? hash_of("", 0) : hash_collected(digest);
}

void playback_digest_fini(struct playback_digest *digest)
{
    decoder_destroy(digest->decoder);
    redact_body_destroy(digest->search);
    free(digest->boundary);
    buffer_fini(&digest->content);
    if (digest->hash != NULL)
        gnutls_hash_deinit(digest->hash, NULL);
    if (digest->raw != NULL)
        gnutls_hash_deinit(digest->raw, NULL);
    *digest = (struct playback_digest){0};
}
