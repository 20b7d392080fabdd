// SPDX-License-Identifier: MIT
#include "file_owner.h"

#include <unistd.h>

bool file_is_of_owner(const char *folder, const struct stat *file)
{
    struct stat info;
    return file->st_uid == geteuid() || (stat(folder, &info) == 0 && file->st_uid == info.st_uid);
}
