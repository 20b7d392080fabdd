// SPDX-License-Identifier: MIT
// hark import: adds a file's exchanges to the recording, through the daemon that writes it, or, if
// none does, here.
#include "hark/import.h"

#include "command.h"
#include "daemon_client.h"
#include "data_dir.h"
#include "hark/server_import.h"
#include "progress.h"
#include "recording_owner.h"
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROBLEMS_MAX 10
#define DRAWN_EACH   100 // of the exchanges that are added here

// One run of the command.
struct import_run {
    struct invocation *invocation;
    const char *name; // of the file
    int fd;
    bool skips_invalid;
    struct import_result result;
    int64_t session_id;
    int64_t told; // problems
    struct progress_line progress;
};

// --- the file -----------------------------------------------------------------------------------

// What comes through a pipe is kept in a file without a name, since it is read twice.
static int spool(int from, struct err *err)
{
    FILE *file = tmpfile();
    char part[65536];
    ssize_t count = 0;
    if (file == NULL)
        return err_set(err, "make a temporary file: %s", strerror(errno));
    bool is_written = true;
    while (is_written && (count = read(from, part, sizeof(part))) > 0)
        is_written = fwrite(part, 1, (size_t)count, file) == (size_t)count;
    is_written = is_written && fflush(file) == 0;
    int fd = count == 0 && is_written ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 3) : -1;
    if (fd < 0)
        err_set(err, "%s: %s", is_written ? "read" : "write a temporary file", strerror(errno));
    fclose(file);
    return fd;
}

static int open_file(struct import_run *import, const char *path, struct err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return err_set(err, "open %s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) {
        close(fd);
        return err_set(err, "%s is a folder", path);
    }
    import->fd = S_ISREG(info.st_mode) ? fd : spool(fd, err);
    if (import->fd != fd && !is_stdin)
        close(fd);
    return import->fd < 0 ? -1 : 0;
}

// --- by the daemon ------------------------------------------------------------------------------

// How it can be done in spite of the mistake, behind a message that says that it can.
static const char *hint(const struct err *err)
{
    size_t length = strlen(err->text);
    size_t end = strlen(IMPORT_CAN_SKIP);
    return length >= end && strcmp(err->text + length - end, IMPORT_CAN_SKIP) == 0
               ? " with --skip-invalid"
               : "";
}

static void tell(struct import_run *import, const char *problem)
{
    if (import->told++ < PROBLEMS_MAX)
        invocation_fail(import->invocation, STATUS_FAILED, "%s; left out", problem);
}

static void on_wait(void *ctx)
{
    struct import_run *import = ctx;
    progress_line_draw(&import->progress, 0, NULL);
}

static enum status import_there(struct import_run *import)
{
    struct err err = {0};
    json_t *answer = NULL;
    const struct daemon_upload upload = {
        .path = "/api/v1/import",
        .name = import->name,
        .flag = import->skips_invalid ? "skip_invalid" : NULL,
        .fd = import->fd,
        .on_wait = on_wait,
        .ctx = import,
    };
    enum daemon_answer outcome =
        daemon_post_file(import->invocation->data_dir, &upload, &answer, &err);
    progress_line_end(&import->progress);
    if (outcome != DAEMON_ANSWERED)
        return invocation_fail(import->invocation, STATUS_FAILED, "%s%s", err.text, hint(&err));
    import->result = (struct import_result){
        .added = json_integer_value(json_object_get(answer, "added")),
        .foreign = json_integer_value(json_object_get(answer, "foreign")),
        .invalid = json_integer_value(json_object_get(answer, "invalid")),
    };
    import->session_id = json_integer_value(json_object_get(answer, "session_id"));
    size_t i;
    json_t *problem;
    json_array_foreach(json_object_get(answer, "problems"), i, problem)
        tell(import, json_string_value(problem));
    json_decref(answer);
    return STATUS_DONE;
}

// --- here ---------------------------------------------------------------------------------------

struct import_here {
    struct import_run *run;
    struct server_import *import;
};

static int on_exchange(void *ctx, struct whole_exchange *exchange, struct err *err)
{
    struct import_here *here = ctx;
    if (here->run->result.added % DRAWN_EACH == 0)
        progress_line_draw(&here->run->progress, here->run->result.added, "exchanges added");
    return server_import_add(here->import, exchange, err);
}

static void on_invalid(void *ctx, const char *problem)
{
    struct import_here *here = ctx;
    tell(here->run, problem);
}

