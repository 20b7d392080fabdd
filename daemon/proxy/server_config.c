// SPDX-License-Identifier: MIT
// What the configuration allows, and another one while the server runs.
#include "admission.h"
#include "hark/mem.h"
#include "hark/version.h"
#include "recorder.h"
#include "redact_key.h"
#include "reverse.h"
#include "server_state.h"
#include "upstream.h"

#include <stdlib.h>

int server_check_config(const struct config *config, struct err *err)
{
    const struct {
        bool is_set;
        const char *key;
    } unsupported[] = {
        {config->upstream_http != CONFIG_UPSTREAM_HTTP_1_1, "upstream_http"},
        {config->ignore != NULL, "ignore"},
        {config->proxy_auth != NULL, "proxy_auth"},
    };
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
        if (unsupported[i].is_set)
            return err_set(err, "%s: %s = %s is not supported by hark %s; remove it",
                           config_origin(config, unsupported[i].key), unsupported[i].key,
                           config_text(config, unsupported[i].key), HARK_VERSION);
    if (reverse_check(config, err) != 0)
        return -1;
    return upstream_check_client_certs(config, err);
}

bool server_records(const struct config *config)
{
    return config->mode != CONFIG_MODE_OFF && !config_is_read_only(config);
}

void server_add_config(struct server *server, struct config *config)
{
    struct config_generation *generation = mem_calloc(1, sizeof(*generation));
    generation->older = server->configs;
    generation->config = config;
    server->configs = generation;
    atomic_store(&server->config, config);
}

int server_prepare_redaction(struct server *server, const struct config *config, struct err *err)
{
    const struct redaction rules = redaction_of(config, NULL);
    if (server->has_redact_key || redaction_is_off(&rules))
        return 0;
    // What is only read stays as it is; the marks in messages need a key nevertheless.
    int rc = config_is_read_only(config)
                 ? redact_key_make(server->redact_key, err)
                 : redact_key_load(server->data_dir, server->redact_key, err);
    server->has_redact_key = rc == 0;
    return rc;
}

void server_free_configs(struct server *server)
{
    while (server->configs != NULL) {
        struct config_generation *older = server->configs->older;
        config_destroy(server->configs->config);
        free(server->configs);
        server->configs = older;
    }
}

// The recording was opened, and read, for what the mode was.
static void keep_playback(struct server *server, struct config *config)
{
    const struct config *old = server->configs->config;
    if (config->mode != old->mode && (config_plays_back(config) || config_plays_back(old))) {
        log_warn(server->log, "server", "reload: a new mode takes effect with the next start");
        config->mode = old->mode;
    }
    config->playback_record = old->playback_record;
}

void server_reload(struct server *server, struct config *config)
{
    struct err err = {0};
    const struct config *old = server->configs->config;
    if (server_check_config(config, &err) != 0 ||
        server_prepare_redaction(server, config, &err) != 0) {
        log_error(server->log, "server", "reload: %s; the old configuration stays", err.text);
        config_destroy(config);
        return;
    }
    const char *fixed = config_first_fixed_change(old, config);
    if (fixed != NULL)
        log_warn(server->log, "server", "reload: a new %s takes effect with the next start", fixed);
    config->durability = old->durability;
    keep_playback(server, config);
    server->is_recording = server_records(config);
    server->mode = (int)config->mode;
    recorder_set_limits(server->recorder, config->keep_age_ms, config->keep_bytes);
    log_set_level(server->log, config->log_level);
    server_add_config(server, config);
    admission_configure(server->admission, config);
    server_post_to_all(server, &(struct inbox_item){.kind = INBOX_CONFIG, .config = config});
}
