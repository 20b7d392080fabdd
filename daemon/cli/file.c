// SPDX-License-Identifier: MIT
// A file is written beside its place, under a name of this process's own, and moved there.
#include "file.h"

#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536

int file_read(const char *path, struct buffer *content, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, "open %s: %s", path, strerror(errno));
    ssize_t count;
    while ((count = read(fd, buffer_reserve(content, READ_BYTES), READ_BYTES)) > 0)
        content->length += (size_t)count;
    int why = errno;
    close(fd);
    buffer_append(content, "", 0);
    return count < 0 ? err_set(err, "read %s: %s", path, strerror(why)) : 0;
}

static bool holds(const char *path, const struct buffer *content, mode_t mode)
{
    struct stat info;
    if (lstat(path, &info) < 0 || !S_ISREG(info.st_mode) || (info.st_mode & 07777) != mode ||
        (size_t)info.st_size != content->length)
        return false;
    struct buffer present = {0};
    struct err ignored = {0};
    bool is_same =
        file_read(path, &present, &ignored) == 0 && present.length == content->length &&
        (present.length == 0 || memcmp(present.data, content->data, present.length) == 0);
    buffer_fini(&present);
    return is_same;
}

static int write_all(int fd, const struct buffer *content)
{
    size_t written = 0;
    while (written < content->length) {
        ssize_t count = write(fd, content->data + written, content->length - written);
        if (count < 0 && errno != EINTR)
            return -1;
        written += count > 0 ? (size_t)count : 0;
    }
    return 0;
}

int file_replace(const char *path, const struct buffer *content, mode_t mode, struct err *err)
{
    if (holds(path, content, mode))
        return 0;
    char *fresh = mem_printf("%s.%d.new", path, (int)getpid());
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    int rc = 0;
    if (fd < 0 || fchmod(fd, mode) < 0 || write_all(fd, content) < 0 || rename(fresh, path) < 0)
        rc = err_set(err, "write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        unlink(fresh);
    free(fresh);
    return rc;
}

bool file_is_same(const char *a, const char *b)
{
    struct stat info_a;
    struct stat info_b;
    return stat(a, &info_a) == 0 && stat(b, &info_b) == 0 && info_a.st_dev == info_b.st_dev &&
           info_a.st_ino == info_b.st_ino;
}

// --- drafts -------------------------------------------------------------------------------------

// A link that leads nowhere is not: what it names is made by opening it.
static bool is_ordinary(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? S_ISREG(info.st_mode) : lstat(path, &info) < 0;
}

// Without a name, where the file system knows such files: a process that is killed leaves nothing.
static int open_fresh(struct file_draft *draft)
{
    const char *slash = strrchr(draft->path, '/');
    char *folder = slash != NULL ? mem_strndup(draft->path, (size_t)(slash + 1 - draft->path))
                                 : mem_strdup(".");
    int fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    free(folder);
    draft->is_unnamed = fd >= 0;
    if (draft->is_unnamed)
        return fd;
    unlink(draft->fresh);
    return open(draft->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int give_name(struct file_draft *draft)
{
    if (!draft->is_unnamed)
        return 0;
    char *unnamed = mem_printf("/proc/self/fd/%d", fileno(draft->out));
    unlink(draft->fresh);
    int rc = linkat(AT_FDCWD, unnamed, AT_FDCWD, draft->fresh, AT_SYMLINK_FOLLOW);
    free(unnamed);
    draft->is_unnamed = rc != 0;
    return rc;
}

static void fini(struct file_draft *draft)
{
    free(draft->path);
    free(draft->fresh);
}

int file_draft_begin(struct file_draft *draft, const char *path, struct err *err)
{
    char *followed = realpath(path, NULL);
    *draft = (struct file_draft){.path = followed != NULL ? followed : mem_strdup(path)};
    if (is_ordinary(draft->path))
        draft->fresh = mem_printf("%s.%d.new", draft->path, (int)getpid());
    int fd = draft->fresh != NULL ? open_fresh(draft)
                                  : open(draft->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    draft->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (draft->out != NULL)
        return 0;
    err_set(err, "open %s: %s", path, strerror(errno));
    fini(draft);
    return -1;
}

void file_draft_discard(struct file_draft *draft)
{
    fclose(draft->out);
    if (draft->fresh != NULL && !draft->is_unnamed)
        unlink(draft->fresh);
    fini(draft);
}

int file_draft_keep(struct file_draft *draft, struct err *err)
{
    bool is_written = fflush(draft->out) == 0 && !ferror(draft->out);
    if (is_written && (draft->fresh == NULL ||
                       (give_name(draft) == 0 && rename(draft->fresh, draft->path) == 0))) {
        fclose(draft->out);
        fini(draft);
        return 0;
    }
    err_set(err, "write %s: %s", draft->path, strerror(errno));
    file_draft_discard(draft);
    return -1;
}
