// SPDX-License-Identifier: MIT
// Sockets are made here and given to libmicrohttpd, because it can make neither a private socket
// file nor say which port it got.
#include "endpoint.h"

#include "hark/address.h"
#include "hark/control.h"
#include "hark/listening.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

static int say_address(int fd, char *address, size_t address_size)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    char host[INET6_ADDRSTRLEN];
    if (getsockname(fd, (struct sockaddr *)&bound, &length) < 0)
        return -1;
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&bound;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(address, address_size, "[%s]:%d", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)&bound;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(address, address_size, "%s:%d", host, ntohs(in->sin_port));
    }
    return 0;
}

int endpoint_listen_tcp(const char *ui_address, int leaving, char *address, size_t address_size,
                        struct err *err)
{
    struct address parsed;
    if (address_parse(ui_address, &parsed) < 0)
        return err_set(err, "page: %s is no address", ui_address);

    int beside = leaving >= 0 && listening_has_port(leaving, &parsed) ? leaving : -1;
    int fd = listening_open(&parsed, BACKLOG, beside);
    if (fd < 0 || say_address(fd, address, address_size) < 0) {
        err_set(err, "page: listen on %s: %s%s", ui_address, strerror(errno),
                errno == EADDRINUSE ? "; choose another with --ui, or --ui off" : "");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

int endpoint_take_tcp(int fd, char *address, size_t address_size, struct err *err)
{
    if (say_address(fd, address, address_size) < 0)
        return err_set(err, "page: the socket that was passed: %s", strerror(errno));
    return fd;
}

static struct sockaddr_un socket_address(int folder_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" CONTROL_SOCKET_NAME,
             folder_fd);
    return address;
}

// Takes away a file nobody answers on.
static int clear_stale(int folder_fd, const char *folder, struct err *err)
{
    struct sockaddr_un address = socket_address(folder_fd);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, "control: make a socket: %s", strerror(errno));
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    int why = errno;
    close(fd);
    if (rc == 0 || why == EAGAIN)
        return err_set(err,
                       "control: another hark serves from %s; stop it, or give this one a folder "
                       "of its own with --data-dir",
                       folder);
    if (why != ENOENT && unlinkat(folder_fd, CONTROL_SOCKET_NAME, 0) < 0 && errno != ENOENT)
        return err_set(err, "control: remove %s/" CONTROL_SOCKET_NAME ": %s", folder,
                       strerror(errno));
    return 0;
}

static int bind_private(struct endpoint_socket *socket, const char *folder, struct err *err)
{
    struct sockaddr_un address = socket_address(socket->folder_fd);
    struct stat info;
    // On Linux the file takes its mode from the unbound socket: there is no moment at which
    // others could connect.
    if (fchmod(socket->fd, 0600) < 0 ||
        bind(socket->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fstatat(socket->folder_fd, CONTROL_SOCKET_NAME, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, "control: make %s/" CONTROL_SOCKET_NAME ": %s", folder,
                       strerror(errno));
    socket->device = info.st_dev;
    socket->inode = info.st_ino;
    if (listen(socket->fd, BACKLOG) < 0)
        return err_set(err, "control: listen on %s/" CONTROL_SOCKET_NAME ": %s", folder,
                       strerror(errno));
    return 0;
}

static int replace_stale(struct endpoint_socket *made, const char *folder, struct err *err)
{
    if (clear_stale(made->folder_fd, folder, err) < 0)
        return -1;
    made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made->fd < 0)
        return err_set(err, "control: make a socket: %s", strerror(errno));
    return bind_private(made, folder, err);
}

// One after another: the socket of one that has bound it and does not listen yet looks stale.
int endpoint_listen_socket(const char *folder, struct endpoint_socket *made, struct err *err)
{
    *made = (struct endpoint_socket){.fd = -1, .folder_fd = -1};
    made->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made->folder_fd < 0)
        return err_set(err, "control: open %s: %s", folder, strerror(errno));
    flock(made->folder_fd, LOCK_EX);
    int rc = replace_stale(made, folder, err);
    flock(made->folder_fd, LOCK_UN);
    return rc;
}

void endpoint_socket_fini(struct endpoint_socket *socket)
{
    struct stat info;
    if (socket->inode != 0 &&
        fstatat(socket->folder_fd, CONTROL_SOCKET_NAME, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_dev == socket->device && info.st_ino == socket->inode)
        unlinkat(socket->folder_fd, CONTROL_SOCKET_NAME, 0);
    if (socket->fd > 0)
        close(socket->fd);
    if (socket->folder_fd > 0)
        close(socket->folder_fd);
    *socket = (struct endpoint_socket){.fd = -1, .folder_fd = -1};
}
