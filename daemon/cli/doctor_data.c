// SPDX-License-Identifier: MIT
// hark doctor: what is on the disk.
#include "doctor.h"
#include "hark/buffer.h"
#include "hark/clock.h"
#include "hark/human.h"
#include "hark/mem.h"
#include "hark/redact.h"
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
#define RECORDING_LARGE  (64 * MIB)
#define FUTURE_US        ((int64_t)3600 * 1000000)
#define EARLIEST_YEAR    2026
#define LATEST_YEAR      2100
#define FOLDER_MODE_MASK 077

// --- the data folder -----------------------------------------------------------------------------

// A file of the data folder that only its owner may use.
struct private_file {
    const char *name;
    mode_t type;
    off_t bytes; // 0: any number
};

static const struct private_file private_files[] = {
    {"ca-key.pem", S_IFREG, 0},
    {"token", S_IFREG, 0},
    {"control.sock", S_IFSOCK, 0},
    {"redact-key", S_IFREG, REDACT_KEY_BYTES},
};

// The folder's owner serves from it; root only looks.
static uid_t owner_of(const struct doctor *doctor)
{
    struct stat info;
    return geteuid() == 0 && stat(doctor->data_dir, &info) == 0 ? info.st_uid : geteuid();
}

static void check_file(struct doctor *doctor, const struct private_file *file)
{
    struct stat info;
    char *path = mem_printf("%s/%s", doctor->data_dir, file->name);
    char *word = doctor_quote(path);
    uid_t owner = owner_of(doctor);
    bool is_there = lstat(path, &info) == 0;
    if (is_there && (info.st_mode & S_IFMT) != file->type)
        doctor_say(doctor, FINDING_PROBLEM, "files", mem_printf("mv %s %s.old", word, word),
                   "%s is no %s", path, file->type == S_IFSOCK ? "socket" : "regular file");
    else if (is_there && info.st_uid != owner && info.st_uid != geteuid())
        doctor_say(doctor, FINDING_PROBLEM, "files",
                   mem_printf("%schown %u %s", doctor_sudo(), (unsigned)owner, word),
                   "%s belongs to user %u", path, (unsigned)info.st_uid);
    else if (is_there && (info.st_mode & FOLDER_MODE_MASK) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "files", mem_printf("chmod 600 %s", word),
                   "others may use %s (mode %04o)", path, (unsigned)info.st_mode & 07777);
    else if (is_there && file->bytes != 0 && info.st_size != file->bytes)
        doctor_say(doctor, FINDING_PROBLEM, "files", mem_printf("rm %s", word),
                   "%s has %" PRId64 " bytes and not the %" PRId64
                   " of a key; a new one makes other marks than those that are recorded",
                   path, (int64_t)info.st_size, (int64_t)file->bytes);
    free(word);
    free(path);
}

static void check_files(struct doctor *doctor)
{
    size_t before = doctor->count;
    for (size_t i = 0; i < sizeof private_files / sizeof private_files[0]; i++) {
        check_file(doctor, &private_files[i]);
        if (i == 0)
            doctor->has_bad_key = doctor->count > before;
    }
    if (doctor->count == before)
        doctor_say(doctor, FINDING_OK, "files", NULL,
                   "key, token and socket are the owner's alone");
}

static void say_no_folder(struct doctor *doctor, int why)
{
    const char *path = doctor->data_dir;
    if (why == ENOENT) {
        doctor_say(doctor, FINDING_NOTE, "data folder", NULL,
                   "%s does not exist yet; hark makes it when it starts", path);
        return;
    }
    char *word = doctor_quote(path);
    doctor_say(doctor, FINDING_PROBLEM, "data folder",
               mem_printf("namei -l %s  # or choose another with --data-dir", word), "%s: %s", path,
               strerror(why));
    free(word);
}

void doctor_check_folder(struct doctor *doctor)
{
    struct stat info;
    const char *path = doctor->data_dir;
    if (stat(path, &info) != 0) {
        say_no_folder(doctor, errno);
        return;
    }
    char *word = doctor_quote(path);
    if (!S_ISDIR(info.st_mode))
        doctor_say(doctor, FINDING_PROBLEM, "data folder", mem_printf("mv %s %s.old", word, word),
                   "%s is not a folder", path);
    else if (info.st_uid != geteuid() && geteuid() != 0)
        doctor_say(doctor, FINDING_PROBLEM, "data folder",
                   mem_printf("sudo chown -R %u %s", geteuid(), word), "%s belongs to user %u",
                   path, info.st_uid);
    else if ((info.st_mode & FOLDER_MODE_MASK) != 0)
        doctor_say(doctor, FINDING_PROBLEM, "data folder", mem_printf("chmod 700 %s", word),
                   "others may look into %s (mode %04o)", path, (unsigned)info.st_mode & 07777);
    else
        doctor_say(doctor, FINDING_OK, "data folder", NULL, "%s", path);
    free(word);
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
                   mem_strdup("# in hark.conf: db = FILE, with a FILE on a disk of this machine"),
                   "%s is on a network: a recording there can be damaged", path);
    else if ((long)info.f_type == memory)
        doctor_say(doctor, FINDING_WARNING, "file system",
                   mem_strdup("# in hark.conf: db = FILE, with a FILE on a disk"),
                   "%s is in memory: the recording is gone after a restart of the machine", path);
}

