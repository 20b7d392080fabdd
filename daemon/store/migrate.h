// SPDX-License-Identifier: MIT
// Runs migrations: each step in one transaction, so that a file is always of one version.
#ifndef HARK_STORE_MIGRATE_H
#define HARK_STORE_MIGRATE_H

#include "hark/err.h"
#include "hark/log.h"
#include "schema.h"

#include <sqlite3.h>

// Brings the open file from its `user_version` to that of the last of the steps. A file that
// has a version already is copied first, to "<path>.v<N>-backup" (mode 0600), if the disk has room.
// After -1 the connection is good for nothing but to be closed, which rolls back the step that
// failed.
int migrate(sqlite3 *db, const char *path, const struct migration *steps, size_t count,
            struct log *log, struct err *err);

#endif
