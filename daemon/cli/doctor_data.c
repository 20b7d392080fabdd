// SPDX-License-Identifier: MIT
// hark doctor: what is on the disk.
#include "doctor.h"
#include "hark/buffer.h"
#include "hark/clock.h"
#include "hark/human.h"
#include "hark/mem.h"
#include "hark/store_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MIB              ((int64_t)1024 * 1024)
#define FREE_LEAST       (256 * MIB)
#define FREE_LITTLE      (1024 * MIB)
#define WAL_LARGE        (1024 * MIB)
#define CHECK_MAX_US     ((int64_t)5000000)
#define FUTURE_US        ((int64_t)3600 * 1000000)
#define EARLIEST_YEAR    2026
#define LATEST_YEAR      2100
#define FOLDER_MODE_MASK 077

// --- the data folder -----------------------------------------------------------------------------

static void check_file(struct doctor *doctor, const char *name)
{
    struct stat info;
    char *path = mem_printf("%s/%s", doctor->data_dir, name);
    if (lstat(path, &info) == 0 && info.st_uid != geteuid() && geteuid() != 0)
        doctor_say(doctor, FINDING_PROBLEM, "files",
                   mem_printf("sudo chown %u %s", geteuid(), path), "%s belongs to user %u", path,
                   info.st_uid);
    else if (lstat(path, &info) == 0 && (info.st_mode & FOLDER_MODE_MASK) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "files", mem_printf("chmod 600 %s", path),
                   "others may use %s (mode %04o)", path, (unsigned)info.st_mode & 07777);
    free(path);
}

static void check_files(struct doctor *doctor)
{
    static const char *const private_files[] = {"ca-key.pem", "token", "control.sock",
                                                "redact-key"};
    size_t before = doctor->count;
    for (size_t i = 0; i < sizeof private_files / sizeof private_files[0]; i++)
        check_file(doctor, private_files[i]);
    if (doctor->count == before)
        doctor_say(doctor, FINDING_OK, "files", NULL,
                   "key, token and socket are the owner's alone");
}

void doctor_check_folder(struct doctor *doctor)
{
    struct stat info;
    const char *path = doctor->data_dir;
    if (stat(path, &info) != 0) {
        if (errno == ENOENT)
            doctor_say(doctor, FINDING_NOTE, "data folder", NULL,
                       "%s does not exist yet; hark makes it when it starts", path);
        else
            doctor_say(doctor, FINDING_PROBLEM, "data folder",
                       mem_printf("namei -l %s, and choose another with --data-dir", path),
                       "%s: %s", path, strerror(errno));
        return;
    }
    if (!S_ISDIR(info.st_mode))
        doctor_say(doctor, FINDING_PROBLEM, "data folder", mem_printf("mv %s %s.old", path, path),
                   "%s is not a folder", path);
    else if (info.st_uid != geteuid() && geteuid() != 0)
        doctor_say(doctor, FINDING_PROBLEM, "data folder",
                   mem_printf("sudo chown -R %u %s", geteuid(), path), "%s belongs to user %u",
                   path, info.st_uid);
    else if ((info.st_mode & FOLDER_MODE_MASK) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "data folder", mem_printf("chmod 700 %s", path),
                   "others may look into %s (mode %04o)", path, (unsigned)info.st_mode & 07777);
    else
        doctor_say(doctor, FINDING_OK, "data folder", NULL, "%s", path);
    check_files(doctor);
}

// --- the disk ------------------------------------------------------------------------------------

