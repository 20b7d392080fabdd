// SPDX-License-Identifier: MIT
// A pager of plain words is run as it is; one with quotes, pipes or variables in it goes through
// the shell, as git does. Nothing that was recorded is ever part of that command.
#include "pager.h"

#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 16

struct pager {
    pid_t pid;
    struct sigaction old_int, old_quit;
};

static const char *find_command(void)
{
    const char *command = getenv("PAGER");
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO) || !term || strcmp(term, "dumb") == 0)
        return NULL;
    if (!command)
        return "less -FRX";
    return *command && strcmp(command, "cat") != 0 ? command : NULL;
}

static void exec_words(const char *command)
{
    char *copy = mem_strdup(command);
    char *words[WORDS_MAX + 1] = {NULL};
    char *rest = copy;
    for (size_t i = 0; i < WORDS_MAX; i++)
        if (!(words[i] = strtok_r(NULL, " \t", &rest)))
            break;
    if (words[0])
        execvp(words[0], words);
    free(copy);
}

static _Noreturn void run_pager(const char *command, int in)
{
    dup2(in, STDIN_FILENO);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    setenv("LESS", "FRX", 0);
    if (strpbrk(command, "|&;<>()$`\\\"'*?[#~=%"))
        execl("/bin/sh", "sh", "-c", command, NULL);
    else
        exec_words(command);
    // Without a pager the output still has to be seen.
    execlp("cat", "cat", NULL);
    _exit(127);
}

static struct pager *start_command(const char *command)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return NULL;
    pid_t pid = fork();
    if (pid == 0)
        run_pager(command, ends[0]);
    close(ends[0]);
    if (pid < 0 || dup2(ends[1], STDOUT_FILENO) < 0) {
        close(ends[1]);
        return NULL;
    }
    close(ends[1]);

    struct pager *pager = mem_calloc(1, sizeof *pager);
    pager->pid = pid;
    // Ctrl-C is for the pager, which would be left alone with the terminal if we ended.
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &ignore, &pager->old_int);
    sigaction(SIGQUIT, &ignore, &pager->old_quit);
    return pager;
}

struct pager *pager_start(void)
{
    const char *command = find_command();
    if (!command)
        return NULL;
    fflush(stdout);
    return start_command(command);
}

void pager_finish(struct pager *pager)
{
    if (!pager)
        return;
    fflush(stdout);
    close(STDOUT_FILENO);
    while (waitpid(pager->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    sigaction(SIGINT, &pager->old_int, NULL);
    sigaction(SIGQUIT, &pager->old_quit, NULL);
    free(pager);
}
