// SPDX-License-Identifier: MIT
// What `hark doctor` finds. Each check looks at one thing, changes nothing, and says what it found
// and what mends it.
#ifndef HARK_CLI_DOCTOR_H
#define HARK_CLI_DOCTOR_H

#include "command.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum finding_level {
    FINDING_OK,
    FINDING_NOTE,    // nothing is wrong
    FINDING_WARNING, // something will be
    FINDING_PROBLEM, // something is
};

struct finding {
    enum finding_level level;
    const char *check; // what was looked at, "data folder"; constant
    char *text;
    char *mend; // for a shell, as it is; NULL: there is nothing to do
};

// Owner: run() in doctor.c. Thread: main.
struct doctor {
    const struct invocation *invocation;
    const struct config *config; // NULL: it has a mistake
    const char *data_dir;
    const char *db_path;
    json_t *status;   // the daemon's; NULL: none answers
    pid_t pid;        // of whoever serves from the data folder, 0 for nobody
    bool has_bad_key; // the authority's, which was told with its file
    struct finding *findings;
    size_t count;
};

// `mend` is taken over and may be NULL.
void doctor_say(struct doctor *doctor, enum finding_level level, const char *check, char *mend,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

// doctor_mend.c: the caller frees what they return
char *doctor_quote(const char *word); // as a word for a shell
const char *doctor_sudo(void);        // constant; empty for root
// "hark COMMAND", for the data folder and the configuration that doctor was asked about.
// The first is for what makes files: root does it as the user whose folder it is.
char *doctor_hark(const struct doctor *doctor, const char *command);
char *doctor_hark_here(const struct doctor *doctor, const char *command);
char *doctor_start(const struct doctor *doctor); // where no daemon runs
// Where one may; `between` (NULL: nothing) is done while none does.
char *doctor_restart(const struct doctor *doctor, const char *between);
// doctor_daemon.c
void doctor_check_config(struct doctor *doctor);
void doctor_check_daemon(struct doctor *doctor); // fills in doctor->status
void doctor_check_mode(struct doctor *doctor);
void doctor_check_ports(struct doctor *doctor);
void doctor_check_limits(struct doctor *doctor);
// doctor_data.c
void doctor_check_folder(struct doctor *doctor);
void doctor_check_disk(struct doctor *doctor);
void doctor_check_retention(struct doctor *doctor);
void doctor_check_clock(struct doctor *doctor);
// SQLite's write-ahead log needs memory that all processes share: not there on these.
bool doctor_is_network_file_system(long type);
// doctor_recording.c
void doctor_check_recording(struct doctor *doctor);
// doctor_trust.c
void doctor_check_authority(struct doctor *doctor);
// doctor_environment.c
void doctor_check_environment(struct doctor *doctor);
void doctor_check_names(struct doctor *doctor);
// version.c
void doctor_check_libraries(struct doctor *doctor);

#endif
