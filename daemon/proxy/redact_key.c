// SPDX-License-Identifier: MIT
// A new key is written beside its place and linked there, so that of two processes that make one at
// the same time both use the first.
#include "redact_key.h"

#include "hark/file_owner.h"
#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int redact_key_make(unsigned char key[REDACT_KEY_BYTES], struct err *err)
{
    if (getrandom(key, REDACT_KEY_BYTES, 0) != REDACT_KEY_BYTES)
        return err_set(err, "redaction: random bytes for the key: %s", strerror(errno));
    return 0;
}

// 1: there is none.
static int read_key(const char *folder, const char *path, unsigned char key[REDACT_KEY_BYTES],
                    struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return 1;
    struct stat info;
    unsigned char bytes[REDACT_KEY_BYTES + 1];
    ssize_t length = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));
    int rc = -1;
    if (length < 0 || fstat(fd, &info) != 0)
        err_set(err, "redaction: read the key %s: %s", path, strerror(errno));
    else if (length != REDACT_KEY_BYTES)
        err_set(err, "redaction: %s is no key of %d bytes; remove it, and a new one is made", path,
                REDACT_KEY_BYTES);
    else if ((info.st_mode & 077) != 0)
        err_set(err, "redaction: others can read the key %s; chmod 600, or remove it", path);
    else if (!file_is_of_owner(folder, &info))
        err_set(err,
                "redaction: the key %s belongs to another user (%u); remove it, and a new one "
                "is made",
                path, (unsigned)info.st_uid);
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        memcpy(key, bytes, REDACT_KEY_BYTES);
    return rc;
}

static int write_key(const char *path, const unsigned char *key, struct err *err)
{
    char *fresh = mem_printf("%s.%ld", path, (long)getpid());
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = 0;
    if (fd < 0 || file_give_to_owner(fd, path) != 0 ||
        write(fd, key, REDACT_KEY_BYTES) != REDACT_KEY_BYTES || fsync(fd) != 0 ||
        (link(fresh, path) != 0 && errno != EEXIST))
        rc = err_set(err, "redaction: write the key %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    unlink(fresh);
    free(fresh);
    return rc;
}

int redact_key_load(const char *folder, unsigned char key[REDACT_KEY_BYTES], struct err *err)
{
    char *path = mem_printf("%s/" REDACT_KEY_NAME, folder);
    int rc = read_key(folder, path, key, err);
    if (rc == 1)
        rc = redact_key_make(key, err) == 0 && write_key(path, key, err) == 0
                 ? read_key(folder, path, key, err)
                 : -1;
    free(path);
    return rc == 0 ? 0 : -1;
}
