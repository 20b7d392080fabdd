// SPDX-License-Identifier: MIT
// hark doctor: is the recording whole, and what becomes of it with the next start?
#include "doctor.h"
#include "hark/clock.h"
#include "hark/mem.h"
#include "hark/store_reader.h"
#include "hark/store_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAL_LARGE    ((int64_t)1024 * 1024 * 1024)
#define CHECK_MAX_US ((int64_t)5000000)
#define LOCK_LOOKS   20
#define LOCK_LOOK_NS (50 * 1000 * 1000)

// --- what opens ----------------------------------------------------------------------------------

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
    char *word = doctor_quote(doctor->db_path);
    char *move = mem_printf("mv %s %s.damaged; mv %s-wal %s.damaged-wal; rm -f %s-shm", word, word,
                            word, word, word);
    char *restart = doctor_restart(doctor, move);
    doctor_say(doctor, FINDING_PROBLEM, "recording",
               mem_printf("%s  # what can be read: sqlite3 %s.damaged '.clone %s.rest'", restart,
                          word, word),
               "%s is damaged: %s", doctor->db_path, complaint);
    free(restart);
    free(move);
    free(word);
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
        doctor_say(
            doctor, FINDING_NOTE, "recording", doctor_hark(doctor, "sql 'PRAGMA quick_check'"),
            "%s is too large to be checked in 5 s; what was looked at is good", doctor->db_path);
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
    char *word = doctor_quote(doctor->db_path);
    if (stat(path, &info) == 0 && info.st_size > WAL_LARGE)
        doctor_say(doctor, FINDING_WARNING, "recording",
                   mem_printf("fuser -v %s  # and end what is not hark", word),
                   "%s is larger than 1 GiB: a program has been reading the recording for long "
                   "and keeps it from shrinking",
                   path);
    free(word);
    free(path);
}

// --- what does not open --------------------------------------------------------------------------

// Beside the recording nothing but files can be used.
static bool check_kinds(struct doctor *doctor)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    size_t before = doctor->count;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        struct stat info;
        char *path = mem_printf("%s%s", doctor->db_path, suffixes[i]);
        char *word = doctor_quote(path);
        bool is_there = lstat(path, &info) == 0;
        // The recording itself may be a link; the lock may not.
        bool is_link = is_there && S_ISLNK(info.st_mode) && i == 0;
        bool is_file = is_link ? stat(path, &info) == 0 && S_ISREG(info.st_mode)
                               : is_there && S_ISREG(info.st_mode);
        if (is_there && !is_file)
            doctor_say(doctor, FINDING_PROBLEM, "recording", mem_printf("mv %s %s.old", word, word),
                       "%s is no file%s", path, is_link ? ", and the link leads to none" : "");
        free(word);
        free(path);
    }
    return doctor->count == before;
}

// Who may only read the recording needs no lock.
static bool check_lock(struct doctor *doctor)
{
    char *path = mem_printf("%s.lock", doctor->db_path);
    bool may_write = access(doctor->db_path, W_OK) == 0 || errno == ENOENT;
    bool is_good = !may_write || access(path, R_OK | W_OK) == 0 || errno == ENOENT;
    if (!is_good) {
        char *word = doctor_quote(path);
        doctor_say(doctor, FINDING_PROBLEM, "recording",
                   mem_printf("sudo chown %u %s; chmod 600 %s", (unsigned)geteuid(), word, word),
                   "%s: %s", path, strerror(errno));
        free(word);
    }
    free(path);
    return is_good;
}

// Only from its own place hark may move away what is another program's.
static void say_unusable(struct doctor *doctor, bool is_movable, const char *why)
{
    char *word = doctor_quote(doctor->db_path);
    char *move = mem_printf("mv %s %s.old", word, word);
    char *start = is_movable ? doctor_restart(doctor, move) : doctor_hark(doctor, "serve");
    doctor_say(doctor, FINDING_PROBLEM, "recording",
               is_movable ? mem_strdup(start) : mem_printf("%s --db %s.new", start, word), "%s",
               why);
    free(start);
    free(move);
    free(word);
}

// What cannot be read now may be what the next start mends by itself.
static void say_closed(struct doctor *doctor, const char *why)
{
    bool is_own_place = doctor->config == NULL || doctor->config->db == NULL;
    switch (store_foresee(doctor->db_path, is_own_place)) {
    case STORE_WILL_BEGIN:
        doctor_say(doctor, FINDING_NOTE, "recording", NULL,
                   "%s is empty; hark begins in it when it starts", doctor->db_path);
        break;
    case STORE_WILL_MIGRATE:
        doctor_say(doctor, FINDING_NOTE, "recording", doctor_restart(doctor, NULL), "%s", why);
        break;
    case STORE_WILL_SET_ASIDE:
        doctor_say(doctor, FINDING_WARNING, "recording", doctor_restart(doctor, NULL),
                   "%s is no recording; hark sets it aside when it starts, and begins a new one",
                   doctor->db_path);
        break;
    case STORE_WILL_REFUSE:
        say_unusable(doctor, false, why);
        break;
    case STORE_WILL_NOT_TOUCH:
        say_unusable(doctor, is_own_place, why);
        break;
    }
}

// A transaction of hark's own takes milliseconds: whoever is there for so long writes nothing.
static bool check_locker(struct doctor *doctor)
{
    pid_t pid = 0, other = 0;
    if (!store_find_locker(doctor->db_path, &pid) || (pid != 0 && pid == doctor->pid))
        return true;
    for (int i = 0; i < LOCK_LOOKS; i++) {
        nanosleep(&(struct timespec){.tv_nsec = LOCK_LOOK_NS}, NULL);
        if (!store_find_locker(doctor->db_path, &other) || other != pid)
            return true;
    }
    char *word = doctor_quote(doctor->db_path);
    char *who = pid == 0 ? mem_strdup("another program") : mem_printf("process %d", (int)pid);
    char *mend = pid == 0 ? mem_printf("fuser -v %s  # and end what is not hark", word)
                          : mem_printf("kill %d  # or end its transaction", (int)pid);
    doctor_say(doctor, FINDING_PROBLEM, "recording", mend,
               "%s has %s locked: nothing can be recorded meanwhile", who, doctor->db_path);
    free(who);
    free(word);
    return false;
}

void doctor_check_recording(struct doctor *doctor)
{
    struct err err = {0};
    if (doctor->db_path == NULL || !check_kinds(doctor) || !check_lock(doctor) ||
        !check_locker(doctor))
        return;
    if (access(doctor->db_path, F_OK) != 0) {
        doctor_say(doctor, FINDING_NOTE, "recording", NULL,
                   "%s does not exist yet; hark makes it when it starts", doctor->db_path);
        return;
    }
    struct store_reader *reader = store_reader_open(doctor->db_path, &err);
    if (reader == NULL) {
        say_closed(doctor, err.text);
        return;
    }
    check_content(doctor, reader);
    check_wal(doctor);
    store_reader_close(reader);
}
