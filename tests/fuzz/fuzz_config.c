// SPDX-License-Identifier: MIT
// The configuration file, with any text in it.
#include "fuzz.h"

#include "hark/buffer.h"
#include "hark/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void check(const struct config *config)
{
    assert(config->workers > 0);
    assert(config->listen.count + config->reverse.count > 0);
    assert(config->queue_bytes > 0 && config->max_header_bytes > 0 && config->max_connections > 0);
    assert(config->connect_timeout_ms >= 0 && config->idle_timeout_ms >= 0);
    assert(config->record_bodies_bytes >= 0 && config->keep_age_ms >= 0 && config->keep_bytes >= 0);
    for (size_t i = 0; config_key_at(i) != NULL; i++) {
        assert(config_text(config, config_key_at(i)) != NULL);
        assert(config_origin(config, config_key_at(i)) != NULL);
    }
    struct buffer changes = {0};
    config_append_changes(config, config, true, &changes);
    config_append_changes(config, config, false, &changes);
    assert(changes.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("hark.conf", MFD_CLOEXEC);
    assert(fd >= 0);
    ssize_t written = write(fd, data, size);
    assert(written == (ssize_t)size);
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

    struct config_sources sources = {.file = path};
    struct err err = {0};
    struct config *config = config_load(&sources, &err);
    assert(err.is_set == (config == NULL));
    if (config != NULL)
        check(config);
    config_release(config);
    close(fd);
    return 0;
}
