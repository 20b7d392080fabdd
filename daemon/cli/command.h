// SPDX-License-Identifier: MIT
// What a subcommand is: one line of the command table, and what its run function is given.
#ifndef HARK_CLI_COMMAND_H
#define HARK_CLI_COMMAND_H

#include "hark/config.h"
#include "hark/err.h"
#include "hark/store_reader.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

// Exit statuses, a public contract.
enum status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,       // wrong usage: nothing was done
    STATUS_NO_MATCH = 3,    // nothing matched
    STATUS_UNREACHABLE = 4, // the daemon does not answer

    // As env(1) has them, for a command that runs another, whose own status it returns.
    STATUS_RUN_FAILED = 125,
    STATUS_NOT_EXECUTABLE = 126,
    STATUS_NOT_FOUND = 127,
};

struct command_option {
    const char *name;     // long name, without the dashes; NULL ends a list
    char letter;          // short name, or 0
    const char *argument; // what follows it ("FILE"), NULL for a plain flag
    const char *help;
};

// What a command needs before it runs; each adds its own options to the command.
enum command_needs {
    NEEDS_CONFIG = 1,    // invocation.config: flags, environment and file, checked; data_dir
    NEEDS_RECORDING = 2, // the same, and --db, for invocation_open_recording()
    PRINTS_ROWS = 4,     // -o FORMAT and --json
    TAKES_FILTER = 8,    // its words are a filter, where "-host:x" means not
    JUDGES_CONFIG = 32,  // a mistake in the configuration is for the command to tell
    TAKES_COMMAND = 16,  // its words are a command: options end where they begin
};

struct invocation;

struct command {
    const char *name;
    const char *arguments; // "[FILTER…]", for the usage line
    const char *summary;   // for the list of commands
    const char *help;      // what it does and examples, for --help
    const struct command_option *options;
    unsigned needs;             // of enum command_needs
    enum status failure_status; // if set, what invocation_fail() returns, whatever failed
    enum status (*run)(struct invocation *invocation);
};

// One run of a command. Owner: cli_main().
struct invocation {
    const struct command *command;
    struct given_options *given;
    char **words; // what is no option; borrowed from argv
    size_t word_count;
    const char *command_line; // all of argv, joined
    char *data_dir;           // with NEEDS_CONFIG; it need not exist
    const char *control_dir;  // where a daemon is asked; NULL: the data folder
    char *db_path;
    struct config_sources sources; // what `config` was made from, to load it again
    struct config *config;         // a command that takes it over sets this to NULL
    struct err config_mistake;     // with JUDGES_CONFIG, where `config` is NULL
    struct store_reader *reader;   // after invocation_open_recording()
    struct pager *pager;           // NULL: standard output goes where it went
    void (*sigpipe_handler)(int);  // as it was before hark ignored the signal
};

// Was the option given? Its name must be one of the command's.
bool invocation_has(const struct invocation *invocation, const char *name);
// The option's argument, the last one if it was given several times; NULL if not given.
const char *invocation_value(const struct invocation *invocation, const char *name);
// The words as a filter, which the caller destroys; NULL if there are none. STATUS_USAGE (said
// already) for a mistake.
enum status invocation_filter(const struct invocation *invocation, struct filter **filter);
// Opens the recording read-only. To be called once nothing can be wrong with the usage any more.
enum status invocation_open_recording(struct invocation *invocation);

// Says "hark NAME: message" on stderr and returns `status`, unless the command has one status for
// all failures; wrong usage also names --help.
enum status invocation_fail(const struct invocation *invocation, enum status status,
                            const char *format, ...) __attribute__((format(printf, 3, 4)));

// --- the table ---------------------------------------------------------------------------------

extern const struct command command_serve;
extern const struct command command_run;
extern const struct command command_env;
extern const struct command command_ls;
extern const struct command command_note;
extern const struct command command_prune;
extern const struct command command_show;
extern const struct command command_diff;
extern const struct command command_stats;
extern const struct command command_sql;
extern const struct command command_replay;
extern const struct command command_export;
extern const struct command command_import;
extern const struct command command_ca;
extern const struct command command_status;
extern const struct command command_doctor;
extern const struct command command_tail;
extern const struct command command_ui;
extern const struct command command_version;

extern const struct command *const command_table[]; // ended by NULL

const struct command *command_find(const char *name);
// The name in the table that looks most like a mistyped one, or NULL.
const char *command_suggest(const char *name);

#endif
