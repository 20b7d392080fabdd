// SPDX-License-Identifier: MIT
// hark doctor: the certificate authority, and who trusts it.
#include "ca_places.h"
#include "client_files.h"
#include "doctor.h"
#include "file.h"
#include "hark/buffer.h"
#include "hark/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPIRES_SOON_S ((time_t)30 * 24 * 3600)

// Of both files, so that the next start makes a pair that fits.
static char *remove_pair(const struct doctor *doctor)
{
    char *folder = doctor_quote(doctor->data_dir);
    char *command = mem_printf("rm -f %s/ca.pem %s/ca-key.pem", folder, folder);
    free(folder);
    return command;
}

static void check_dates(struct doctor *doctor, const struct ca_certificate *certificate)
{
    time_t now = time(NULL);
    char day[32];
    struct tm utc;
    gmtime_r(&certificate->valid_until, &utc);
    strftime(day, sizeof day, "%Y-%m-%d", &utc);
    char *remove = remove_pair(doctor);
    char *uninstall = doctor_hark_here(doctor, "ca uninstall");
    char *both = mem_printf("%s; %s", uninstall, remove);
    char *renew = doctor_restart(doctor, both);
    free(both);
    free(uninstall);
    free(remove);
    if (now < certificate->valid_from)
        doctor_say(doctor, FINDING_PROBLEM, "authority", renew,
                   "%s is not valid yet: the clock is behind, or was ahead when it was made",
                   certificate->path);
    else if (now > certificate->valid_until)
        doctor_say(doctor, FINDING_PROBLEM, "authority", renew, "%s was valid until %s",
                   certificate->path, day);
    else if (now > certificate->valid_until - EXPIRES_SOON_S)
        doctor_say(doctor, FINDING_WARNING, "authority", renew, "%s is valid only until %s",
                   certificate->path, day);
    else {
        free(renew);
        doctor_say(doctor, FINDING_OK, "authority", NULL, "%s, valid until %s",
                   certificate->subject, day);
    }
}

// Under sudo there is another home, and with it another data folder.
static char *install_command(const struct doctor *doctor, const struct ca_place *place)
{
    if (!place->needs_root || geteuid() == 0)
        return doctor_hark_here(doctor, "ca install");
    char *folder = realpath(doctor->data_dir, NULL);
    char *word = doctor_quote(folder == NULL ? doctor->data_dir : folder);
    char *line = mem_printf("sudo hark ca install --data-dir %s", word);
    free(word);
    free(folder);
    return line;
}

static void check_places(struct doctor *doctor, const struct ca_certificate *certificate)
{
    struct ca_places places;
    ca_places_find(&places, certificate);
    for (size_t i = 0; i < places.count; i++) {
        const struct ca_place *place = &places.items[i];
        if (ca_place_trusts(place))
            doctor_say(doctor, FINDING_OK, "trust", NULL, "%s trusts it (%s)", place->name,
                       place->path);
        else
            doctor_say(doctor, FINDING_NOTE, "trust", install_command(doctor, place),
                       "%s does not know it (%s); hark run needs it not", place->name, place->path);
    }
    ca_places_fini(&places);
}

static bool is_older(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_mtime < b.st_mtime;
}

// With a daemon or without one.
static char *bundle_command(const struct doctor *doctor)
{
    char *command = doctor_hark(doctor, "run");
    char *line = mem_printf("%s -- true", command);
    free(command);
    return line;
}

static void check_bundle(struct doctor *doctor, const struct ca_certificate *certificate)
{
    struct err err = {0};
    struct buffer content = {0};
    char *path = mem_printf("%s/bundle.pem", doctor->data_dir);
    const char *system = client_files_system_bundle();
    bool is_read = access(path, F_OK) == 0 && file_read(path, &content, &err) == 0;
    if (!is_read)
        doctor_say(doctor, FINDING_NOTE, "bundle", NULL, "%s is not there yet; hark run makes it",
                   path);
    else if (content.length == 0 || strstr(content.data, certificate->pem) == NULL)
        doctor_say(doctor, FINDING_PROBLEM, "bundle", bundle_command(doctor),
                   "%s does not have the authority's certificate", path);
    else if (system != NULL && is_older(path, system))
        doctor_say(doctor, FINDING_WARNING, "bundle", bundle_command(doctor),
                   "%s is older than the system's roots, %s", path, system);
    else
        doctor_say(doctor, FINDING_OK, "bundle", NULL, "%s has the system's roots and ours", path);
    buffer_fini(&content);
    free(path);
}

// Loading would make what is not there.
static bool is_made(const struct doctor *doctor)
{
    char *certificate = mem_printf("%s/ca.pem", doctor->data_dir);
    bool is_there = access(certificate, F_OK) == 0;
    free(certificate);
    return is_there;
}

void doctor_check_authority(struct doctor *doctor)
{
    struct ca_certificate certificate = {0};
    struct err err = {0};
    if (!is_made(doctor)) {
        doctor_say(doctor, FINDING_NOTE, "authority", NULL,
                   "not made yet; hark makes it when it starts");
        return;
    }
    if (doctor->has_bad_key)
        return; // that mend may be all that it takes
    if (ca_certificate_load(doctor->data_dir, &certificate, &err) != 0) {
        char *remove = remove_pair(doctor);
        doctor_say(doctor, FINDING_PROBLEM, "authority", doctor_restart(doctor, remove), "%s",
                   err.text);
        free(remove);
    } else {
        check_dates(doctor, &certificate);
        check_places(doctor, &certificate);
        check_bundle(doctor, &certificate);
    }
    ca_certificate_fini(&certificate);
}
