// SPDX-License-Identifier: MIT
// A table under a lock. A process is held by a descriptor (pidfd_open(2)), which unlike a number
// never stands for another one later; whoever asks for the table first drops the sessions of
// processes that are gone.
#include "sessions.h"

#include "hark/mem.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SESSIONS_MAX 100

struct entry {
    int64_t id;
    int owner_fd; // -1: nobody's
};

struct sessions {
    pthread_mutex_t mutex;
    struct entry items[SESSIONS_MAX];
    size_t count;
    bool is_finished;
};

struct sessions *sessions_create(void)
{
    struct sessions *sessions = mem_calloc(1, sizeof *sessions);
    pthread_mutex_init(&sessions->mutex, NULL);
    return sessions;
}

void sessions_destroy(struct sessions *sessions)
{
    if (!sessions)
        return;
    for (size_t i = 0; i < sessions->count; i++)
        if (sessions->items[i].owner_fd >= 0)
            close(sessions->items[i].owner_fd);
    pthread_mutex_destroy(&sessions->mutex);
    free(sessions);
}

static int close_at(struct sessions *sessions, struct server *server, size_t index, struct err *err)
{
    struct entry entry = sessions->items[index];
    sessions->items[index] = sessions->items[--sessions->count];
    if (entry.owner_fd >= 0)
        close(entry.owner_fd);
    return server_close_session(server, entry.id, err);
}

// A descriptor of a process becomes readable when that ends.
static bool has_ended(int owner_fd)
{
    struct pollfd owner = {.fd = owner_fd, .events = POLLIN};
    return owner_fd >= 0 && poll(&owner, 1, 0) > 0;
}

static void drop_orphans(struct sessions *sessions, struct server *server)
{
    struct err ignored = {0};
    for (size_t i = sessions->count; i-- > 0;)
        if (has_ended(sessions->items[i].owner_fd))
            close_at(sessions, server, i, &ignored);
}

static enum sessions_result open_locked(struct sessions *sessions, struct server *server,
                                        const char *command, pid_t pid,
                                        struct server_session *opened, struct err *err)
{
    drop_orphans(sessions, server);
    if (sessions->is_finished)
        return SESSIONS_ENDING;
    if (sessions->count == SESSIONS_MAX)
        return SESSIONS_FULL;
    int owner_fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pid > 0 && owner_fd < 0 && errno != ENOSYS)
        return SESSIONS_UNKNOWN;
    if (server_open_session(server, command, opened, err) < 0) {
        if (owner_fd >= 0)
            close(owner_fd);
        return SESSIONS_FAILED;
    }
    sessions->items[sessions->count++] = (struct entry){opened->id, owner_fd};
    return SESSIONS_DONE;
}

enum sessions_result sessions_open(struct sessions *sessions, struct server *server,
                                   const char *command, pid_t pid, struct server_session *opened,
                                   struct err *err)
{
    pthread_mutex_lock(&sessions->mutex);
    enum sessions_result result = open_locked(sessions, server, command, pid, opened, err);
    pthread_mutex_unlock(&sessions->mutex);
    return result;
}

enum sessions_result sessions_close(struct sessions *sessions, struct server *server, int64_t id,
                                    struct err *err)
{
    enum sessions_result result = SESSIONS_UNKNOWN;
    pthread_mutex_lock(&sessions->mutex);
    for (size_t i = sessions->count; i-- > 0 && result == SESSIONS_UNKNOWN;)
        if (sessions->items[i].id == id)
            result = close_at(sessions, server, i, err) < 0 ? SESSIONS_FAILED : SESSIONS_DONE;
    pthread_mutex_unlock(&sessions->mutex);
    return result;
}

size_t sessions_count(struct sessions *sessions, struct server *server)
{
    pthread_mutex_lock(&sessions->mutex);
    drop_orphans(sessions, server);
    size_t count = sessions->count;
    pthread_mutex_unlock(&sessions->mutex);
    return count;
}

size_t sessions_finish(struct sessions *sessions, struct server *server)
{
    pthread_mutex_lock(&sessions->mutex);
    drop_orphans(sessions, server);
    size_t count = 0;
    for (size_t i = 0; i < sessions->count; i++)
        count += sessions->items[i].owner_fd >= 0;
    sessions->is_finished = count == 0;
    pthread_mutex_unlock(&sessions->mutex);
    return count;
}

void sessions_refuse(struct sessions *sessions)
{
    pthread_mutex_lock(&sessions->mutex);
    sessions->is_finished = true;
    pthread_mutex_unlock(&sessions->mutex);
}
