// SPDX-License-Identifier: MIT
// Making the data folder.
#ifndef HARK_CLI_DATA_DIR_H
#define HARK_CLI_DATA_DIR_H

#include "hark/err.h"
#include "hark/log.h"

// Makes the folder and what is missing above it, mode 0700. One that exists is left as it is; the
// log says if others may look into it.
int data_dir_make(const char *path, struct log *log, struct err *err);

#endif
