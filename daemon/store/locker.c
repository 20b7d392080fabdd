// SPDX-License-Identifier: MIT
// Who keeps the writer waiting. SQLite's locks are those of fcntl(2), which says whose they are.
#include "hark/mem.h"
#include "hark/store_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

// The byte of the -shm file that whoever writes to the WAL has locked (SQLite's file format, 4.1).
#define WRITE_LOCK_BYTE 120

// Is the byte (the whole file for -1) locked so that others may not even read it?
static bool is_locked(const char *path, off_t byte, pid_t *pid)
{
    struct flock lock = {.l_type = F_RDLCK,
                         .l_whence = SEEK_SET,
                         .l_start = byte < 0 ? 0 : byte,
                         .l_len = byte < 0 ? 0 : 1};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool is_known = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0;
    if (fd >= 0)
        close(fd);
    *pid = is_known && lock.l_type != F_UNLCK && lock.l_pid > 0 ? lock.l_pid : 0;
    return is_known && lock.l_type != F_UNLCK;
}

bool store_find_locker(const char *path, pid_t *pid)
{
    char *index = mem_printf("%s-shm", path);
    bool is_found = is_locked(index, WRITE_LOCK_BYTE, pid) || is_locked(path, -1, pid);
    free(index);
    return is_found;
}
