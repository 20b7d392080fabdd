// SPDX-License-Identifier: MIT
// Whose a secret file is.
#ifndef HARK_PROXY_FILE_OWNER_H
#define HARK_PROXY_FILE_OWNER_H

#include <stdbool.h>
#include <sys/stat.h>

// Is a file of the folder ours, or of the folder's owner, who could put any other in its place?
// What somebody else put there is no secret.
bool file_is_of_owner(const char *folder, const struct stat *file);

#endif
