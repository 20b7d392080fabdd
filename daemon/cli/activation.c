// SPDX-License-Identifier: MIT
#include "activation.h"

#include "hark/address.h"
#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_PASSED 3 // SD_LISTEN_FDS_START

static int count_passed(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtoll(pid, NULL, 10) != getpid())
        return 0;
    return (int)strtol(count, NULL, 10);
}

static bool is_listening_stream(int fd)
{
    int type = 0;
    int is_listening = 0;
    socklen_t type_size = sizeof(type);
    socklen_t listening_size = sizeof(is_listening);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &listening_size) == 0 &&
           is_listening != 0;
}

static int check_socket(int fd, const struct config *config, struct err *err)
{
    struct address address = {.length = sizeof(address.storage)};
    struct sockaddr *socket_address = (struct sockaddr *)&address.storage;
    if (!is_listening_stream(fd) || getsockname(fd, socket_address, &address.length) != 0 ||
        (socket_address->sa_family != AF_INET && socket_address->sa_family != AF_INET6))
        return err_set(err, "it is no listening TCP socket");
    char text[64];
    address_format(socket_address, text, sizeof(text));
    if (!address_is_loopback(&address) && config->allow.count == 0)
        return err_set(err, "other machines can reach %s; say with \"allow\" which ones may", text);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return err_set(err, "%s", strerror(errno));
    return 0;
}

// Without names, all are for the proxy.
static int assign(struct activation *activation, int fd, const char *name, struct err *err)
{
    if (name != NULL && strcmp(name, "ui") == 0) {
        if (activation->ui != 0)
            return err_set(err, "there is another one of that name");
        activation->ui = fd;
    } else if (name == NULL || strcmp(name, "proxy") == 0) {
        activation->proxies[activation->proxy_count++] = fd;
    } else {
        return err_set(err, "hark knows the names \"proxy\" and \"ui\" (FileDescriptorName=)");
    }
    return 0;
}

int activation_take(struct activation *activation, const struct config *config, struct err *err)
{
    *activation = (struct activation){0};
    int count = count_passed();
    if (count > ACTIVATION_SOCKETS_MAX)
        return err_set(err, "socket activation: %d sockets were passed, hark takes %d at most",
                       count, ACTIVATION_SOCKETS_MAX);
    const char *all_names = getenv("LISTEN_FDNAMES");
    char *names = all_names == NULL ? NULL : mem_strdup(all_names);
    char *rest = names;
    int result = 0;
    for (int fd = FIRST_PASSED; fd < FIRST_PASSED + count && result == 0; fd++) {
        const char *name = strsep(&rest, ":");
        if (check_socket(fd, config, err) != 0 || assign(activation, fd, name, err) != 0)
            result = err_prefix(err, "socket activation: descriptor %d (%s)", fd,
                                name == NULL ? "without a name" : name);
    }
    free(names);
    return result;
}
