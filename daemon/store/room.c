// SPDX-License-Identifier: MIT
// Is there room for a transaction? What is committed waits in the WAL until a checkpoint moves it
// into the file, which grows by it; and what is to be deleted is written to the WAL first. On a
// disk without a free byte neither is possible, and no prune could ever end that. So the recording
// stops before.
#include "writer.h"

#include <sys/statvfs.h>

// What stays free, for deletions and for others: a part of the disk.
#define RESERVE_SHARE ((int64_t)64)
#define RESERVE_LEAST ((int64_t)512 * 1024)
#define RESERVE_MOST  ((int64_t)256 * 1024 * 1024)

#define MIB (1024.0 * 1024.0)

static int64_t reserve_of(const struct statvfs *disk)
{
    int64_t reserve = (int64_t)(disk->f_blocks * disk->f_frsize) / RESERVE_SHARE;
    return reserve < RESERVE_LEAST  ? RESERVE_LEAST
           : reserve > RESERVE_MOST ? RESERVE_MOST
                                    : reserve;
}

// By how much the file grows once all is moved that waits for it.
static int64_t growth_by(struct store_writer *writer, int64_t bytes)
{
    struct store_sizes sizes = {0};
    struct err ignored = {0};
    if (store_writer_get_sizes(writer, &sizes, &ignored) != STORE_OK)
        sizes.free_bytes = 0;
    int64_t growth = writer->wal_unmoved_bytes + bytes - sizes.free_bytes;
    return growth < 0 ? 0 : growth;
}

enum store_result store_writer_find_room(struct store_writer *writer, int64_t bytes,
                                         struct err *err)
{
    struct statvfs disk;
    // Some file systems do not say; then writing tells.
    if (fstatvfs(writer->lock_fd, &disk) != 0 || disk.f_blocks == 0)
        return STORE_OK;
    int64_t in_pages = bytes + bytes / 8;
    int64_t free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
    int64_t reserve = reserve_of(&disk);
    if (free_bytes >= reserve + 2 * in_pages + writer->wal_unmoved_bytes ||
        free_bytes >= reserve + in_pages + growth_by(writer, in_pages))
        return STORE_OK;
    err_set(err,
            "store: write to %s: its disk is full: of the last %.1f MiB hark leaves %.1f MiB free, "
            "so that deleting is possible",
            writer->path, (double)free_bytes / MIB, (double)reserve / MIB);
    return STORE_FULL;
}
