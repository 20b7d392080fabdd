// SPDX-License-Identifier: MIT
#include "spool.h"

#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Not every file system makes files without a name.
static int open_named(const char *folder)
{
    char *path = mem_printf("%s/.upload-XXXXXX", folder);
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    free(path);
    return fd;
}

static int open_spool(const char *folder, struct err *err)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = open_named(folder);
    if (fd < 0)
        err_set(err, "control: make a file in %s: %s", folder, strerror(errno));
    return fd;
}

int spool_write(int *fd, const char *folder, const void *data, size_t length, struct err *err)
{
    if (*fd < 0)
        *fd = open_spool(folder, err);
    if (*fd < 0)
        return -1;
    const char *at = data;
    while (length > 0) {
        ssize_t written = write(*fd, at, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return err_set(err, "control: write a file in %s: %s", folder, strerror(errno));
        at += written;
        length -= (size_t)written;
    }
    return 0;
}
