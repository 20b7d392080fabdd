// SPDX-License-Identifier: MIT
// What playback compares of a request. The input is a query, a newline, a type, a newline, a body:
// the parameters of a query are the same again once they are sorted, and a body's digest does not
// depend on how it comes in pieces.
#include "fuzz.h"

#include "hark/query.h"
#include "proxy/playback_key.h"

#include <strings.h>

static void check_query(const char *query)
{
    struct arena arena = {0};
    struct fields list = {0};
    query_parse(&list, &arena, query);
    for (size_t i = 0; i < list.count; i++) {
        assert(list.items[i].name_length <= strlen(query));
        assert(list.items[i].value_length <= strlen(query));
    }
    struct config config = {0};
    struct fields sorted = {0};
    playback_query(&config, query, &sorted, &arena);
    assert(sorted.count == list.count);
    for (size_t i = 1; i < sorted.count; i++)
        assert(strcasecmp(sorted.items[i - 1].name, sorted.items[i].name) <= 0);
    arena_fini(&arena);
}

static uint64_t digest_of(const struct fields *headers, const char *body, size_t length,
                          size_t step)
{
    struct config config = {0};
    struct playback_digest digest;
    playback_digest_init(&digest, &config, headers);
    for (size_t at = 0; at < length; at += step)
        playback_digest_add(&digest, body + at, length - at < step ? length - at : step);
    uint64_t number = playback_digest_finish(&digest);
    playback_digest_fini(&digest);
    return number;
}

static void check_body(const char *type, const char *body, size_t length)
{
    struct arena arena = {0};
    struct fields headers = {0};
    fields_add(&headers, &arena, "Content-Type", strlen("Content-Type"), type, strlen(type));
    assert(digest_of(&headers, body, length, 1) == digest_of(&headers, body, length, length + 1));
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    char *type = memchr(text, '\n', size);
    char *body = type == NULL ? NULL : memchr(type + 1, '\n', size - (size_t)(type + 1 - text));
    if (body != NULL) {
        *type++ = '\0';
        *body++ = '\0';
        check_query(text);
        check_body(type, body, size - (size_t)(body - text));
    }
    free(text);
    return 0;
}
