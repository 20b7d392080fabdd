// SPDX-License-Identifier: MIT
// The keys of the filter language: what each of them makes of its value.
#include "filter.h"
#include "hark/suggest.h"
#include "hark/units.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static char *to_lower(struct filter *filter, const char *text)
{
    char *lower = arena_strdup(&filter->arena, text);
    for (char *at = lower; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return lower;
}

// Splits the port from an authority in lower case, "localhost:8080" or "[::1]".
static int read_authority(const char *key, const char *value, char *host, int64_t *port,
                          struct err *err)
{
    if (host[0] == '[' && strchr(host, ']') == NULL)
        return err_set(err, "the bracket in \"%s:%s\" is not closed", key, value);
    if (split_port(host, port) != 0)
        return err_set(err, "bad port in \"%s:%s\"", key, value);
    return 0;
}

static struct filter_node *key_host(struct filter *filter, const char *value, struct err *err)
{
    char *host = to_lower(filter, value);
    int64_t port;
    if (read_authority("host", value, host, &port, err) != 0)
        return NULL;
    struct filter_node *node = add_match(filter, FIELD_HOST, without_brackets(host));
    if (port >= 0)
        node = filter_join(filter, NODE_AND, node, add_between(filter, FIELD_PORT, port, port));
    return node;
}

// Clients are recorded as "127.0.0.1:51234" and "[::1]:51234".
static struct filter_node *key_client(struct filter *filter, const char *value, struct err *err)
{
    char *address = to_lower(filter, value);
    int64_t port;
    if (read_authority("client", value, address, &port, err) != 0)
        return NULL;
    address = without_brackets(address);
    bool is_v6 = strchr(address, ':') != NULL;
    char port_text[24] = "*";
    if (port >= 0)
        snprintf(port_text, sizeof(port_text), "%lld", (long long)port);
    return add_match(filter, FIELD_CLIENT,
                     arena_printf(&filter->arena, "%s%s%s:%s", is_v6 ? "[" : "", address,
                                  is_v6 ? "]" : "", port_text));
}

static struct filter_node *key_method(struct filter *filter, const char *value, struct err *err)
{
    if (strchr(value, ',') != NULL) {
        err_set(err, "\"%s\" is no method; write for example (method:GET or method:POST)", value);
        return NULL;
    }
    return add_test(filter, FIELD_METHOD, TEST_EQUAL, value);
}

static struct filter_node *key_scheme(struct filter *filter, const char *value, struct err *err)
{
    const char *scheme = to_lower(filter, value);
    if (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0)
        return add_test(filter, FIELD_SCHEME, TEST_EQUAL, scheme);
    err_set(err, "bad scheme \"%s\"; there are scheme:http and scheme:https", value);
    return NULL;
}

static struct filter_node *key_path(struct filter *filter, const char *value, struct err *err)
{
    if (strchr(value, '?') != NULL) {
        err_set(err, "a path ends before its \"?\"; did you mean \"url:%s\"?", value);
        return NULL;
    }
    return add_match(filter, FIELD_PATH, value);
}

static struct filter_node *key_url(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_test(filter, FIELD_URL, TEST_HAS, value);
}

static struct filter_node *key_type(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_contains(filter, FIELD_TYPE, value);
}

static int parse_status(const char *text, int64_t *status)
{
    return strlen(text) == 3 ? filter_parse_count(text, status) : -1;
}

static bool is_status_class(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' && strcasecmp(text + 1, "xx") == 0;
}

static struct filter_node *add_range(struct filter *filter, enum filter_field field,
                                     const char *value, filter_number_fn parse)
{
    int64_t low;
    int64_t high;
    if (filter_parse_range(value, parse, &low, &high) != 0)
        return NULL;
    return add_between(filter, field, low, high);
}

static struct filter_node *key_status(struct filter *filter, const char *value, struct err *err)
{
    if (is_status_class(value)) {
        int64_t first = (value[0] - '0') * 100;
        return add_between(filter, FIELD_STATUS, first, first + 99);
    }
    struct filter_node *node = add_range(filter, FIELD_STATUS, value, parse_status);
    if (node == NULL)
        err_set(err, "bad status \"%s\"; write for example 404, 4xx or >=400", value);
    return node;
}

static struct filter_node *key_session(struct filter *filter, const char *value, struct err *err)
{
    struct filter_node *node = add_range(filter, FIELD_SESSION, value, filter_parse_count);
    if (node == NULL)
        err_set(err, "bad session \"%s\"; write its number", value);
    return node;
}

// "@last" is the newest exchange, "@-2" the one before it; NULL for anything else.
static struct filter_node *add_newest(struct filter *filter, const char *value)
{
    int64_t count = 1;
    bool is_number = strncmp(value, "@-", 2) == 0 && filter_parse_count(value + 2, &count) == 0;
    if ((!is_number && strcmp(value, "@last") != 0) || count < 1)
        return NULL;
    struct filter_node *node = add_test(filter, FIELD_ID, TEST_NEWEST, NULL);
    node->low = count - 1;
    return node;
}

static struct filter_node *key_id(struct filter *filter, const char *value, struct err *err)
{
    struct filter_node *node = add_newest(filter, value);
    if (node == NULL)
        node = add_range(filter, FIELD_ID, value, filter_parse_count);
    if (node == NULL)
        err_set(err, "bad id \"%s\"; write for example 7, 10..20, >100 or @last", value);
    return node;
}

// A single duration would match next to nothing.
static struct filter_node *key_dur(struct filter *filter, const char *value, struct err *err)
{
    struct filter_node *node = add_range(filter, FIELD_DURATION, value, filter_parse_duration_us);
    if (node != NULL && node->low != node->high)
        return node;
    err_set(err, "bad duration \"%s\"; write for example >500ms, <2s or 1s..5s", value);
    return NULL;
}

static struct filter_node *add_size(struct filter *filter, enum filter_field field,
                                    const char *value, struct err *err)
{
    struct filter_node *node = add_range(filter, field, value, units_parse_size);
    if (node == NULL)
        err_set(err, "bad size \"%s\"; write for example >1k, 0 or 10k..1M", value);
    return node;
}

static struct filter_node *key_size(struct filter *filter, const char *value, struct err *err)
{
    return add_size(filter, FIELD_RESPONSE_SIZE, value, err);
}

static struct filter_node *key_reqsize(struct filter *filter, const char *value, struct err *err)
{
    return add_size(filter, FIELD_REQUEST_SIZE, value, err);
}

static int parse_time(const struct filter *filter, const char *value, int64_t *us, struct err *err)
{
    if (filter_parse_time(value, filter->now_us, us) == 0)
        return 0;
    return err_set(err,
                   "bad time \"%s\"; write for example 10m, 3d, today, 14:30, 2026-01-31 or "
                   "2026-01-31T12:00",
                   value);
}

static struct filter_node *key_since(struct filter *filter, const char *value, struct err *err)
{
    int64_t us;
    if (parse_time(filter, value, &us, err) != 0)
        return NULL;
    return add_between(filter, FIELD_STARTED, us, INT64_MAX);
}

static struct filter_node *key_until(struct filter *filter, const char *value, struct err *err)
{
    int64_t us;
    if (parse_time(filter, value, &us, err) != 0)
        return NULL;
    return add_between(filter, FIELD_STARTED, INT64_MIN, us - 1);
}

static struct filter_node *key_header(struct filter *filter, const char *value, struct err *err)
{
    size_t length = strcspn(value, "=");
    if (length == 0) {
        err_set(err, "\"header:%s\" lacks the name; write header:name or header:name=text", value);
        return NULL;
    }
    bool has_text = value[length] == '=' && value[length + 1] != '\0';
    struct filter_node *node =
        add_test(filter, FIELD_HEADERS, TEST_HAS, has_text ? value + length + 1 : NULL);
    node->name = to_lower(filter, arena_strndup(&filter->arena, value, length));
    return node;
}

static struct filter_node *key_reqbody(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_test(filter, FIELD_REQUEST_BODY, TEST_HAS, value);
}

static struct filter_node *key_resbody(struct filter *filter, const char *value, struct err *err)
{
    (void)err;
    return add_test(filter, FIELD_RESPONSE_BODY, TEST_HAS, value);
}

static struct filter_node *key_body(struct filter *filter, const char *value, struct err *err)
{
    return filter_join(filter, NODE_OR, key_reqbody(filter, value, err),
                       key_resbody(filter, value, err));
}

static const struct {
    const char *name;
    enum filter_field field;
} kinds[] = {
    {"error", FIELD_IS_ERROR},     {"import", FIELD_IS_IMPORT},       {"marked", FIELD_IS_MARKED},
    {"pending", FIELD_IS_PENDING}, {"playback", FIELD_IS_PLAYBACK},   {"replay", FIELD_IS_REPLAY},
    {"tunnel", FIELD_IS_TUNNEL},   {"websocket", FIELD_IS_WEBSOCKET},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static struct filter_node *key_is(struct filter *filter, const char *value, struct err *err)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcmp(kinds[i].name, value) == 0)
            return add_test(filter, kinds[i].field, TEST_IS, NULL);
    const char *nearest = suggest_nearest(value, kinds, KIND_COUNT, sizeof(kinds[0]));
    if (nearest != NULL)
        err_set(err, "unknown \"is:%s\"; did you mean \"is:%s\"?", value, nearest);
    else
        err_set(err,
                "unknown \"is:%s\"; there are error, import, marked, pending, playback, replay, "
                "tunnel and websocket",
                value);
    return NULL;
}

