// SPDX-License-Identifier: MIT
// The option table, and one reader for each type of value.

#include "config_options.h"

#include "config_checks.h"
#include "hark/suggest.h"
#include "hark/units.h"

#include <assert.h>
#include <string.h>

enum {
    KIB = 1 << 10,
    MIB = 1 << 20,
    LONGEST_TIMEOUT_MS = 7 * 86400 * 1000
};

// In the order of the enums in config.h and log.h.
static const char *const bool_words[] = {"off", "on", NULL};
static const char *const mode_words[] = {"record", "playback", "playback-or-record", "off", NULL};
static const char *const durability_words[] = {"relaxed", "commit", "full", NULL};
static const char *const upstream_http_words[] = {"1.1", "2", NULL};
static const char *const playback_miss_words[] = {"error", "forward", NULL};
static const char *const playback_pace_words[] = {"fast", "recorded", NULL};
static const char *const log_level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_format_words[] = {"text", "json", NULL};

#define FIELD(name)        .offset = offsetof(struct config, name)
#define RANGE(least, most) .min = (least), .max = (most)

// clang-format off
const struct config_option config_options[] = {
    {"listen", CONFIG_TYPE_LIST, FIELD(listen), "127.0.0.1:4275",
     .check = config_check_address},
    {"ui", CONFIG_TYPE_TEXT, FIELD(ui), "127.0.0.1:4276",
     .check = config_check_address_or_off},
    {"db", CONFIG_TYPE_TEXT, FIELD(db), "", .is_fixed = true},
    {"workers", CONFIG_TYPE_INT, FIELD(workers), "0", RANGE(0, 64), .is_fixed = true},
    {"mode", CONFIG_TYPE_WORD, FIELD(mode), "record", mode_words},
    {"durability", CONFIG_TYPE_WORD, FIELD(durability), "relaxed", durability_words,
     .is_fixed = true},
    {"queue_bytes", CONFIG_TYPE_SIZE, FIELD(queue_bytes), "32M", RANGE(MIB, INT64_C(1) << 40)},

    {"intercept", CONFIG_TYPE_BOOL, FIELD(intercept), "on", bool_words},
    {"passthrough", CONFIG_TYPE_LIST, FIELD(passthrough), "", .check = config_check_host_pattern},
    {"upstream_proxy", CONFIG_TYPE_TEXT, FIELD(upstream_proxy), "",
     .check = config_check_proxy_url, .has_login = true},
    {"upstream_ca_file", CONFIG_TYPE_TEXT, FIELD(upstream_ca_file), "",
     .check = config_check_file},
    {"upstream_client_cert", CONFIG_TYPE_LIST, FIELD(upstream_client_cert), "",
     .check = config_check_client_cert},
    {"upstream_verify", CONFIG_TYPE_BOOL, FIELD(upstream_verify), "on", bool_words},
    {"connect_to", CONFIG_TYPE_LIST, FIELD(connect_to), "", .check = config_check_connect_to},
    {"upstream_http", CONFIG_TYPE_WORD, FIELD(upstream_http), "1.1", upstream_http_words},

    {"connect_timeout", CONFIG_TYPE_DURATION, FIELD(connect_timeout_ms), "10s",
     RANGE(1, LONGEST_TIMEOUT_MS)},
    {"idle_timeout", CONFIG_TYPE_DURATION, FIELD(idle_timeout_ms), "10m",
     RANGE(1, LONGEST_TIMEOUT_MS)},
    {"header_timeout", CONFIG_TYPE_DURATION, FIELD(header_timeout_ms), "5m",
     RANGE(1, LONGEST_TIMEOUT_MS)},
    {"max_connections", CONFIG_TYPE_INT, FIELD(max_connections), "20000", RANGE(1, 1000000)},
    {"max_connections_per_client", CONFIG_TYPE_INT, FIELD(max_connections_per_client), "0",
     RANGE(0, 1000000)},
    {"max_header_bytes", CONFIG_TYPE_SIZE, FIELD(max_header_bytes), "28k", RANGE(4 * KIB, MIB),
     .is_fixed = true},
    {"max_body_bytes", CONFIG_TYPE_SIZE, FIELD(max_body_bytes), "0", RANGE(0, INT64_MAX)},
    {"via", CONFIG_TYPE_BOOL, FIELD(via), "off", bool_words},

    {"record_bodies", CONFIG_TYPE_SIZE_OR_ALL, FIELD(record_bodies_bytes), "all",
     RANGE(0, INT64_MAX)},
    {"ignore", CONFIG_TYPE_TEXT, FIELD(ignore), "", .takes_lines = true},
    {"redact_headers", CONFIG_TYPE_LIST, FIELD(redact_headers), "",
     .check = config_check_field_name},
    {"redact_query", CONFIG_TYPE_LIST, FIELD(redact_query), ""},
    {"redact_json", CONFIG_TYPE_LIST, FIELD(redact_json), "", .check = config_check_json_field},
    {"redact_form", CONFIG_TYPE_LIST, FIELD(redact_form), ""},
    {"keep_age", CONFIG_TYPE_DURATION, FIELD(keep_age_ms), "0",
     RANGE(0, INT64_MAX / 1000), .wants_unit = true},
    {"keep_bytes", CONFIG_TYPE_SIZE, FIELD(keep_bytes), "0", RANGE(MIB, INT64_MAX),
     .takes_zero = true},

    {"allow", CONFIG_TYPE_LIST, FIELD(allow), "", .check = config_check_cidr},
    {"proxy_auth", CONFIG_TYPE_TEXT, FIELD(proxy_auth), "", .check = config_check_file},
    {"reverse", CONFIG_TYPE_LIST, FIELD(reverse), "", .check = config_check_reverse,
     .is_fixed = true, .has_login = true},

    {"playback_match", CONFIG_TYPE_LIST, FIELD(playback_match),
     "method scheme host port path query body", .check = config_check_playback_match,
     .is_fixed = true},
    {"playback_ignore_query", CONFIG_TYPE_LIST, FIELD(playback_ignore_query), "",
     .is_fixed = true},
    {"playback_ignore_headers", CONFIG_TYPE_LIST, FIELD(playback_ignore_headers), "",
     .check = config_check_field_name, .is_fixed = true},
    {"playback_filter", CONFIG_TYPE_TEXT, FIELD(playback_filter), "", .is_fixed = true,
     .takes_lines = true},
    {"playback_miss", CONFIG_TYPE_WORD, FIELD(playback_miss), "error", playback_miss_words},
    {"playback_pace", CONFIG_TYPE_WORD, FIELD(playback_pace), "fast", playback_pace_words},
    {"playback_record", CONFIG_TYPE_BOOL, FIELD(playback_record), "off", bool_words,
     .is_fixed = true},

    {"diff_ignore_headers", CONFIG_TYPE_LIST, FIELD(diff_ignore_headers), "",
     .check = config_check_field_name},

    {"log_level", CONFIG_TYPE_WORD, FIELD(log_level), "info", log_level_words},
    {"log_format", CONFIG_TYPE_WORD, FIELD(log_format), "text", log_format_words},
};
// clang-format on

