// SPDX-License-Identifier: MIT
// fork(), exec(), and a loop on sigwaitinfo(). The program stays in this process's group, so it is
// the terminal's foreground just as hark is, and job control works on both.
#include "run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
static const int ending[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};

static sigset_t set_of(const int *signals, size_t count)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        sigaddset(&set, signals[i]);
    return set;
}

static sigset_t awaited_signals(void)
{
    sigset_t set = set_of(passed_on, sizeof passed_on / sizeof passed_on[0]);
    sigaddset(&set, SIGCHLD);
    return set;
}

void run_program_prepare(struct run_program *program)
{
    sigset_t set = awaited_signals();
    sigprocmask(SIG_BLOCK, &set, &program->old_mask);
    // Where it is ignored, children leave no status.
    program->sigchld_handler = signal(SIGCHLD, SIG_DFL);
}

int run_program_pending_signal(void)
{
    sigset_t set = set_of(ending, sizeof ending / sizeof ending[0]);
    int number = sigtimedwait(&set, NULL, &(struct timespec){0});
    return number > 0 ? number : 0;
}

// In the child. `report_fd` closes with a successful exec.
static void become_program(const struct run_program *program, int report_fd)
{
    signal(SIGPIPE, program->sigpipe_handler);
    signal(SIGCHLD, program->sigchld_handler);
    sigprocmask(SIG_SETMASK, &program->old_mask, NULL);
    execvpe(program->argv[0], program->argv, program->environment);
    int why = errno;
    ssize_t ignored = write(report_fd, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

static pid_t start(const struct run_program *program, struct run_result *result, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, "start the program: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become_program(program, ends[1]);
    int why = errno;
    close(ends[1]);
    if (pid > 0)
        result->has_run = read(ends[0], &result->why, sizeof result->why) == 0;
    close(ends[0]);
    return pid > 0 ? pid : err_set(err, "start the program: %s", strerror(why));
}

static bool has_ended(pid_t pid, int *status)
{
    return pid > 0 && waitpid(pid, status, WNOHANG) == pid;
}

static int status_of_shell(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int run_program(const struct run_program *program, struct run_result *result, struct err *err)
{
    *result = (struct run_result){0};
    pid_t pid = start(program, result, err);
    if (pid < 0)
        return -1;
    sigset_t set = awaited_signals();
    int status;
    while (!has_ended(pid, &status)) {
        siginfo_t info;
        int number = sigwaitinfo(&set, &info);
        // The terminal's signals come from the kernel, to the program as well.
        if (number > 0 && number != SIGCHLD && info.si_code <= 0)
            kill(pid, number);
        if (!result->daemon_has_died && has_ended(program->daemon_pid, &(int){0}))
            result->daemon_has_died = true;
    }
    result->status = status_of_shell(status);
    return 0;
}
