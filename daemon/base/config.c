// SPDX-License-Identifier: MIT
// Loading: the layers are read from the lowest to the highest precedence, and each value goes
// through its option's reader at once, so that the first mistake is reported where it stands.

#include "hark/config.h"

#include "config_checks.h"
#include "config_file.h"
#include "config_options.h"
#include "hark/address.h"
#include "hark/buffer.h"
#include "hark/suggest.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum layer {
    LAYER_DEFAULT,
    LAYER_FILE,
    LAYER_ENVIRONMENT,
    LAYER_FLAG
};

struct loader {
    struct config *config;
    struct config_setting *settings;
    enum layer *layers; // by option: the layer its value is from
    enum layer layer;   // the one being read
    struct err *err;

    struct config_file file;
    // Of the file: the option said last, and whether the line being read goes on with it.
    const struct config_option *last_option;
    bool is_indented;
    // A text of several lines, before it is whole.
    struct buffer text;
    const char *text_origin; // NULL: there is none
};

static const struct config_option *find_option(const char *key)
{
    for (size_t i = 0; i < config_option_count; i++) {
        if (strcmp(config_options[i].key, key) == 0)
            return &config_options[i];
    }
    return NULL;
}

static int set_unknown_key(const char *origin, const char *key, struct err *err)
{
    const char *nearest =
        suggest_nearest(key, config_options, config_option_count, sizeof config_options[0]);
    if (nearest == NULL)
        return err_set(err, "%s: unknown key \"%s\"", origin, key);
    return err_set(err, "%s: unknown key \"%s\": did you mean \"%s\"?", origin, key, nearest);
}

static const struct config_list *list_of(const struct config *config,
                                         const struct config_option *option)
{
    return (const void *)((const char *)config + option->offset);
}

// The text of a list is made when it is whole.
static void note_origin(struct loader *loader, const struct config_option *option, bool adds,
                        const char *text, const char *origin)
{
    struct config_setting *setting = &loader->settings[option - config_options];
    struct arena *arena = &loader->config->arena;
    setting->origin = arena_strdup(arena, origin);
    if (option->type != CONFIG_TYPE_LIST) {
        setting->text = arena_strdup(arena, text);
        return;
    }
    const struct config_list *list = list_of(loader->config, option);
    if (!adds)
        setting->item_origins = (struct config_list){0};
    while (setting->item_origins.count < list->count)
        config_list_add(&setting->item_origins, setting->origin, arena);
}

// One value from the layer being read; `origin` is where it stands.
static int apply(struct loader *loader, const struct config_option *option, const char *text,
                 const char *origin)
{
    size_t index = (size_t)(option - config_options);
    const char *known_origin = loader->settings[index].origin;
    bool is_repeated = known_origin != NULL && loader->layers[index] == loader->layer;
    bool adds = is_repeated && option->type == CONFIG_TYPE_LIST;

    if (is_repeated && !adds && loader->layer == LAYER_FILE)
        return err_set(loader->err, "%s: \"%s\" is set already at %s", origin, option->key,
                       known_origin);
    if (config_option_parse(option, text, adds, loader->config, loader->err) != 0)
        return err_prefix(loader->err, "%s: %s", origin, option->key);
    note_origin(loader, option, adds, text, origin);
    loader->layers[index] = loader->layer;
    return 0;
}

static void join_lists(struct loader *loader)
{
    struct buffer text = {0};
    for (size_t i = 0; i < config_option_count; i++) {
        if (config_options[i].type != CONFIG_TYPE_LIST)
            continue;
        const struct config_list *list = list_of(loader->config, &config_options[i]);
        buffer_clear(&text);
        for (size_t item = 0; item < list->count; item++)
            buffer_printf(&text, "%s%s", item > 0 ? " " : "", list->items[item]);
        loader->settings[i].text =
            arena_strndup(&loader->config->arena, list->count > 0 ? text.data : "", text.length);
    }
    buffer_fini(&text);
}

