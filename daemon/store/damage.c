// SPDX-License-Identifier: MIT
// Setting a damaged recording aside.
#include "damage.h"

#include "hark/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A name that nothing has yet, not even a part of an earlier damaged recording.
static char *aside_name(const char *path)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &utc);
    for (int i = 1;; i++) {
        char *name = i == 1 ? mem_printf("%s.damaged-%s", path, stamp)
                            : mem_printf("%s.damaged-%s-%d", path, stamp, i);
        char *wal = mem_printf("%s-wal", name);
        bool is_free = access(name, F_OK) != 0 && access(wal, F_OK) != 0;
        free(wal);
        if (is_free)
            return name;
        free(name);
    }
}

static int move_part(const char *path, const char *aside, const char *suffix, struct err *err)
{
    char *from = mem_printf("%s%s", path, suffix);
    char *to = mem_printf("%s%s", aside, suffix);
    int result = rename(from, to) == 0 || errno == ENOENT
                     ? 0
                     : err_set(err, "store: rename %s to %s: %s", from, to, strerror(errno));
    free(from);
    free(to);
    return result;
}

int damage_set_aside(const char *path, const char *reason, struct log *log, struct err *err)
{
    // The file itself goes last: if this process dies in between, the next one finds it still
    // there, while SQLite would delete a -wal that it found beside a new file.
    static const char *const parts[] = {"-wal", "-shm", ""};
    char *aside = aside_name(path);
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        result = move_part(path, aside, parts[i], err);
    if (result == 0)
        log_error(log, "store",
                  "%s is damaged (%s): set aside as %s, a new one begins. To salvage what can be "
                  "read of it: sqlite3 '%s' '.clone salvaged.db'",
                  path, reason, aside, aside);
    free(aside);
    return result;
}
