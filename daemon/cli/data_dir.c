// SPDX-License-Identifier: MIT
// mkdir -p with mode 0700, as the XDG base directory specification asks.
#include "data_dir.h"

#include "hark/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int make_parents(char *path, struct err *err)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int made = mkdir(path, 0700);
        if (made < 0 && errno != EEXIST)
            return err_set(err, "data folder: make %s: %s", path, strerror(errno));
        *slash = '/';
    }
    return 0;
}

int data_dir_make(const char *path, struct log *log, struct err *err)
{
    char *copy = mem_strdup(path);
    int rc = make_parents(copy, err);
    free(copy);
    if (rc < 0)
        return -1;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return err_set(err, "data folder: make %s: %s", path, strerror(errno));

    struct stat info;
    if (stat(path, &info) < 0)
        return err_set(err, "data folder: look at %s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return err_set(err, "data folder: %s is not a folder", path);
    if (info.st_mode & 022)
        log_warn(log, "serve", "others may replace what is in the data folder; try: chmod 700 %s",
                 path);
    else if (info.st_mode & 077)
        log_warn(log, "serve", "others may look into the data folder; try: chmod 700 %s", path);
    return 0;
}