static const struct key {
    const char *name;
    key_fn parse;
} keys[] = {
    {"body", key_body},       {"client", key_client},   {"dur", key_dur},
    {"header", key_header},   {"host", key_host},       {"id", key_id},
    {"is", key_is},           {"method", key_method},   {"path", key_path},
    {"reqbody", key_reqbody}, {"reqsize", key_reqsize}, {"resbody", key_resbody},
    {"scheme", key_scheme},   {"session", key_session}, {"since", key_since},
    {"size", key_size},       {"status", key_status},   {"type", key_type},
    {"until", key_until},     {"url", key_url},
};

#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

const char *filter_key_at(size_t index)
{
    return index < KEY_COUNT ? keys[index].name : NULL;
}

const char *filter_kind_at(size_t index)
{
    return index < KIND_COUNT ? kinds[index].name : NULL;
}

// --- words --------------------------------------------------------------------------------------

struct filter_node *filter_bare_word(struct filter *filter, const char *text)
{
    struct filter_node *newest = add_newest(filter, text);
    return newest != NULL ? newest : add_test(filter, FIELD_URL, TEST_HAS, text);
}

static const struct key *find_key(const char *name, size_t length)
{
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strlen(keys[i].name) == length && strncmp(keys[i].name, name, length) == 0)
            return &keys[i];
    return NULL;
}

const char *filter_keyed_form(struct filter *filter, const char *word)
{
    bool is_negated = word[0] == '!';
    const char *name = word + is_negated;
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz");
    const struct key *key = find_key(name, length);
    const char *value = name + length;
    if (key == NULL || *value == '\0' || strchr(is_negated ? ":=<>" : "=<>!", *value) == NULL)
        return NULL;
    is_negated = is_negated || *value == '!';
    value += strspn(value, "!:");
    value += strspn(value, "=");
    struct err ignored = {0};
    if (*value == '\0' || key->parse(filter, value, &ignored) == NULL)
        return NULL;
    return arena_printf(&filter->arena, "%s%s:%s", is_negated ? "-" : "", key->name, value);
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
    const struct key *known = find_key(key, strlen(key));
    if (known != NULL && value[0] != '\0')
        return known->parse(filter, value, err);
    if (known != NULL)
        err_set(err, "\"%s:\" lacks a value", key);
    else
        explain_unknown(key, value, err);
    return NULL;
}
