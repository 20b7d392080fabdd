// SPDX-License-Identifier: MIT
// The keys of the filter language: what each of them makes of its value.
#include "filter.h"
#include "hark/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STATUS_MAX    999
#define ID_DIGITS_MAX 18

typedef struct filter_node *(*key_fn)(struct filter *filter, const char *value, struct err *err);

// --- nodes --------------------------------------------------------------------------------------

static struct filter_node *add_test(struct filter *filter, enum filter_field field,
                                    enum filter_test test, const char *text)
{
    struct filter_node *node = arena_alloc(&filter->arena, sizeof(*node));
    node->kind = NODE_TEST;
    node->field = field;
    node->test = test;
    node->text = text;
    return node;
}

static struct filter_node *add_between(struct filter *filter, enum filter_field field, int64_t low,
                                       int64_t high)
{
    struct filter_node *node = add_test(filter, field, TEST_BETWEEN, NULL);
    node->low = low;
    node->high = high;
    return node;
}

struct filter_node *filter_join(struct filter *filter, enum filter_node_kind kind,
                                struct filter_node *left, struct filter_node *right)
{
    struct filter_node *node = arena_alloc(&filter->arena, sizeof(*node));
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

// A pattern of GLOB in which only `*` is special.
static const char *glob_pattern(struct filter *filter, const char *text)
{
    char *pattern = arena_alloc(&filter->arena, strlen(text) * 3 + 1);
    char *end = pattern;
    for (; *text != '\0'; text++) {
        if (*text == '?' || *text == '[')
            end += sprintf(end, "[%c]", *text);
        else
            *end++ = *text;
    }
    return pattern;
}

static struct filter_node *add_match(struct filter *filter, enum filter_field field,
                                     const char *text)
{
    if (strchr(text, '*') == NULL)
        return add_test(filter, field, TEST_EQUAL, text);
    return add_test(filter, field, TEST_GLOB, glob_pattern(filter, text));
}

// A pattern of LIKE with the escape character `\`.
static struct filter_node *add_contains(struct filter *filter, enum filter_field field,
                                        const char *text)
{
    char *pattern = arena_alloc(&filter->arena, strlen(text) * 2 + 3);
    char *end = pattern;
    *end++ = '%';
    for (; *text != '\0'; text++) {
        if (strchr("%_\\", *text) != NULL)
            *end++ = '\\';
        *end++ = *text;
    }
    *end = '%';
    return add_test(filter, field, TEST_CONTAINS, pattern);
}

// --- keys ---------------------------------------------------------------------------------------

// Splits "name:8080" and "[::1]:8080"; an IPv6 address without brackets has no port.
static int split_port(char *host, int64_t *port)
{
    char *colon = strrchr(host, ':');
    char *bracket = strrchr(host, ']');
    *port = -1;
    if (colon == NULL || (bracket != NULL && bracket > colon) ||
        (bracket == NULL && strchr(host, ':') != colon))
        return 0;
    char *end;
    *port = strtol(colon + 1, &end, 10);
    if (!isdigit((unsigned char)colon[1]) || *end != '\0')
        return -1;
    *colon = '\0';
    return 0;
}

static char *without_brackets(char *host)
{
    size_t length = strlen(host);
    if (host[0] != '[' || host[length - 1] != ']')
        return host;
    host[length - 1] = '\0';
    return host + 1;
}

static struct filter_node *key_host(struct filter *filter, const char *value, struct err *err)
{
    char *host = arena_strdup(&filter->arena, value);
    for (char *at = host; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    int64_t port;
    if (split_port(host, &port) != 0) {
        err_set(err, "bad port in \"host:%s\"", value);
        return NULL;
    }
    struct filter_node *node = add_match(filter, FIELD_HOST, without_brackets(host));
    if (port >= 0)
        node = filter_join(filter, NODE_AND, node, add_between(filter, FIELD_PORT, port, port));
    return node;
}

static struct filter_node *key_method(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_test(filter, FIELD_METHOD, TEST_EQUAL, value);
}

static struct filter_node *key_path(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_match(filter, FIELD_PATH, value);
}

static struct filter_node *key_url(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_contains(filter, FIELD_URL, value);
}

// Three digits and nothing else.
static int parse_status(const char *text, int64_t *status)
{
    if (strlen(text) != 3 || strspn(text, "0123456789") != 3)
        return -1;
    *status = strtol(text, NULL, 10);
    return 0;
}

static bool is_status_class(const char *text)
{
    return isdigit((unsigned char)text[0]) && strcasecmp(text + 1, "xx") == 0;
}

// "500", "5xx", ">=400", ">400", "<=299", "<300"
static struct filter_node *key_status(struct filter *filter, const char *value, struct err *err)
{
    int64_t number = 0;
    if (is_status_class(value)) {
        number = (value[0] - '0') * 100;
        return add_between(filter, FIELD_STATUS, number, number + 99);
    }
    size_t sign = strspn(value, "<>=");
    if (sign > 2 || parse_status(value + sign, &number) != 0)
        goto bad;
    if (sign == 0)
        return add_between(filter, FIELD_STATUS, number, number);
    bool is_inclusive = value[1] == '=';
    if (sign == 2 && !is_inclusive)
        goto bad;
    if (value[0] == '>')
        return add_between(filter, FIELD_STATUS, is_inclusive ? number : number + 1, STATUS_MAX);
    if (value[0] == '<')
        return add_between(filter, FIELD_STATUS, 0, is_inclusive ? number : number - 1);
bad:
    err_set(err, "bad status \"%s\"; write for example 404, 4xx or >=400", value);
    return NULL;
}

static struct filter_node *key_session(struct filter *filter, const char *value, struct err *err)
{
    size_t length = strlen(value);
    if (length > ID_DIGITS_MAX || strspn(value, "0123456789") != length) {
        err_set(err, "bad session \"%s\"; write its number", value);
        return NULL;
    }
    int64_t id = strtoll(value, NULL, 10);
    return add_between(filter, FIELD_SESSION, id, id);
}

// What did not end as its two sides wanted: it has an error, or another end than the usual one.
static struct filter_node *add_error(struct filter *filter)
{
    struct filter_node *usual =
        filter_join(filter, NODE_OR, add_test(filter, FIELD_STATE, TEST_EQUAL, "done"),
                    add_test(filter, FIELD_STATE, TEST_EQUAL, "pending"));
    return filter_join(filter, NODE_OR, add_test(filter, FIELD_ERROR, TEST_PRESENT, NULL),
                       filter_join(filter, NODE_NOT, usual, NULL));
}

static struct filter_node *key_is(struct filter *filter, const char *value, struct err *err)
{
    if (strcmp(value, "error") == 0)
        return add_error(filter);
    if (strcmp(value, "pending") == 0)
        return add_test(filter, FIELD_STATE, TEST_EQUAL, value);
    if (strcmp(value, "tunnel") == 0 || strcmp(value, "websocket") == 0)
        return add_test(filter, FIELD_KIND, TEST_EQUAL, value);
    if (strcmp(value, "replay") == 0)
        return add_test(filter, FIELD_SOURCE, TEST_EQUAL, value);
    err_set(err,
            "unknown \"is:%s\"; there are is:error, is:pending, is:replay, is:tunnel and "
            "is:websocket",
            value);
    return NULL;
}

static const struct key {
    const char *name;
    key_fn parse;
} keys[] = {
    {"host", key_host},       {"is", key_is},         {"method", key_method}, {"path", key_path},
    {"session", key_session}, {"status", key_status}, {"url", key_url},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

// --- words --------------------------------------------------------------------------------------

struct filter_node *filter_bare_word(struct filter *filter, const char *text)
{
    return add_contains(filter, FIELD_URL, text);
}

static void explain_unknown(const char *key, const char *value, struct err *err)
{
    const char *nearest = suggest_nearest(key, keys, KEY_COUNT, sizeof(keys[0]));
    if (nearest != NULL)
        err_set(err, "unknown key \"%s\" in \"%s:%s\"; did you mean \"%s:\"?", key, key, value,
                nearest);
    else
        err_set(err, "unknown key \"%s\"; to look for this text in the URL write \"url:%s:%s\"",
                key, key, value);
}

struct filter_node *filter_keyed_word(struct filter *filter, const char *key, const char *value,
                                      struct err *err)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (value[0] != '\0')
            return keys[i].parse(filter, value, err);
        err_set(err, "\"%s:\" lacks a value", key);
        return NULL;
    }
    explain_unknown(key, value, err);
    return NULL;
}