static struct server *start_server(struct invocation *invocation, struct log *log, struct err *err)
{
    struct config *config = invocation->config;
    if (serve_check(config, err) < 0 || data_dir_make(invocation->data_dir, log, err) < 0)
        return NULL;
    invocation->config = NULL;
    return server_start(&(struct server_options){.data_dir = invocation->data_dir,
                                                 .config = config,
                                                 .db_path = invocation->db_path,
                                                 .command = invocation->command_line,
                                                 .has_no_clients = true,
                                                 .log = log},
                        err);
}

static int read_into(struct import_run *import, struct server *server, struct err *err)
{
    struct import_here here = {.run = import, .import = server_import_begin(server, NULL)};
    const struct import_options options = {.fd = import->fd,
                                           .skips_invalid = import->skips_invalid,
                                           .on_exchange = on_exchange,
                                           .on_invalid = on_invalid,
                                           .ctx = &here};
    import->session_id = server_import_session(here.import);
    int result = import_read(&options, &import->result, err);
    return server_import_end(here.import, &import->result.added, err) != 0 ? -1 : result;
}

static enum status import_here(struct import_run *import)
{
    struct err err = {0};
    struct log *log =
        log_create_for_command(STDERR_FILENO, LOG_LEVEL_WARN, import->invocation->command->name);
    struct server *server = start_server(import->invocation, log, &err);
    if (server != NULL)
        read_into(import, server, &err);
    progress_line_end(&import->progress);
    server_stop(server);
    log_destroy(log);
    if (!err.is_set)
        return STATUS_DONE;
    if (import->result.added == 0)
        return invocation_fail(import->invocation, STATUS_FAILED, "%s: %s%s; nothing was added",
                               import->name, err.text, hint(&err));
    return invocation_fail(import->invocation, STATUS_FAILED,
                           "%s: %s; %" PRId64 " exchanges were added before", import->name,
                           err.text, import->result.added);
}

// --- the command --------------------------------------------------------------------------------

static enum status say_result(const struct import_run *import)
{
    const struct import_result *result = &import->result;
    if (result->added > 0)
        invocation_fail(import->invocation, STATUS_DONE, "added %" PRId64 " %s as session %" PRId64,
                        result->added, result->added == 1 ? "exchange" : "exchanges",
                        import->session_id);
    if (result->foreign > 0)
        invocation_fail(import->invocation, STATUS_DONE,
                        "left out %" PRId64 " that are not HTTP (data:, blob: and the like)",
                        result->foreign);
    if (result->invalid > 0)
        return invocation_fail(import->invocation, STATUS_FAILED,
                               "left out %" PRId64 " that could not be read", result->invalid);
    if (result->added == 0)
        return invocation_fail(import->invocation, STATUS_NO_MATCH, "there was nothing to add");
    return STATUS_DONE;
}

static enum status import_file(struct import_run *import)
{
    struct invocation *invocation = import->invocation;
    bool is_there;
    enum status status = recording_find_daemon(invocation, &is_there);
    if (status != STATUS_DONE)
        return status;
    import->progress = progress_line_begin(invocation);
    status = is_there ? import_there(import) : import_here(import);
    return status == STATUS_DONE ? say_result(import) : status;
}

static enum status run(struct invocation *invocation)
{
    struct err err = {0};
    struct import_run import = {.invocation = invocation,
                                .fd = -1,
                                .skips_invalid = invocation_has(invocation, "skip-invalid")};
    if (invocation->word_count != 1)
        return invocation_fail(invocation, STATUS_USAGE, "wants a file, or - for standard input");
    import.name = invocation->words[0];
    if (open_file(&import, import.name, &err) < 0)
        return invocation_fail(invocation, STATUS_FAILED, "%s", err.text);
    enum status status = import_file(&import);
    close(import.fd);
    return status;
}

static const struct command_option own_options[] = {
    {"skip-invalid", 0, NULL,
     "leave out entries that make no sense or are over\n256 MiB, instead of adding nothing"},
    {NULL, 0, NULL, NULL},
};

const struct command command_import = {
    .name = "import",
    .arguments = "FILE",
    .summary = "add the exchanges of a HAR file",
    .help = "Adds the entries of a HAR file (of a browser's developer tools, of other proxies or\n"
            "of \"hark export\") or the lines of \"hark export --format jsonl\" to the recording,\n"
            "with source = import, as a session of their own. - is standard input.\n"
            "\n"
            "A file that cannot be read to its end adds nothing.\n"
            "\n"
            "Examples:\n"
            "  hark import browser.har\n"
            "  hark export --format har host:example.com | hark import --data-dir other -\n",
    .options = own_options,
    .needs = NEEDS_CONFIG | NEEDS_RECORDING,
    .run = run,
};
