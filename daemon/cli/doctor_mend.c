// SPDX-License-Identifier: MIT
// hark doctor: the commands that mend. Each can be given to a shell as it is printed; what is for
// people stands behind a #.
#include "daemon_unit.h"
#include "doctor.h"
#include "hark/buffer.h"
#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_FOLDER "/var/lib/hark"

static void append_word(struct buffer *line, const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-";
    if (*word != '\0' && strspn(word, plain) == strlen(word)) {
        buffer_append_text(line, word);
        return;
    }
    buffer_append_char(line, '\'');
    for (; *word != '\0'; word++)
        if (*word == '\'')
            buffer_append_text(line, "'\\''");
        else
            buffer_append_char(line, *word);
    buffer_append_char(line, '\'');
}

char *doctor_quote(const char *word)
{
    struct buffer line = {0};
    append_word(&line, word);
    return buffer_take(&line);
}

const char *doctor_sudo(void)
{
    return geteuid() == 0 ? "" : "sudo ";
}

char *doctor_hark_here(const struct doctor *doctor, const char *command)
{
    static const char *const kept[] = {"data-dir", "config"};
    struct buffer line = {0};
    buffer_printf(&line, "hark %s", command);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = invocation_value(doctor->invocation, kept[i]);
        if (value == NULL)
            continue;
        buffer_printf(&line, " --%s ", kept[i]);
        append_word(&line, value);
    }
    return buffer_take(&line);
}

// Root's files in the folder of another user would be in that one's way.
char *doctor_hark(const struct doctor *doctor, const char *command)
{
    struct stat info;
    char *line = doctor_hark_here(doctor, command);
    if (geteuid() != 0 || stat(doctor->data_dir, &info) != 0 || info.st_uid == 0)
        return line;
    char *as_user = mem_printf("sudo -u '#%u' %s", (unsigned)info.st_uid, line);
    free(line);
    return as_user;
}

char *doctor_start(const struct doctor *doctor)
{
    if (strcmp(doctor->data_dir, SERVICE_FOLDER) == 0)
        return mem_printf("%ssystemctl start hark", doctor_sudo());
    return doctor_hark(doctor, "serve");
}

static char *service_command(const struct daemon_unit *unit, const char *verb)
{
    if (unit->is_user)
        return mem_printf("systemctl --user %s %s", verb, unit->name);
    return mem_printf("%ssystemctl %s %s", doctor_sudo(), verb, unit->name);
}

// What does not answer does not hear a TERM either.
static char *stop_command(const struct doctor *doctor)
{
    return mem_printf("kill %s%d", doctor->status == NULL ? "-9 " : "", (int)doctor->pid);
}

char *doctor_restart(const struct doctor *doctor, const char *between)
{
    struct daemon_unit unit;
    bool is_unit = doctor->pid != 0 && daemon_unit_find(doctor->pid, &unit);
    if (is_unit && between == NULL)
        return service_command(&unit, "restart");
    char *stop = is_unit            ? service_command(&unit, "stop")
                 : doctor->pid != 0 ? stop_command(doctor)
                                    : NULL;
    char *start = is_unit            ? service_command(&unit, "start")
                  : doctor->pid != 0 ? doctor_hark(doctor, "serve")
                                     : doctor_start(doctor);
    struct buffer line = {0};
    if (stop != NULL)
        buffer_printf(&line, "%s; ", stop);
    if (between != NULL)
        buffer_printf(&line, "%s; ", between);
    buffer_append_text(&line, start);
    free(stop);
    free(start);
    return buffer_take(&line);
}