const size_t config_option_count = sizeof config_options / sizeof config_options[0];

static int find_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    return -1;
}

// "a, b or c"
static const char *join_words(const char *const *words, struct arena *arena)
{
    const char *joined = words[0];
    for (size_t i = 1; words[i] != NULL; i++) {
        const char *separator = words[i + 1] == NULL ? " or " : ", ";
        joined = arena_printf(arena, "%s%s%s", joined, separator, words[i]);
    }
    return joined;
}

static int parse_word(const struct config_option *option, const char *text, struct config *config,
                      int *index, struct err *err)
{
    *index = find_word(option->words, text);
    if (*index < 0)
        return err_set(err, "\"%s\" is not %s", text, join_words(option->words, &config->arena));
    return 0;
}

static int check_range(const struct config_option *option, int64_t value, const char *text,
                       struct err *err)
{
    if (value == 0 && option->takes_zero)
        return 0;
    if (value < option->min)
        return err_set(err, "%s is too small", text);
    if (value > option->max)
        return err_set(err, "%s is too large", text);
    return 0;
}

static int parse_number(const struct config_option *option, const char *text, int64_t *value,
                        struct err *err)
{
    if (option->type == CONFIG_TYPE_DURATION) {
        if (units_parse_duration(text, value) != 0)
            return err_set(err, "\"%s\" is not a duration such as 500ms, 10s, 5m or 7d", text);
        if (option->wants_unit && units_parse_age(text, value) != 0)
            return err_set(err, "\"%s\" has no unit; write for example 30d, 12h or 90s", text);
    } else if (option->type == CONFIG_TYPE_SIZE_OR_ALL && strcmp(text, "all") == 0) {
        *value = INT64_MAX;
    } else if (units_parse_size(text, value) != 0) {
        const char *also = option->type == CONFIG_TYPE_SIZE_OR_ALL ? "all or " : "";
        return err_set(err, "\"%s\" is not %sa size such as 64k, 1M or 1G", text, also);
    }
    return check_range(option, *value, text, err);
}

