// SPDX-License-Identifier: MIT
#include "notify.h"

#include "hark/buffer.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// A path, or with an @ at its beginning a name in the abstract namespace.
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length >= sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, size) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

// The variable may have been meant for another process, from which ours was started.
static int64_t read_watchdog_us(void)
{
    const char *us = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (us == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    int64_t watchdog_us = strtoll(us, NULL, 10);
    return watchdog_us > 0 ? watchdog_us : 0;
}

void notify_open(struct notify *notify)
{
    const char *name = getenv("NOTIFY_SOCKET");
    notify->fd = name == NULL ? -1 : connect_to(name);
    notify->watchdog_us = notify->fd < 0 ? 0 : read_watchdog_us();
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *format, ...)
{
    if (notify->fd < 0)
        return;
    struct buffer lines = {0};
    va_list args;
    va_start(args, format);
    buffer_vprintf(&lines, format, args);
    va_end(args);
    ssize_t ignored = send(notify->fd, lines.data, lines.length, MSG_NOSIGNAL);
    (void)ignored;
    buffer_fini(&lines);
}