bool doctor_is_network_file_system(long type)
{
    static const unsigned long types[] = {
        0x6969,     // NFS
        0xff534d42, // CIFS
        0xfe534d42, // SMB 2
        0x517b,     // SMB
        0x01021997, // 9P
        0x5346414f, // AFS
        0x00c36400, // Ceph
        0x73757245, // Coda
        0x7461636f, // OCFS 2
        0x47504653, // GPFS
        0x0bd00bd0, // Lustre
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (((unsigned long)type & 0xffffffff) == types[i])
            return true;
    return false;
}

static void check_file_system(struct doctor *doctor, const char *path)
{
    static const long memory = 0x01021994; // tmpfs
    struct statfs info;
    if (statfs(path, &info) != 0)
        return;
    if (doctor_is_network_file_system((long)info.f_type))
        doctor_say(doctor, FINDING_PROBLEM, "file system",
                   mem_strdup("hark serve --db FILE, with a FILE on a disk of this machine"),
                   "%s is on a network: a recording there can be damaged", path);
    else if ((long)info.f_type == memory)
        doctor_say(doctor, FINDING_WARNING, "file system",
                   mem_strdup("hark serve --data-dir FOLDER, with a FOLDER on a disk"),
                   "%s is in memory: the recording is gone after a restart of the machine", path);
}

static void check_space(struct doctor *doctor, const char *folder, const struct statvfs *info)
{
    int64_t free_bytes = (int64_t)info->f_bavail * (int64_t)info->f_frsize;
    struct buffer size = {0};
    human_append_size(&size, free_bytes);
    enum finding_level level = free_bytes < FREE_LEAST    ? FINDING_PROBLEM
                               : free_bytes < FREE_LITTLE ? FINDING_WARNING
                                                          : FINDING_OK;
    char *mend = level == FINDING_OK
                     ? NULL
                     : mem_printf("hark prune --older 7d --data-dir %s", doctor->data_dir);
    doctor_say(doctor, level, "disk", mend, "%s free at %s", size.data, folder);
    buffer_fini(&size);
    if (info->f_files > 0 && info->f_favail == 0)
        doctor_say(doctor, FINDING_PROBLEM, "disk", mem_printf("df -i %s", folder),
                   "no more files can be made at %s: its inodes are used up", folder);
}

static void check_disk_of(struct doctor *doctor, const char *folder)
{
    struct statvfs info;
    if (statvfs(folder, &info) != 0)
        return;
    check_space(doctor, folder, &info);
    check_file_system(doctor, folder);
}

static bool is_on_same_disk(const char *path, const char *other)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev;
}

void doctor_check_disk(struct doctor *doctor)
{
    check_disk_of(doctor, doctor->data_dir);
    if (doctor->db_path == NULL)
        return;
    char *path = mem_strdup(doctor->db_path);
    const char *folder = dirname(path);
    if (!is_on_same_disk(folder, doctor->data_dir))
        check_disk_of(doctor, folder);
    free(path);
}

// --- how much is kept ----------------------------------------------------------------------------

