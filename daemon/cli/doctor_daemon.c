// SPDX-License-Identifier: MIT
// hark doctor: the configuration, the daemon, and where it listens.
#include "daemon_client.h"
#include "doctor.h"
#include "hark/address.h"
#include "hark/mem.h"
#include "hark/version.h"
#include "port_owner.h"
#include "serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define DESCRIPTORS_LITTLE 4096

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

void doctor_check_config(struct doctor *doctor)
{
    struct err err = {0};
    if (doctor->config == NULL) {
        doctor_say(doctor, FINDING_PROBLEM, "configuration",
                   mem_strdup("edit the place named; then: hark serve --check-config"), "%s",
                   doctor->invocation->config_mistake.text);
        return;
    }
    const char *file = config_file_in_use(doctor->config);
    if (serve_check(doctor->config, &err) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "configuration",
                   mem_strdup("edit the place named; then: hark serve --check-config"), "%s",
                   err.text);
    else
        doctor_say(doctor, FINDING_OK, "configuration", NULL, "%s",
                   file == NULL ? "no file; defaults and environment" : file);
}

// --- the daemon ----------------------------------------------------------------------------------

static char *restart_command(const json_t *status)
{
    return mem_printf("kill %" JSON_INTEGER_FORMAT "; hark serve",
                      json_integer_value(json_object_get(status, "pid")));
}

static void check_state(struct doctor *doctor)
{
    const json_t *status = doctor->status;
    const char *version = text_of(status, "version");
    int64_t lost = json_integer_value(json_object_get(status, "lost_exchanges"));
    if (strcmp(version, HARK_VERSION) != 0)
        doctor_say(doctor, FINDING_WARNING, "daemon", restart_command(status),
                   "it is hark %s, this is %s", version, HARK_VERSION);
    if (json_is_false(json_object_get(status, "is_ready")))
        doctor_say(doctor, FINDING_PROBLEM, "daemon", mem_strdup("hark status"), "not ready: %s",
                   text_of(status, "not_ready"));
    if (lost > 0)
        doctor_say(doctor, FINDING_WARNING, "daemon", mem_strdup("hark status"),
                   "%" PRId64 " exchanges were not recorded because the disk refused them", lost);
}

static void check_reload(struct doctor *doctor)
{
    const json_t *reload = json_object_get(doctor->status, "reload");
    if (*text_of(reload, "problem"))
        doctor_say(doctor, FINDING_WARNING, "reload",
                   mem_printf("edit the place named; then: kill -HUP %" JSON_INTEGER_FORMAT,
                              json_integer_value(json_object_get(doctor->status, "pid"))),
                   "the daemon works by an older file: %s", text_of(reload, "problem"));
    if (*text_of(reload, "waiting"))
        doctor_say(doctor, FINDING_NOTE, "reload", restart_command(doctor->status),
                   "with the next start will change: %s", text_of(reload, "waiting"));
}

void doctor_check_daemon(struct doctor *doctor)
{
    struct err err = {0};
    switch (daemon_get(doctor->data_dir, "/api/v1/status", &doctor->status, &err)) {
    case DAEMON_ABSENT:
        doctor_say(doctor, FINDING_NOTE, "daemon", mem_strdup("hark serve"), "none serves from %s",
                   doctor->data_dir);
        return;
    case DAEMON_FAILED:
        doctor_say(doctor, FINDING_PROBLEM, "daemon", mem_strdup("hark serve, after ending it"),
                   "it does not answer: %s", err.text);
        return;
    case DAEMON_ANSWERED:
        break;
    }
    doctor_say(doctor, FINDING_OK, "daemon", NULL,
               "process %" JSON_INTEGER_FORMAT " answers, mode %s",
               json_integer_value(json_object_get(doctor->status, "pid")),
               text_of(doctor->status, "mode"));
    check_state(doctor);
    check_reload(doctor);
}

// What is not done in this mode, so that nobody waits for it.
void doctor_check_mode(struct doctor *doctor)
{
    const char *mode = doctor->status != NULL   ? text_of(doctor->status, "mode")
                       : doctor->config != NULL ? config_text(doctor->config, "mode")
                                                : "";
    char *mend = mem_strdup("mode = record in hark.conf, or hark serve --set mode=record");
    if (strcmp(mode, "off") == 0)
        doctor_say(doctor, FINDING_NOTE, "mode", mend,
                   "mode is off: requests are forwarded, and none is recorded");
    else if (strcmp(mode, "playback") == 0)
        doctor_say(doctor, FINDING_NOTE, "mode", mend,
                   "mode is playback: the recording answers, nothing is sent or recorded");
    else
        free(mend);
}

// --- ports ---------------------------------------------------------------------------------------

static void check_port(struct doctor *doctor, const char *text, const char *key)
{
    struct address address;
    struct port_owner owner;
    if (address_parse(text, &address) != 0 || address_port(&address) == 0)
        return;
    int64_t own_pid = json_integer_value(json_object_get(doctor->status, "pid"));
    if (!port_owner_find(address_port(&address), (pid_t)own_pid, &owner)) {
        if (doctor->status == NULL)
            doctor_say(doctor, FINDING_OK, "ports", NULL, "%s (%s) is free", text, key);
        else
            doctor_say(doctor, FINDING_WARNING, "ports", restart_command(doctor->status),
                       "the daemon does not listen on %s (%s)", text, key);
    } else if (own_pid != 0 && owner.pid == own_pid) {
        doctor_say(doctor, FINDING_OK, "ports", NULL, "%s (%s) is the daemon's", text, key);
    } else if (strcmp(owner.name, "systemd") == 0) {
        doctor_say(doctor, FINDING_NOTE, "ports", mem_strdup("systemctl list-sockets"),
                   "systemd listens on %s (%s), and starts who is to serve there", text, key);
    } else if (owner.pid != 0) {
        doctor_say(
            doctor, FINDING_PROBLEM, "ports",
            mem_printf("kill %d, or choose another: hark serve --set %s=…", (int)owner.pid, key),
            "%s (%s) is taken by %s, process %d", text, key, owner.name, (int)owner.pid);
    } else {
        doctor_say(doctor, FINDING_PROBLEM, "ports",
                   mem_printf("choose another: hark serve --set %s=…", key),
                   "%s (%s) is taken by another user's program", text, key);
    }
}

void doctor_check_ports(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    for (size_t i = 0; config != NULL && i < config->listen.count; i++)
        check_port(doctor, config->listen.items[i], "listen");
    if (config != NULL && config->ui != NULL)
        check_port(doctor, config->ui, "ui");
    for (size_t i = 0; config != NULL && i < config->reverse.count; i++) {
        const char *rule = config->reverse.items[i];
        char *address = mem_strndup(rule, strcspn(rule, "="));
        check_port(doctor, address, "reverse");
        free(address);
    }
}

// --- limits --------------------------------------------------------------------------------------

void doctor_check_limits(struct doctor *doctor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_max < DESCRIPTORS_LITTLE)
        doctor_say(doctor, FINDING_WARNING, "limits",
                   mem_strdup("LimitNOFILE=65536 in the unit, or in /etc/security/limits.conf"),
                   "a process may open %llu files here; a connection takes two",
                   (unsigned long long)limit.rlim_max);
    else
        doctor_say(doctor, FINDING_OK, "limits", NULL, "a process may open %llu files",
                   (unsigned long long)limit.rlim_max);
}