// Half of the recording, or a gigabyte of a large one; where the recording is not what takes the
// space, hark can only point there.
static char *make_room(const struct doctor *doctor, const char *folder)
{
    struct stat status;
    bool is_there = doctor->db_path != NULL && stat(doctor->db_path, &status) == 0;
    int64_t bytes = is_there ? status.st_size : 0;
    if (bytes < RECORDING_LARGE)
        return mem_printf("df -h %s", folder);
    int64_t kept = bytes / 2 > FREE_LITTLE ? bytes - FREE_LITTLE : bytes / 2;
    return mem_printf("hark prune --keep-bytes %" PRId64 "M --db %s", kept / MIB, doctor->db_path);
}

static void check_space(struct doctor *doctor, const char *folder, const struct statvfs *info)
{
    int64_t free_bytes = (int64_t)info->f_bavail * (int64_t)info->f_frsize;
    struct buffer size = {0};
    human_append_size(&size, free_bytes);
    enum finding_level level = free_bytes < FREE_LEAST    ? FINDING_PROBLEM
                               : free_bytes < FREE_LITTLE ? FINDING_WARNING
                                                          : FINDING_OK;
    char *mend = level == FINDING_OK ? NULL : make_room(doctor, folder);
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

// The file that a setting can be added to.
static char *config_file(const struct doctor *doctor)
{
    const char *file = config_file_in_use(doctor->config);
    const char *folder = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (file != NULL)
        return mem_strdup(file);
    if (folder != NULL && folder[0] == '/')
        return mem_printf("%s/hark/hark.conf", folder);
    return home == NULL ? mem_strdup("/etc/hark/hark.conf")
                        : mem_printf("%s/.config/hark/hark.conf", home);
}

// "echo …  >>FILE", and to whom it is told then.
static char *add_limit(const struct doctor *doctor)
{
    struct buffer line = {0};
    char *file = config_file(doctor);
    char *copy = mem_strdup(file);
    char *folder = doctor_quote(dirname(copy));
    char *word = doctor_quote(file);
    if (access(file, F_OK) != 0)
        buffer_printf(&line, "mkdir -p %s; ", folder);
    buffer_printf(&line, "echo 'keep_bytes = 10G' >>%s", word);
    if (doctor->pid != 0)
        buffer_printf(&line, "; kill -HUP %d", (int)doctor->pid);
    free(word);
    free(folder);
    free(copy);
    free(file);
    return buffer_take(&line);
}

// Where it was said, if that is here; a daemon may have heard of it elsewhere.
static char *lower_limit(const struct doctor *doctor, int64_t bytes)
{
    const char *file = config_file_in_use(doctor->config);
    const char *origin = config_origin(doctor->config, "keep_bytes");
    int64_t mebibytes = bytes / MIB;
    if (strncmp(origin, "HARK_", strlen("HARK_")) == 0)
        return mem_printf("export %s=%" PRId64 "M", origin, mebibytes);
    if (file == NULL || strncmp(origin, file, strlen(file)) != 0)
        return mem_printf("# keep_bytes = %" PRId64 "M where it is set", mebibytes);
    char *word = doctor_quote(file);
    char *line =
        mem_printf("sed -i 's/^ *keep_bytes *=.*/keep_bytes = %" PRId64 "M/' %s", mebibytes, word);
    free(word);
    return line;
}

static int64_t limit_of(const struct doctor *doctor, const char *key, int64_t configured)
{
    // A daemon may have been started with flags, or an environment of its own.
    return doctor->status == NULL ? configured
                                  : json_integer_value(json_object_get(doctor->status, key));
}

void doctor_check_retention(struct doctor *doctor)
{
    const struct config *config = doctor->config;
    if (config == NULL || doctor->db_path == NULL)
        return;
    int64_t keep_bytes = limit_of(doctor, "keep_bytes", config->keep_bytes);
    int64_t keep_age_ms = limit_of(doctor, "keep_age_ms", config->keep_age_ms);
    int64_t room = room_bytes(doctor);
    struct buffer size = {0};
    human_append_size(&size, room);
    if (keep_bytes == 0 && keep_age_ms == 0)
        doctor_say(doctor, FINDING_NOTE, "retention", add_limit(doctor),
                   "neither keep_bytes nor keep_age is set: the recording grows until somebody "
                   "prunes it");
    else if (room >= 0 && keep_bytes > room)
        doctor_say(doctor, FINDING_WARNING, "retention", lower_limit(doctor, room / 2),
                   "keep_bytes is more than the %s that the disk has for the recording", size.data);
    else
        doctor_say(doctor, FINDING_OK, "retention", NULL, "what is kept is limited");
    buffer_fini(&size);
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
