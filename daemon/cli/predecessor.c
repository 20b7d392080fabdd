// SPDX-License-Identifier: MIT
// A process is held by a descriptor, which unlike its number never stands for another one.
#include "predecessor.h"

#include "daemon_client.h"
#include "hark/clock.h"
#include "hark/store_writer.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_MS       50
#define DRAIN_MAX_US  (20 * (int64_t)1000000) // its 10 s, and what it has to write then
#define WRITER_MAX_US (3 * (int64_t)1000000)

static bool is_told_to_end(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1;
}

static void wait_for_end(pid_t pid, int64_t max_us)
{
    struct pollfd process = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
    int64_t deadline_us = clock_monotonic_us() + max_us;
    while (process.fd >= 0 && poll(&process, 1, LOOK_MS) == 0 && !is_told_to_end() &&
           clock_monotonic_us() < deadline_us)
        ;
    if (process.fd >= 0)
        close(process.fd);
}

static bool is_in_folder(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && path[length] == '/' &&
           strchr(path + length + 1, '/') == NULL;
}

void predecessor_wait(const struct invocation *invocation, struct log *log)
{
    struct daemon_info info;
    struct err ignored = {0};
    enum daemon_answer answer = daemon_find(invocation->data_dir, &info, &ignored);
    if (answer == DAEMON_ANSWERED && info.is_ending) {
        log_info(log, "serve", "waiting for process %d, which is about to end", (int)info.pid);
        wait_for_end(info.pid, DRAIN_MAX_US);
    } else if (answer == DAEMON_ABSENT) {
        // At its very end a daemon has no socket any more, and still writes. One that serves from
        // another folder has its socket there.
        pid_t pid = store_find_writer(invocation->db_path);
        if (pid > 0 && is_in_folder(invocation->db_path, invocation->data_dir))
            wait_for_end(pid, WRITER_MAX_US);
    }
    daemon_info_fini(&info);
}
