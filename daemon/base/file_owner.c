// SPDX-License-Identifier: MIT
#include "hark/file_owner.h"

#include "hark/mem.h"

#include <libgen.h>
#include <stdlib.h>
#include <unistd.h>

bool file_is_of_owner(const char *folder, const struct stat *file)
{
    struct stat info;
    return file->st_uid == geteuid() || (stat(folder, &info) == 0 && file->st_uid == info.st_uid);
}

int file_give_to_owner(int fd, const char *path)
{
    struct stat folder;
    if (geteuid() != 0)
        return 0;
    char *copy = mem_strdup(path);
    int result = stat(dirname(copy), &folder);
    free(copy);
    if (result == 0 && folder.st_uid != 0)
        result = fchown(fd, folder.st_uid, folder.st_gid);
    return result;
}
