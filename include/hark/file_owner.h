// SPDX-License-Identifier: MIT
// Whose the files of a folder are.
#ifndef HARK_FILE_OWNER_H
#define HARK_FILE_OWNER_H

#include <stdbool.h>
#include <sys/stat.h>

// Is a file of the folder ours, or of the folder's owner, who could put any other in its place?
// What somebody else put there is no secret.
bool file_is_of_owner(const char *folder, const struct stat *file);

// What root makes in the folder of a service is to be the service's, or it could not use it. `fd`
// is a file that was made by this call, at `path`. -1 with errno.
int file_give_to_owner(int fd, const char *path);

#endif