// What the recording takes and may still take; -1: not known.
static int64_t room_bytes(const struct doctor *doctor)
{
    struct stat file;
    struct statvfs disk;
    char *path = mem_strdup(doctor->db_path);
    int64_t own_bytes = stat(path, &file) == 0 ? file.st_size : 0;
    int64_t bytes = -1;
    if (statvfs(dirname(path), &disk) == 0)
        bytes = own_bytes + (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    free(path);
    return bytes;
}

void doctor_check_retention(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    if (config == NULL || doctor->db_path == NULL)
        return;
    int64_t room = room_bytes(doctor);
    struct buffer size = {0};
    human_append_size(&size, room);
    if (config->keep_bytes == 0 && config->keep_age_ms == 0)
        doctor_say(doctor, FINDING_NOTE, "retention",
                   mem_strdup("keep_bytes = 10G, or keep_age = 30d, in hark.conf"),
                   "neither keep_bytes nor keep_age is set: the recording grows until somebody "
                   "prunes it");
    else if (room >= 0 && config->keep_bytes > room)
        doctor_say(doctor, FINDING_WARNING, "retention",
                   mem_printf("keep_bytes = %" PRId64 "M in hark.conf", room / 2 / MIB),
                   "keep_bytes is more than the %s that the disk has for the recording", size.data);
    else
        doctor_say(doctor, FINDING_OK, "retention", NULL, "what is kept is limited");
    buffer_fini(&size);
}

// --- the recording -------------------------------------------------------------------------------

struct verdict {
    int64_t deadline_us;
    bool is_late;
    char *complaint; // the first line of quick_check other than "ok"
};

static bool is_late(void *ctx)
{
    struct verdict *verdict = ctx;
    verdict->is_late = clock_monotonic_us() > verdict->deadline_us;
    return verdict->is_late;
}

static int on_verdict(void *ctx, size_t count, const char *const *names, const struct value *values)
{
    struct verdict *verdict = ctx;
    (void)names;
    bool is_text = count == 1 && values[0].type == VALUE_TEXT;
    if (is_text && strcmp(values[0].data, "ok") != 0 && verdict->complaint == NULL)
        verdict->complaint = mem_strdup(values[0].data);
    return 0;
}

static void say_damaged(struct doctor *doctor, const char *complaint)
{
    doctor_say(
        doctor, FINDING_PROBLEM, "recording",
        mem_printf("stop hark, then: sqlite3 %s .recover | sqlite3 mended.db", doctor->db_path),
        "%s is damaged: %s", doctor->db_path, complaint);
}

static void check_content(struct doctor *doctor, struct store_reader *reader)
{
    struct verdict verdict = {.deadline_us = clock_monotonic_us() + CHECK_MAX_US};
    struct err err = {0};
    store_reader_watch(reader, is_late, &verdict);
    int rc = store_query(reader, "PRAGMA quick_check", NULL, on_verdict, &verdict, &err);
    store_reader_watch(reader, NULL, NULL);
    if (verdict.complaint != NULL)
        say_damaged(doctor, verdict.complaint);
    else if (rc != 0 && verdict.is_late)
        doctor_say(doctor, FINDING_NOTE, "recording",
                   mem_printf("hark sql 'PRAGMA quick_check' --db %s", doctor->db_path),
                   "%s is too large to be checked in 5 s; what was looked at is good",
                   doctor->db_path);
    else if (rc != 0)
        say_damaged(doctor, err.text);
    else
        doctor_say(doctor, FINDING_OK, "recording", NULL, "%s is whole", doctor->db_path);
    free(verdict.complaint);
}

static void check_wal(struct doctor *doctor)
{
    struct stat info;
    char *path = mem_printf("%s-wal", doctor->db_path);
    if (stat(path, &info) == 0 && info.st_size > WAL_LARGE)
        doctor_say(doctor, FINDING_WARNING, "recording", mem_printf("fuser -v %s", doctor->db_path),
                   "%s is larger than 1 GiB: a program has been reading the recording for long "
                   "and keeps it from shrinking",
                   path);
    free(path);
}

void doctor_check_recording(struct doctor *doctor)
{
    struct err err = {0};
    if (doctor->db_path == NULL)
        return;
    if (access(doctor->db_path, F_OK) != 0) {
        doctor_say(doctor, FINDING_NOTE, "recording", NULL,
                   "%s does not exist yet; hark makes it when it starts", doctor->db_path);
        return;
    }
    struct store_reader *reader = store_reader_open(doctor->db_path, &err);
    if (reader == NULL) {
        doctor_say(doctor, FINDING_PROBLEM, "recording", mem_strdup("hark serve --db ANOTHER-FILE"),
                   "%s", err.text);
        return;
    }
    check_content(doctor, reader);
    check_wal(doctor);
    store_reader_close(reader);
}

// --- the clock -----------------------------------------------------------------------------------

static int64_t newest_start_us(struct doctor *doctor)
{
    struct err err = {0};
    int64_t id = 0, at_us = 0;
    struct exchange_row *row = NULL;
    if (doctor->db_path == NULL || access(doctor->db_path, R_OK) != 0)
        return 0;
    struct store_reader *reader = store_reader_open(doctor->db_path, &err);
    if (reader != NULL && store_last_id(reader, 0, &id, &err) == STORE_FOUND &&
        store_get_row(reader, id, &row, &err) == STORE_FOUND)
        at_us = row->started_us;
    row_destroy(row);
    store_reader_close(reader);
    return at_us;
}

void doctor_check_clock(struct doctor *doctor)
{
    int64_t now_us = clock_wall_us();
    time_t now = (time_t)(now_us / 1000000);
    struct tm utc;
    gmtime_r(&now, &utc);
    int year = utc.tm_year + 1900;
    if (year < EARLIEST_YEAR || year > LATEST_YEAR)
        doctor_say(doctor, FINDING_PROBLEM, "clock", mem_strdup("sudo timedatectl set-ntp true"),
                   "the year is %d: certificates are not valid then", year);
    else if (newest_start_us(doctor) > now_us + FUTURE_US)
        doctor_say(doctor, FINDING_WARNING, "clock", mem_strdup("sudo timedatectl set-ntp true"),
                   "the newest exchange of the recording lies in the future: the clock was ahead "
                   "then, or is behind now");
    else
        doctor_say(doctor, FINDING_OK, "clock", NULL, "%04d-%02d-%02dT%02d:%02d:%02dZ", year,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}
