// SPDX-License-Identifier: MIT
// Proxy-Authorization, and the file of users, with any text in them.
#include "fuzz.h"

#include "hark/credentials.h"
#include "proxy/login.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_value(const char *value, size_t size)
{
    struct arena arena = {0};
    struct login login = {0};
    if (login_parse_basic(value, &arena, &login) == 0)
        assert(strlen(login.user) + strlen(login.password) < size);
    arena_fini(&arena);
}

static void check_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("users", MFD_CLOEXEC);
    assert(fd >= 0 && fchmod(fd, 0600) == 0);
    ssize_t written = write(fd, data, size);
    assert(written == (ssize_t)size);
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct err err = {0};
    struct credentials *credentials = credentials_load(path, &err);
    assert(err.is_set == (credentials == NULL));
    if (credentials != NULL) {
        assert(credentials_any_hash(credentials) != NULL);
        assert(credentials_find(credentials, "") == NULL);
    }
    credentials_destroy(credentials);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *value = mem_strndup((const char *)data, size);
    check_value(value, size);
    free(value);
    check_file(data, size);
    return 0;
}
