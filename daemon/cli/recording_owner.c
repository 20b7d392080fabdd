// SPDX-License-Identifier: MIT
#include "recording_owner.h"

#include "daemon_client.h"
#include "file.h"
#include "hark/redact.h"
#include "hark/version.h"

#include <stdlib.h>

enum status recording_find_daemon(const struct invocation *invocation, bool *is_there)
{
    struct daemon_info info;
    struct err err = {0};
    *is_there = false;
    switch (daemon_find(invocation->data_dir, &info, &err)) {
    case DAEMON_ABSENT:
        return STATUS_DONE;
    case DAEMON_FAILED:
        return invocation_fail(invocation, STATUS_UNREACHABLE, "%s", err.text);
    case DAEMON_ANSWERED:
        break;
    }
    *is_there = file_is_same(info.db, invocation->db_path);
    daemon_info_fini(&info);
    return STATUS_DONE;
}

struct store_writer *recording_open_writer(const struct invocation *invocation, struct log *log)
{
    const struct redaction rules = redaction_of(invocation->config, NULL);
    char *command = redact_command(&rules, invocation->command_line);
    const struct store_writer_options options = {.path = invocation->db_path,
                                                 .is_own_place = invocation->config->db == NULL,
                                                 .version = HARK_VERSION,
                                                 .command = command,
                                                 .log = log};
    struct err err = {0};
    struct store_writer *writer = store_writer_open(&options, &err);
    free(command);
    if (!writer)
        invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    return writer;
}
