// SPDX-License-Identifier: MIT
// The bytes of the header are read through SQLite's own descriptor: to close another one would
// drop the locks that this process holds on the file.
#include "identity.h"

#include "schema.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_BYTES          100
#define HEADER_MAGIC          "SQLite format 3"
#define HEADER_SCHEMA_COOKIE  40
#define HEADER_APPLICATION_ID 68

static uint32_t big_endian(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

// A file that has no mark and never had a table is blank.
static enum file_identity judge(const unsigned char *header)
{
    if (memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
        return FILE_NO_DATABASE;
    uint32_t id = big_endian(header + HEADER_APPLICATION_ID);
    if (id == SCHEMA_APPLICATION_ID)
        return FILE_RECORDING;
    bool is_blank = id == 0 && big_endian(header + HEADER_SCHEMA_COOKIE) == 0;
    return is_blank ? FILE_BLANK : FILE_OTHER_DATABASE;
}

static enum file_identity read_header(sqlite3 *db)
{
    unsigned char header[HEADER_BYTES] = {0};
    sqlite3_file *file = NULL;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK)
        return FILE_BLANK;
    // A file shorter than a header is filled up with zeros.
    int code = file->pMethods->xRead(file, header, sizeof(header), 0);
    bool is_read = code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ;
    return is_read ? judge(header) : FILE_BLANK;
}

enum file_identity identity_look(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0)
        return FILE_BLANK;
    sqlite3 *db = NULL;
    enum file_identity identity = FILE_BLANK;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        identity = read_header(db);
    sqlite3_close(db);
    return identity;
}
