// SPDX-License-Identifier: MIT
// VACUUM: SQLite copies what is in use to a temporary file, and that through the WAL back.
#include "hark/mem.h"
#include "hark/store_prune.h"
#include "sql.h"
#include "writer.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

static int check_space(struct store_writer *writer, struct err *err)
{
    struct store_sizes sizes;
    struct statvfs disk;
    if (store_writer_get_sizes(writer, &sizes, err) != STORE_OK)
        return -1;
    char *path = mem_strdup(writer->path);
    const char *folder = dirname(path);
    int64_t needed = 2 * sizes.used_bytes + sizes.used_bytes / 16;
    int result = 0;
    if (statvfs(folder, &disk) != 0)
        result = err_set(err, "store: look at %s: %s", folder, strerror(errno));
    else if ((int64_t)(disk.f_bavail * disk.f_frsize) < needed)
        result = err_set(err,
                         "store: compact %s: that takes %" PRId64 " bytes of free space in %s, and "
                         "there are %" PRId64,
                         writer->path, needed, folder, (int64_t)(disk.f_bavail * disk.f_frsize));
    free(path);
    return result;
}

int store_compact(struct store_writer *writer, struct err *err)
{
    int64_t wal_bytes;
    if (check_space(writer, err) != 0 ||
        sql_exec(writer->db, "PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY",
                 "compact", writer->path, err) != 0)
        return -1;
    enum store_result result = store_writer_checkpoint(writer, &wal_bytes, err);
    return result == STORE_OK || result == STORE_BUSY ? 0 : -1;
}
