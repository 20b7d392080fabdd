// SPDX-License-Identifier: MIT
// What the configuration allows, and another one while the server runs.
#include "admission.h"
#include "hark/buffer.h"
#include "hark/clock.h"
#include "hark/version.h"
#include "ignoring.h"
#include "recorder.h"
#include "redact_key.h"
#include "reverse.h"
#include "server_state.h"
#include "upstream.h"

#include <stdio.h>

int server_check_config(const struct config *config, struct err *err)
{
    const struct {
        bool is_set;
        const char *key;
    } unsupported[] = {
        {config->upstream_http != CONFIG_UPSTREAM_HTTP_1_1, "upstream_http"},
    };
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++)
        if (unsupported[i].is_set)
            return err_set(err, "%s: %s = %s is not supported by hark %s; remove it",
                           config_origin(config, unsupported[i].key), unsupported[i].key,
                           config_text(config, unsupported[i].key), HARK_VERSION);
    if (reverse_check(config, err) != 0 || ignoring_check(config, err) != 0)
        return -1;
    return upstream_check_config(config, err);
}

bool server_records(const struct config *config)
{
    return config->mode != CONFIG_MODE_OFF && !config_is_read_only(config);
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

struct config *server_hold_config(struct server *server)
{
    pthread_mutex_lock(&server->mutex);
    struct config *config = config_retain(server->config);
    pthread_mutex_unlock(&server->mutex);
    return config;
}

// The older configuration lives on until the last exchange that began with it has ended.
static void take_config(struct server *server, struct config *config)
{
    for (size_t i = 0; i < server->worker_count; i++)
        worker_post(server->workers[i], &(struct inbox_item){.kind = INBOX_CONFIG,
                                                             .config = config_retain(config),
                                                             .authority = server->authority});
    pthread_mutex_lock(&server->mutex);
    struct config *old = server->config;
    server->config = config;
    pthread_mutex_unlock(&server->mutex);
    config_release(old);
}

static void apply(struct server *server, struct config *config, struct listener *added)
{
    server->must_record = server_records(config);
    server->mode = (int)config->mode;
    server->connections_max = server_connection_limit(config, server->log);
    recorder_set_queue_limit(server->recorder, (size_t)config->queue_bytes);
    recorder_set_limits(server->recorder, config->keep_age_ms, config->keep_bytes);
    server->wants_login = config->credentials != NULL;
    admission_configure(server->admission, config);
    server_change_listeners(server, config, added);
    take_config(server, config);
}

static void note_changes(struct server *server, const struct config *config)
{
    struct server_reload reload = {.at_us = clock_wall_us()};
    struct buffer keys = {0};
    config_append_changes(server->config, config, false, &keys);
    snprintf(reload.changed, sizeof(reload.changed), "%s", keys.length > 0 ? keys.data : "");
    buffer_clear(&keys);
    config_append_changes(server->config, config, true, &keys);
    snprintf(reload.waiting, sizeof(reload.waiting), "%s", keys.length > 0 ? keys.data : "");
    buffer_fini(&keys);
    pthread_mutex_lock(&server->mutex);
    reload.count = server->reload.count + 1;
    server->reload = reload;
    pthread_mutex_unlock(&server->mutex);
}

int server_reload(struct server *server, struct config *config, struct err *err)
{
    struct listener *added = NULL;
    if (server_check_config(config, err) != 0 ||
        server_prepare_redaction(server, config, err) != 0 ||
        server_open_authority(server, config, err) != 0 ||
        server_prepare_listeners(server, config, &added, err) != 0) {
        config_release(config);
        return -1;
    }
    note_changes(server, config);
    config_keep_fixed(server->config, config);
    apply(server, config, added);
    return 0;
}

void server_note_bad_reload(struct server *server, const char *reason)
{
    pthread_mutex_lock(&server->mutex);
    struct server_reload *reload = &server->reload;
    *reload = (struct server_reload){.count = reload->count + 1, .at_us = clock_wall_us()};
    snprintf(reload->problem, sizeof(reload->problem), "%s", reason);
    pthread_mutex_unlock(&server->mutex);
}

void server_get_reload(struct server *server, struct server_reload *reload)
{
    pthread_mutex_lock(&server->mutex);
    *reload = server->reload;
    pthread_mutex_unlock(&server->mutex);
}
