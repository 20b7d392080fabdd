// SPDX-License-Identifier: MIT
// A lock file beside the recording, held with flock(2): it ends with the process, however that
// ends. The recording itself cannot carry it, because closing any descriptor of that file would
// drop the locks that SQLite holds on it.
#include "lock.h"

#include "hark/file_owner.h"
#include "hark/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static long read_pid(int fd)
{
    char text[32] = "";
    ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
    return length > 0 ? strtol(text, NULL, 10) : 0;
}

static int refuse(int fd, const char *path, struct err *err)
{
    long pid = read_pid(fd);
    if (pid <= 0)
        return err_set(err,
                       "store: open %s: another hark writes to it; try again when it is done, stop "
                       "it if it is a daemon, or give this one another file",
                       path);
    return err_set(err,
                   "store: open %s: process %ld writes to it; try again when it is done, stop it "
                   "(kill %ld) if it is a daemon, or give this one another file",
                   path, pid, pid);
}

static int write_pid(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
        return -1;
    return 0;
}

static int open_lock(const char *lock_path)
{
    int fd = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST)
        return open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && file_give_to_owner(fd, lock_path) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int lock_acquire(const char *path, struct err *err)
{
    char *lock_path = mem_printf("%s.lock", path);
    int fd = open_lock(lock_path);
    if (fd < 0) {
        err_set(err, "store: open %s: %s%s", lock_path, strerror(errno),
                errno == EACCES ? "; it has to belong to the user that hark runs as" : "");
        goto out;
    }
    int result = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        result = errno == EWOULDBLOCK
                     ? refuse(fd, path, err)
                     : err_set(err, "store: lock %s: %s", lock_path, strerror(errno));
    else if (fchmod(fd, 0600) != 0)
        result = err_set(err, "store: change the mode of %s: %s", lock_path, strerror(errno));
    // A full disk must not keep hark from starting: the id is only there for the message.
    else
        (void)write_pid(fd);
    if (result != 0) {
        close(fd);
        fd = -1;
    }
out:
    free(lock_path);
    return fd;
}

static bool has_open(pid_t pid, const char *path)
{
    char *folder_name = mem_printf("/proc/%d/fd", (int)pid);
    DIR *folder = opendir(folder_name);
    const struct dirent *entry;
    char target[PATH_MAX];
    bool has = false;
    while (folder != NULL && !has && (entry = readdir(folder)) != NULL) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
        target[length < 0 ? 0 : length] = '\0';
        has = strcmp(target, path) == 0;
    }
    if (folder != NULL)
        closedir(folder);
    free(folder_name);
    return has;
}

// To try the lock would keep off whoever begins at this moment; so the process that has left its
// number is looked at.
pid_t lock_find_holder(const char *path)
{
    char *lock_path = mem_printf("%s.lock", path);
    int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    pid_t pid = fd < 0 ? 0 : (pid_t)read_pid(fd);
    if (fd >= 0)
        close(fd);
    bool is_held = pid > 0 && pid != getpid() && has_open(pid, lock_path);
    free(lock_path);
    return is_held ? pid : 0;
}

bool lock_exists(const char *path)
{
    char *lock_path = mem_printf("%s.lock", path);
    bool exists = access(lock_path, F_OK) == 0;
    free(lock_path);
    return exists;
}

int lock_share(const char *path, int *fd)
{
    char *lock_path = mem_printf("%s.lock", path);
    *fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_missing = *fd < 0 && errno == ENOENT;
    free(lock_path);
    if (is_missing)
        return 0; // nobody has ever written to it here
    if (*fd >= 0 && flock(*fd, LOCK_SH | LOCK_NB) == 0)
        return 0;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return -1;
}