static int read_defaults(struct loader *loader)
{
    loader->layer = LAYER_DEFAULT;
    for (size_t i = 0; i < config_option_count; i++) {
        const struct config_option *option = &config_options[i];
        if (apply(loader, option, option->default_text, "default") != 0)
            return -1;
    }
    return 0;
}

// inih calls this for its next line. How long a line may be is decided when inih is built.
static char *on_ini_line(char *line, int size, void *context)
{
    struct loader *loader = context;
    if (loader->err->is_set ||
        config_file_read_line(&loader->file, line, (size_t)size, loader->err) <= 0)
        return NULL;
    loader->is_indented = isspace((unsigned char)line[0]);
    return line;
}

static int apply_text(struct loader *loader)
{
    const char *origin = loader->text_origin;
    loader->text_origin = NULL;
    if (origin == NULL)
        return 0;
    return apply(loader, loader->last_option, loader->text.data, origin);
}

// A text that may have more lines waits for them.
static int take_value(struct loader *loader, const struct config_option *option, const char *text,
                      const char *origin)
{
    bool goes_on = loader->is_indented && loader->last_option != NULL;
    if (goes_on && loader->text_origin != NULL) {
        buffer_printf(&loader->text, " %s", text);
        return 0;
    }
    if (goes_on && option->type != CONFIG_TYPE_LIST)
        return err_set(loader->err,
                       "%s: \"%s\" takes one line; what is longer can come from --set or the "
                       "environment",
                       origin, option->key);
    if (apply_text(loader) != 0)
        return -1;
    loader->last_option = option;
    if (!option->takes_lines)
        return apply(loader, option, text, origin);
    loader->text_origin = origin;
    buffer_clear(&loader->text);
    buffer_append_text(&loader->text, text);
    return 0;
}

static int on_ini_value(void *context, const char *section, const char *key, const char *text)
{
    struct loader *loader = context;
    const struct config_file *file = &loader->file;
    const char *origin = arena_printf(&loader->config->arena, "%s:%d", file->name, file->line);
    const struct config_option *option = find_option(key);
    int result;
    if (section[0] != '\0')
        result = err_set(loader->err, "%s: \"%s\" stands in section [%s]; there are no sections",
                         origin, key, section);
    else if (option == NULL)
        result = set_unknown_key(origin, key, loader->err);
    else
        result = take_value(loader, option, text, origin);
    return result == 0; // as inih wants it
}

static int parse_file(struct loader *loader)
{
    const struct config_file *file = &loader->file;
    int bad_line = ini_parse_stream(on_ini_line, loader, on_ini_value, loader);
    if (ferror(file->stream))
        return err_set(loader->err, "config: read %s: %s", file->name, strerror(errno));
    // A line that inih itself could not read does not stop it: such a line may come before the
    // one with the error that did.
    if (bad_line > 0 && (!loader->err->is_set || bad_line < file->line)) {
        *loader->err = (struct err){0};
        return err_set(loader->err, "%s:%d: not \"key = value\"", file->name, bad_line);
    }
    if (bad_line < 0)
        return err_set(loader->err, "config: read %s: out of memory", file->name);
    return loader->err->is_set ? -1 : 0;
}

static int read_file(struct loader *loader, const struct config_sources *sources)
{
    struct config *config = loader->config;
    loader->layer = LAYER_FILE;
    if (config_file_open(sources, &config->arena, &loader->file, loader->err) != 0)
        return -1;
    if (loader->file.stream == NULL)
        return 0;
    config->file = loader->file.name;
    int result = parse_file(loader);
    if (result == 0)
        result = apply_text(loader);
    buffer_fini(&loader->text);
    config_file_close(&loader->file);
    return result;
}

