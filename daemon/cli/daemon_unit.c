// SPDX-License-Identifier: MIT
// The cgroup says which unit a process is in, and a variable that systemd sets (version 248 and
// later) whether it is the process that the unit stands for.
#include "daemon_unit.h"

#include "file.h"
#include "hark/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "0::/system.slice/hark.service", or "1:name=systemd:/…" where groups are of version 1.
static const char *find_path(const char *line)
{
    static const char *const heads[] = {"0::", "1:name=systemd:"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (strncmp(line, heads[i], strlen(heads[i])) == 0 && line[strlen(heads[i])] == '/')
            return line + strlen(heads[i]);
    return NULL;
}

static bool read_path(const char *path, struct daemon_unit *unit)
{
    static const char ending[] = ".service";
    size_t length = strcspn(path, "\n");
    char *text = mem_strndup(path, length);
    const char *name = strrchr(text, '/') + 1;
    size_t name_length = strlen(name);
    size_t ending_length = sizeof ending - 1;
    bool is_unit = name_length > ending_length && name_length < sizeof unit->name &&
                   strcmp(name + name_length - ending_length, ending) == 0;
    if (is_unit)
        memcpy(unit->name, name, name_length + 1);
    unit->is_user = strstr(text, "/user@") != NULL;
    free(text);
    return is_unit;
}

bool daemon_unit_read(const char *cgroup, struct daemon_unit *unit)
{
    *unit = (struct daemon_unit){0};
    for (const char *line = cgroup; line != NULL && *line != '\0';) {
        const char *path = find_path(line);
        if (path != NULL && read_path(path, unit))
            return true;
        const char *end = strchr(line, '\n');
        line = end == NULL ? NULL : end + 1;
    }
    return false;
}

static bool has_variable(const struct buffer *environment, const char *wanted)
{
    const char *end = environment->data + environment->length;
    for (const char *at = environment->data; at != NULL && at < end; at += strlen(at) + 1)
        if (strcmp(at, wanted) == 0)
            return true;
    return false;
}

bool daemon_unit_find(pid_t pid, struct daemon_unit *unit)
{
    struct err ignored = {0};
    struct buffer environment = {0};
    struct buffer cgroup = {0};
    char *environment_path = mem_printf("/proc/%d/environ", (int)pid);
    char *cgroup_path = mem_printf("/proc/%d/cgroup", (int)pid);
    char *wanted = mem_printf("SYSTEMD_EXEC_PID=%d", (int)pid);
    bool is_unit = file_read(environment_path, &environment, &ignored) == 0 &&
                   has_variable(&environment, wanted) &&
                   file_read(cgroup_path, &cgroup, &ignored) == 0 && cgroup.length > 0 &&
                   daemon_unit_read(cgroup.data, unit);
    free(wanted);
    free(cgroup_path);
    free(environment_path);
    buffer_fini(&cgroup);
    buffer_fini(&environment);
    return is_unit;
}
