// SPDX-License-Identifier: MIT
// Linux lets two sockets listen on overlapping addresses of a port if both have SO_REUSEPORT. It is
// set for the moment of binding only: with it for good, a second daemon would take half of the
// connections of the first instead of being told that the address is in use.
#include "hark/listening.h"

#include <errno.h>
#include <unistd.h>

static void set_option(int fd, int option, int value)
{
    setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value));
}

static int bind_and_listen(int fd, const struct address *address, int backlog)
{
    if (bind(fd, (const struct sockaddr *)&address->storage, address->length) != 0)
        return -1;
    return listen(fd, backlog);
}

static int bind_beside(int fd, const struct address *address, int backlog, int beside)
{
    set_option(fd, SO_REUSEPORT, 1);
    set_option(beside, SO_REUSEPORT, 1);
    int result = bind_and_listen(fd, address, backlog);
    int reason = errno;
    set_option(beside, SO_REUSEPORT, 0);
    set_option(fd, SO_REUSEPORT, 0);
    errno = reason;
    return result;
}

int listening_open(const struct address *address, int backlog, int beside)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_option(fd, SO_REUSEADDR, 1);
    int result = beside < 0 ? bind_and_listen(fd, address, backlog)
                            : bind_beside(fd, address, backlog, beside);
    if (result == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

bool listening_has_port(int fd, const struct address *address)
{
    struct address own = {.length = sizeof(own.storage)};
    return getsockname(fd, (struct sockaddr *)&own.storage, &own.length) == 0 &&
           address_port(address) > 0 && address_port(&own) == address_port(address);
}
