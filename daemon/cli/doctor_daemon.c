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

// The message begins with where the mistake is: a variable, or a file and its line.
static void say_mistake(struct doctor *doctor, const char *mistake)
{
    static const char prefix[] = "HARK_";
    char *check = doctor_hark(doctor, "serve --check-config");
    bool is_variable = strncmp(mistake, prefix, sizeof prefix - 1) == 0;
    char *mend = is_variable ? mem_printf("unset %.*s", (int)strcspn(mistake, "=: "), mistake)
                             : mem_printf("%s  # when the place named is corrected", check);
    doctor_say(doctor, FINDING_PROBLEM, "configuration", mend, "%s", mistake);
    free(check);
}

void doctor_check_config(struct doctor *doctor)
{
    struct err err = {0};
    if (doctor->config == NULL) {
        say_mistake(doctor, doctor->invocation->config_mistake.text);
        return;
    }
    const char *file = config_file_in_use(doctor->config);
    if (serve_check(doctor->config, &err) != 0)
        say_mistake(doctor, err.text);
    else
        doctor_say(doctor, FINDING_OK, "configuration", NULL, "%s",
                   file == NULL ? "no file; defaults and environment" : file);
}

// --- the daemon ----------------------------------------------------------------------------------

static void check_state(struct doctor *doctor)
{
    const json_t *status = doctor->status;
    const char *version = text_of(status, "version");
    int64_t lost = json_integer_value(json_object_get(status, "lost_exchanges"));
    if (strcmp(version, HARK_VERSION) != 0)
        doctor_say(doctor, FINDING_WARNING, "daemon", doctor_restart(doctor, NULL),
                   "it is hark %s, this is %s", version, HARK_VERSION);
    if (json_is_true(json_object_get(status, "is_ending")))
        doctor_say(doctor, FINDING_WARNING, "daemon", doctor_start(doctor), "not ready: %s",
                   text_of(status, "not_ready"));
    else if (json_is_false(json_object_get(status, "is_ready")))
        doctor_say(doctor, FINDING_PROBLEM, "daemon", doctor_hark(doctor, "status"),
                   "not ready: %s", text_of(status, "not_ready"));
    if (lost > 0)
        doctor_say(doctor, FINDING_WARNING, "daemon", doctor_hark(doctor, "status"),
                   "%" PRId64 " exchanges were not recorded because the disk refused them", lost);
}

static void check_reload(struct doctor *doctor)
{
    const json_t *reload = json_object_get(doctor->status, "reload");
    if (*text_of(reload, "problem"))
        doctor_say(
            doctor, FINDING_WARNING, "reload",
            mem_printf("kill -HUP %d  # when the place named is corrected", (int)doctor->pid),
            "the daemon works by an older file: %s", text_of(reload, "problem"));
    if (*text_of(reload, "waiting"))
        doctor_say(doctor, FINDING_NOTE, "reload", doctor_restart(doctor, NULL),
                   "with the next start will change: %s", text_of(reload, "waiting"));
}

