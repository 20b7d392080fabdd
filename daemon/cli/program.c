// SPDX-License-Identifier: MIT
// posix_spawn() with one pipe behind both outputs.
#include "program.h"

#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 4096

// For those who have no sbin folders in their PATH.
static const char *const admin_folders[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};

static char *find_in(const char *folder, size_t length, const char *name)
{
    char *path = mem_printf("%.*s/%s", (int)length, folder, name);
    if (length > 0 && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *program_find(const char *name)
{
    char *found = NULL;
    const char *path = getenv("PATH");
    for (const char *at = path ? path : ""; *at && !found;) {
        size_t length = strcspn(at, ":");
        found = find_in(at, length, name);
        at += length + (at[length] == ':');
    }
    for (size_t i = 0; i < sizeof admin_folders / sizeof admin_folders[0] && !found; i++)
        found = find_in(admin_folders[i], strlen(admin_folders[i]), name);
    return found;
}

static int spawn(const char *const *argv, int output_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int why = posix_spawn(pid, argv[0], &actions, &attributes, (char **)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return why;
}

static const char *last_line(struct buffer *said)
{
    while (said->length > 0 && strchr("\r\n ", said->data[said->length - 1]))
        said->data[--said->length] = '\0';
    const char *newline = said->length > 0 ? strrchr(said->data, '\n') : NULL;
    return newline ? newline + 1 : said->length > 0 ? said->data : "it said nothing";
}

static int wait_for(pid_t pid, const char *path, struct buffer *said, struct err *err)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set(err, "run %s: %s", path, strerror(errno));
    if (WIFSIGNALED(status))
        return err_set(err, "%s died of signal %d", path, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(err, "%s failed: %s", path, last_line(said));
    return 0;
}

int program_run(const char *const *argv, struct buffer *output, struct err *err)
{
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, "run %s: %s", argv[0], strerror(errno));
    int why = spawn(argv, ends[1], &pid);
    close(ends[1]);
    if (why != 0) {
        close(ends[0]);
        return err_set(err, "run %s: %s", argv[0], strerror(why));
    }
    struct buffer said = {0};
    ssize_t count;
    while ((count = read(ends[0], buffer_reserve(&said, READ_BYTES), READ_BYTES)) > 0 ||
           (count < 0 && errno == EINTR))
        said.length += count > 0 ? (size_t)count : 0;
    close(ends[0]);
    if (output && said.length > 0)
        buffer_append(output, said.data, said.length);
    buffer_append(&said, "", 0);
    int rc = wait_for(pid, argv[0], &said, err);
    buffer_fini(&said);
    return rc;
}