static int parse_int(const struct config_option *option, const char *text, int *value,
                     struct err *err)
{
    int64_t number;
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return err_set(err, "\"%s\" is not a number", text);
    if (units_parse_size(text, &number) != 0)
        return err_set(err, "%s is too large", text);
    if (check_range(option, number, text, err) != 0)
        return -1;
    *value = (int)number;
    return 0;
}

static int parse_text(const struct config_option *option, const char *text, struct config *config,
                      const char **value, struct err *err)
{
    *value = NULL;
    if (text[0] == '\0')
        return 0;
    if (option->check != NULL && option->check(text, err) != 0)
        return -1;
    *value = arena_strdup(&config->arena, text);
    return 0;
}

// There is room up to the next power of two: thousands of hosts are no unusual list.
void config_list_add(struct config_list *list, const char *item, struct arena *arena)
{
    bool is_full = (list->count & (list->count - 1)) == 0;
    if (is_full) {
        const char **items = arena_alloc(arena, (list->count * 2 + 1) * sizeof *items);
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof *items);
        list->items = items;
    }
    list->items[list->count++] = item;
}

static int parse_list(const struct config_option *option, const char *text, struct config *config,
                      struct config_list *list, struct err *err)
{
    static const char separators[] = " \t,";
    const char *at = text + strspn(text, separators);
    while (*at != '\0') {
        size_t length = strcspn(at, separators);
        const char *item = arena_strndup(&config->arena, at, length);
        int index;
        if (option->words != NULL && parse_word(option, item, config, &index, err) != 0)
            return -1;
        if (option->check != NULL && option->check(item, err) != 0)
            return -1;
        config_list_add(list, item, &config->arena);
        at += length;
        at += strspn(at, separators);
    }
    return 0;
}

int config_option_parse(const struct config_option *option, const char *text, bool adds,
                        struct config *config, struct err *err)
{
    void *field = (char *)config + option->offset;
    int index;
    switch (option->type) {
    case CONFIG_TYPE_BOOL:
        if (parse_word(option, text, config, &index, err) != 0)
            return -1;
        *(bool *)field = index == 1;
        return 0;
    case CONFIG_TYPE_WORD:
        if (parse_word(option, text, config, &index, err) != 0)
            return -1;
        memcpy(field, &index, sizeof index); // into the enum
        return 0;
    case CONFIG_TYPE_INT:
        return parse_int(option, text, field, err);
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_SIZE_OR_ALL:
    case CONFIG_TYPE_DURATION:
        return parse_number(option, text, field, err);
    case CONFIG_TYPE_TEXT:
        return parse_text(option, text, config, field, err);
    case CONFIG_TYPE_LIST:
        if (!adds)
            *(struct config_list *)field = (struct config_list){0};
        return parse_list(option, text, config, field, err);
    }
    assert(!"a type without a reader");
    return -1;
}

static void copy_list(const struct config_list *from, struct config_list *to, struct arena *arena)
{
    *to = (struct config_list){0};
    for (size_t i = 0; i < from->count; i++)
        config_list_add(to, arena_strdup(arena, from->items[i]), arena);
}

static void copy_setting(const struct config_setting *from, struct config_setting *to,
                         struct arena *arena)
{
    to->text = arena_strdup(arena, from->text);
    to->origin = arena_strdup(arena, from->origin);
    copy_list(&from->item_origins, &to->item_origins, arena);
}

static size_t field_size(enum config_type type)
{
    switch (type) {
    case CONFIG_TYPE_BOOL:
        return sizeof(bool);
    case CONFIG_TYPE_WORD:
    case CONFIG_TYPE_INT:
        return sizeof(int);
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_SIZE_OR_ALL:
    case CONFIG_TYPE_DURATION:
        return sizeof(int64_t);
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_LIST:
        break;
    }
    return 0;
}

void config_option_copy(const struct config_option *option, const struct config *from,
                        struct config *to)
{
    size_t index = (size_t)(option - config_options);
    const void *source = (const char *)from + option->offset;
    void *field = (char *)to + option->offset;
    copy_setting(&from->settings[index], &to->settings[index], &to->arena);
    if (option->type == CONFIG_TYPE_LIST) {
        copy_list(source, field, &to->arena);
    } else if (option->type == CONFIG_TYPE_TEXT) {
        const char *text = *(const char *const *)source;
        *(const char **)field = text == NULL ? NULL : arena_strdup(&to->arena, text);
    } else {
        memcpy(field, source, field_size(option->type));
    }
}