void doctor_check_daemon(struct doctor *doctor)
{
    struct err err = {0};
    switch (daemon_get(doctor->data_dir, "/api/v1/status", &doctor->status, &err)) {
    case DAEMON_ABSENT:
        doctor_say(doctor, FINDING_NOTE, "daemon", doctor_start(doctor), "none serves from %s",
                   doctor->data_dir);
        return;
    case DAEMON_FAILED:
        doctor->pid = daemon_find_process(doctor->data_dir);
        doctor_say(doctor, FINDING_PROBLEM, "daemon", doctor_restart(doctor, NULL),
                   "process %d does not answer: %s", (int)doctor->pid, err.text);
        return;
    case DAEMON_ANSWERED:
        break;
    }
    doctor->pid = (pid_t)json_integer_value(json_object_get(doctor->status, "pid"));
    doctor_say(doctor, FINDING_OK, "daemon", NULL, "process %d answers, mode %s", (int)doctor->pid,
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
    char *restart = doctor_restart(doctor, NULL);
    char *mend = strstr(restart, "hark serve") == NULL
                     ? mem_printf("%s  # with mode = record in hark.conf", restart)
                     : mem_printf("%s --set mode=record", restart);
    free(restart);
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

static void say_taken(struct doctor *doctor, const char *text, const char *key,
                      const struct port_owner *owner, int port)
{
    if (strcmp(owner->name, "systemd") == 0)
        doctor_say(doctor, FINDING_NOTE, "ports", mem_strdup("systemctl list-sockets"),
                   "systemd listens on %s (%s), and starts who is to serve there", text, key);
    else if (owner->pid != 0)
        doctor_say(doctor, FINDING_PROBLEM, "ports",
                   mem_printf("kill %d  # or choose another %s in hark.conf", (int)owner->pid, key),
                   "%s (%s) is taken by %s, process %d", text, key, owner->name, (int)owner->pid);
    else
        doctor_say(
            doctor, FINDING_PROBLEM, "ports",
            mem_printf("sudo ss -ltnp 'sport = :%d'  # end it, or choose another %s", port, key),
            "%s (%s) is taken by another user's program", text, key);
}

// What the daemon says that it listens on.
static void check_own_port(struct doctor *doctor, const char *url, const char *key)
{
    struct address address;
    struct port_owner owner;
    const char *text = strstr(url, "://") == NULL ? url : strstr(url, "://") + 3;
    if (address_parse(text, &address) != 0)
        return;
    if (!port_owner_find(address_port(&address), doctor->pid, &owner))
        doctor_say(doctor, FINDING_PROBLEM, "ports", doctor_restart(doctor, NULL),
                   "the daemon does not listen on %s (%s) any more", text, key);
    else if (owner.pid == doctor->pid)
        doctor_say(doctor, FINDING_OK, "ports", NULL, "%s (%s) is the daemon's", text, key);
    else
        say_taken(doctor, text, key, &owner, address_port(&address));
}

static void check_own_ports(struct doctor *doctor)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(doctor->status, "proxy"), i, item)
        check_own_port(doctor, json_string_value(item), "listen");
    check_own_port(doctor, text_of(doctor->status, "page"), "ui");
    json_array_foreach(json_object_get(doctor->status, "reverse"), i, item)
        check_own_port(doctor, text_of(item, "address"), "reverse");
}

static bool has_port(const char *url, int port)
{
    const char *colon = url == NULL ? NULL : strrchr(url, ':');
    return colon != NULL && atoi(colon + 1) == port;
}

static bool is_daemons(const struct doctor *doctor, int port)
{
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(doctor->status, "proxy"), i,
                       item) if (has_port(json_string_value(item), port)) return true;
    json_array_foreach(json_object_get(doctor->status, "reverse"), i,
                       item) if (has_port(text_of(item, "address"), port)) return true;
    return has_port(text_of(doctor->status, "page"), port);
}

// What the configuration says. A daemon may have been started with flags or an environment of its
// own, and then listens elsewhere on purpose.
static void check_port(struct doctor *doctor, const char *text, const char *key)
{
    struct address address;
    struct port_owner owner;
    if (address_parse(text, &address) != 0 || address_port(&address) == 0)
        return;
    if (doctor->status == NULL && port_owner_find(address_port(&address), 0, &owner))
        say_taken(doctor, text, key, &owner, address_port(&address));
    else if (doctor->status == NULL)
        doctor_say(doctor, FINDING_OK, "ports", NULL, "%s (%s) is free", text, key);
    else if (!is_daemons(doctor, address_port(&address)))
        doctor_say(doctor, FINDING_NOTE, "ports", NULL,
                   "the daemon does not listen on %s (%s), which the configuration here says: it "
                   "was started with other settings",
                   text, key);
}

void doctor_check_ports(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    check_own_ports(doctor);
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
                   mem_printf("%sprlimit --pid $$ --nofile=65536  # in a unit: LimitNOFILE=65536",
                              doctor_sudo()),
                   "a process may open %llu files here; a connection takes two",
                   (unsigned long long)limit.rlim_max);
    else
        doctor_say(doctor, FINDING_OK, "limits", NULL, "a process may open %llu files",
                   (unsigned long long)limit.rlim_max);
}
