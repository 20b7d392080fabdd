// SPDX-License-Identifier: MIT
// A copy is as old as its inode says: the time of the content is that of the last write to it, and
// no more than a rename tells when something was set aside.
#include "hark/store_copies.h"

#include "hark/mem.h"
#include "writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum copy_kind {
    COPY_NONE,
    COPY_OF_UPGRADE,
    COPY_DAMAGED
};

// `rest` is what follows the name of the recording.
static enum copy_kind kind_of(const char *rest)
{
    if (strncmp(rest, ".damaged-", 9) == 0)
        return COPY_DAMAGED;
    if (strncmp(rest, ".v", 2) != 0)
        return COPY_NONE;
    const char *digits = rest + 2;
    size_t count = strspn(digits, "0123456789");
    return count > 0 && strcmp(digits + count, "-backup") == 0 ? COPY_OF_UPGRADE : COPY_NONE;
}

static int64_t changed_us(const struct stat *file)
{
    return (int64_t)file->st_ctim.tv_sec * 1000000 + file->st_ctim.tv_nsec / 1000;
}

int store_copies_remove_older(const struct store_writer *writer, int64_t upgrades_before_us,
                              int64_t damaged_before_us, struct log *log)
{
    const char *name = strrchr(writer->path, '/') + 1;
    char *folder_path = mem_strndup(writer->path, (size_t)(name - writer->path));
    DIR *folder = opendir(folder_path);
    size_t length = strlen(name);
    struct stat file;
    int left = 0;
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        enum copy_kind kind =
            strncmp(entry->d_name, name, length) == 0 ? kind_of(entry->d_name + length) : COPY_NONE;
        int64_t before_us = kind == COPY_DAMAGED ? damaged_before_us : upgrades_before_us;
        if (kind == COPY_NONE ||
            fstatat(dirfd(folder), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (changed_us(&file) < before_us && unlinkat(dirfd(folder), entry->d_name, 0) == 0)
            log_info(log, "store", "removed %s%s, %lld bytes: it was kept for long enough",
                     folder_path, entry->d_name, (long long)file.st_size);
        else
            left++;
    }
    if (folder != NULL)
        closedir(folder);
    free(folder_path);
    return left;
}
