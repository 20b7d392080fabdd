// SPDX-License-Identifier: MIT
// What differs between two configurations, and what of it has to wait for a restart.
#include "config_options.h"
#include "hark/buffer.h"

#include <string.h>

// The recording is opened, and read, for what the mode is.
static bool takes_restart(const struct config_option *option, const struct config *running,
                          const struct config *reloaded)
{
    if (option->offset == offsetof(struct config, mode))
        return config_plays_back(running) || config_plays_back(reloaded);
    return option->is_fixed;
}

static bool is_changed(size_t index, const struct config *running, const struct config *reloaded)
{
    return strcmp(running->settings[index].text, reloaded->settings[index].text) != 0;
}

void config_append_changes(const struct config *running, const struct config *reloaded,
                           bool is_restart, struct buffer *keys)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (is_changed(i, running, reloaded) &&
            takes_restart(&config_options[i], running, reloaded) == is_restart)
            buffer_printf(keys, "%s%s", keys->length > 0 ? " " : "", config_options[i].key);
}

void config_keep_fixed(const struct config *running, struct config *reloaded)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (is_changed(i, running, reloaded) &&
            takes_restart(&config_options[i], running, reloaded))
            config_option_copy(&config_options[i], running, reloaded);
}