static char *variable_of(const struct config_option *option, struct arena *arena)
{
    char *name = arena_printf(arena, "HARK_%s", option->key);
    for (char *c = name; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return name;
}

bool config_knows_variable(const char *name)
{
    struct arena arena = {0};
    bool is_known = strcmp(name, "HARK_DATA_DIR") == 0;
    for (size_t i = 0; !is_known && i < config_option_count; i++)
        is_known = strcmp(variable_of(&config_options[i], &arena), name) == 0;
    arena_fini(&arena);
    return is_known;
}

// What was meant by an unknown key may be anything.
static const char *shown_text(const struct config_option *option, const char *text,
                              struct arena *arena)
{
    if (option != NULL && !option->has_login)
        return text;
    char *masked = config_mask_login(text);
    const char *shown = arena_strdup(arena, masked);
    free(masked);
    return shown;
}

static int read_environment(struct loader *loader, char *const *environment)
{
    struct arena *arena = &loader->config->arena;
    loader->layer = LAYER_ENVIRONMENT;
    for (size_t i = 0; i < config_option_count; i++) {
        const char *name = variable_of(&config_options[i], arena);
        const char *text = config_get_env(environment, name);
        if (text == NULL)
            continue;
        const struct config_option *option = &config_options[i];
        const char *origin = arena_printf(arena, "%s=%s", name, shown_text(option, text, arena));
        if (apply(loader, option, text, origin) != 0)
            return -1;
    }
    return 0;
}

static int read_flag(struct loader *loader, const char *set)
{
    struct arena *arena = &loader->config->arena;
    const char *equals = strchr(set, '=');
    if (equals == NULL)
        return err_set(loader->err, "--set %s: not key=value", set);
    const char *key = arena_strndup(arena, set, (size_t)(equals - set));
    const struct config_option *option = find_option(key);
    const char *origin =
        arena_printf(arena, "--set %s=%s", key, shown_text(option, equals + 1, arena));
    if (option == NULL)
        return set_unknown_key(origin, key, loader->err);
    return apply(loader, option, equals + 1, origin);
}

static int read_flags(struct loader *loader, const char *const *sets, size_t set_count)
{
    loader->layer = LAYER_FLAG;
    for (size_t i = 0; i < set_count; i++) {
        if (read_flag(loader, sets[i]) != 0)
            return -1;
    }
    return 0;
}

static int read_layers(struct loader *loader, const struct config_sources *sources)
{
    if (read_defaults(loader) != 0 || read_file(loader, sources) != 0)
        return -1;
    if (read_environment(loader, sources->environ) != 0)
        return -1;
    return read_flags(loader, sources->sets, sources->set_count);
}

// An address that other machines reach needs `allow`.
static int check_reachable(const struct config *config, const char *text, const char *origin,
                           struct err *err)
{
    struct address address;
    char *listen = mem_strndup(text, strcspn(text, "=")); // of `reverse`, what stands before it
    bool is_open = address_parse(listen, &address) == 0 && !address_is_loopback(&address);
    free(listen);
    if (!is_open || config->allow.count > 0)
        return 0;
    return err_set(err, "%s: other machines can reach %s; say with \"allow\" which ones may",
                   origin, text);
}

static const struct config_setting *find_setting(const struct config *config, const char *key)
{
    const struct config_option *option = find_option(key);
    assert(option != NULL);
    return &config->settings[option - config_options];
}

static int check_list_reachable(const struct config *config, const struct config_list *list,
                                const char *key, struct err *err)
{
    const struct config_list *origins = &find_setting(config, key)->item_origins;
    for (size_t i = 0; i < list->count; i++) {
        if (check_reachable(config, list->items[i], origins->items[i], err) != 0)
            return -1;
    }
    return 0;
}

// More workers than four have not been seen to help: the writer and the client want cores too.
static int count_workers(void)
{
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return count < 4 ? count : 4;
}

static int load_credentials(struct config *config, struct err *err)
{
    if (config->proxy_auth == NULL)
        return 0;
    config->credentials = credentials_load(config->proxy_auth, err);
    if (config->credentials != NULL)
        return 0;
    return err_prefix(err, "%s: proxy_auth", config_origin(config, "proxy_auth"));
}

static int finish(struct config *config, struct err *err)
{
    if (config->ui != NULL && strcmp(config->ui, "off") == 0)
        config->ui = NULL;
    if (config->workers == 0)
        config->workers = count_workers();
    if (config->listen.count == 0 && config->reverse.count == 0)
        return err_set(err, "%s: listen: no address to listen on", config_origin(config, "listen"));
    if (check_list_reachable(config, &config->listen, "listen", err) != 0 ||
        check_list_reachable(config, &config->reverse, "reverse", err) != 0)
        return -1;
    if (load_credentials(config, err) != 0)
        return -1;
    if (config->ui == NULL)
        return 0;
    return check_reachable(config, config->ui, config_origin(config, "ui"), err);
}

struct config *config_load(const struct config_sources *sources, struct err *err)
{
    struct config *config = mem_calloc(1, sizeof *config);
    atomic_init(&config->refs, 1);
    struct loader loader = {.config = config, .err = err};
    loader.settings = arena_alloc(&config->arena, config_option_count * sizeof *loader.settings);
    loader.layers = arena_alloc(&config->arena, config_option_count * sizeof *loader.layers);
    config->settings = loader.settings;
    if (read_layers(&loader, sources) == 0) {
        join_lists(&loader);
        if (finish(config, err) == 0)
            return config;
    }
    config_release(config);
    return NULL;
}

struct config *config_retain(struct config *config)
{
    atomic_fetch_add_explicit(&config->refs, 1, memory_order_relaxed);
    return config;
}

void config_release(struct config *config)
{
    if (config == NULL || atomic_fetch_sub(&config->refs, 1) != 1)
        return;
    credentials_destroy(config->credentials);
    struct arena arena = config->arena;
    free(config);
    arena_fini(&arena);
}

const char *config_file_in_use(const struct config *config)
{
    return config->file;
}

const char *config_text(const struct config *config, const char *key)
{
    return find_setting(config, key)->text;
}

const char *config_origin(const struct config *config, const char *key)
{
    return find_setting(config, key)->origin;
}

const char *config_item_origin(const struct config *config, const char *key, size_t index)
{
    return find_setting(config, key)->item_origins.items[index];
}

const char *config_key_at(size_t index)
{
    return index < config_option_count ? config_options[index].key : NULL;
}

const char *config_word_at(const char *key, size_t index)
{
    const struct config_option *option = find_option(key);
    if (option == NULL || option->words == NULL)
        return NULL;
    size_t count = 0;
    while (option->words[count] != NULL)
        count++;
    return index < count ? option->words[index] : NULL;
}

char *config_data_dir(const char *flag, char *const *environment, struct err *err)
{
    const char *own = config_get_env(environment, "HARK_DATA_DIR");
    const char *xdg = config_get_env(environment, "XDG_DATA_HOME");
    const char *home = config_get_env(environment, "HOME");
    if (flag != NULL)
        return mem_strdup(flag);
    if (own != NULL)
        return mem_strdup(own);
    if (xdg != NULL && xdg[0] == '/') // the XDG Base Directory Specification: ignore a relative one
        return mem_printf("%s/hark", xdg);
    if (home != NULL)
        return mem_printf("%s/.local/share/hark", home);
    err_set(err, "data folder: none of HARK_DATA_DIR, XDG_DATA_HOME and HOME is set");
    return NULL;
}

char *config_db_path(const struct config *config, const char *data_dir)
{
    return config->db != NULL ? mem_strdup(config->db) : mem_printf("%s/hark.db", data_dir);
}

bool config_plays_back(const struct config *config)
{
    return config->mode == CONFIG_MODE_PLAYBACK || config->mode == CONFIG_MODE_PLAYBACK_OR_RECORD;
}

bool config_is_read_only(const struct config *config)
{
    return config->mode == CONFIG_MODE_PLAYBACK && !config->playback_record;
}
