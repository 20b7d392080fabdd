// SPDX-License-Identifier: MIT
// Reading the file whole, sorted by user. What a hash looks like is libcrypt's to know.
#include "hark/credentials.h"

#include "hark/mem.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX 1024
#define USERS_MAX      100000
#define LOOSE_MODE     (S_IWGRP | S_IROTH | S_IWOTH | S_IXOTH)

struct user {
    const char *name;
    const char *hash;
    int line;
};

struct credentials {
    struct arena arena;
    struct user *users; // sorted by name
    size_t count;
};

static int compare_users(const void *a, const void *b)
{
    return strcmp(((const struct user *)a)->name, ((const struct user *)b)->name);
}

// --- reading -----------------------------------------------------------------------------------

static int check_hash(const char *hash, struct err *err)
{
    switch (crypt_checksalt(hash)) {
    case CRYPT_SALT_OK:
        return 0;
    case CRYPT_SALT_METHOD_LEGACY:
        return err_set(err, "the hash is of a kind that is easily broken; make a new one with "
                            "htpasswd -B or mkpasswd");
    default:
        return err_set(err, "what follows the user is no password hash that crypt(5) knows; make "
                            "one with htpasswd -B or mkpasswd");
    }
}

static void add_user(struct credentials *credentials, const char *name, const char *hash, int line)
{
    if ((credentials->count & (credentials->count - 1)) == 0) // a power of two: full
        credentials->users =
            mem_realloc(credentials->users, (credentials->count > 0 ? 2 * credentials->count : 1) *
                                                sizeof(credentials->users[0]));
    credentials->users[credentials->count++] = (struct user){
        arena_strdup(&credentials->arena, name), arena_strdup(&credentials->arena, hash), line};
}

static int read_line(struct credentials *credentials, char *text, int line, struct err *err)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (text[0] == '\0' || text[0] == '#')
        return 0;
    char *colon = strchr(text, ':');
    if (colon == NULL || colon == text)
        return err_set(err, "not \"user:hash\"");
    if (credentials->count == USERS_MAX)
        return err_set(err, "more than %d users", USERS_MAX);
    *colon = '\0';
    if (check_hash(colon + 1, err) != 0)
        return -1;
    add_user(credentials, text, colon + 1, line);
    return 0;
}

static int read_lines(struct credentials *credentials, FILE *file, const char *path,
                      struct err *err)
{
    char text[LINE_BYTES_MAX];
    for (int line = 1; fgets(text, sizeof(text), file) != NULL; line++) {
        bool is_whole = strchr(text, '\n') != NULL || feof(file);
        if (!is_whole)
            err_set(err, "longer than %d bytes", LINE_BYTES_MAX - 2);
        if (!is_whole || read_line(credentials, text, line, err) != 0)
            return err_prefix(err, "%s:%d", path, line);
    }
    return ferror(file) ? err_set(err, "read %s: %s", path, strerror(errno)) : 0;
}

static int sort_users(struct credentials *credentials, const char *path, struct err *err)
{
    if (credentials->count == 0)
        return err_set(err, "%s: there is no user in it: nobody could log in", path);
    qsort(credentials->users, credentials->count, sizeof(credentials->users[0]), compare_users);
    for (size_t i = 1; i < credentials->count; i++) {
        const struct user *a = &credentials->users[i - 1];
        const struct user *b = &credentials->users[i];
        if (strcmp(a->name, b->name) == 0)
            return err_set(err, "%s:%d: the user of line %d again", path,
                           a->line > b->line ? a->line : b->line,
                           a->line > b->line ? b->line : a->line);
    }
    return 0;
}

// Hashes can be tried against lists of words by whoever can read them.
static int check_mode(int fd, const char *path, struct err *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return err_set(err, "stat %s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return err_set(err, "%s is no file", path);
    if ((info.st_mode & LOOSE_MODE) != 0)
        return err_set(err, "%s: others may read or change it (mode %04o); chmod 640 it", path,
                       (unsigned)info.st_mode & 07777U);
    return 0;
}

struct credentials *credentials_load(const char *path, struct err *err)
{
    struct credentials *credentials = mem_calloc(1, sizeof(*credentials));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    int result = 0;
    if (file == NULL)
        result = err_set(err, "open %s: %s", path, strerror(errno));
    if (result == 0 && check_mode(fd, path, err) == 0 &&
        read_lines(credentials, file, path, err) == 0)
        sort_users(credentials, path, err);
    if (file != NULL)
        fclose(file);
    if (!err->is_set)
        return credentials;
    credentials_destroy(credentials);
    return NULL;
}

void credentials_destroy(struct credentials *credentials)
{
    if (credentials == NULL)
        return;
    arena_fini(&credentials->arena);
    free(credentials->users);
    free(credentials);
}

// --- asking ------------------------------------------------------------------------------------

const char *credentials_find(const struct credentials *credentials, const char *user)
{
    const struct user key = {.name = user};
    const struct user *found = bsearch(&key, credentials->users, credentials->count,
                                       sizeof(credentials->users[0]), compare_users);
    return found == NULL ? NULL : found->hash;
}

const char *credentials_any_hash(const struct credentials *credentials)
{
    return credentials->users[0].hash;
}

static bool is_equal(const char *a, const char *b)
{
    size_t length = strlen(a);
    if (length != strlen(b))
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

bool credentials_verify(const char *hash, const char *password)
{
    struct crypt_data *data = mem_calloc(1, sizeof(*data));
    const char *made = crypt_rn(password, hash, data, (int)sizeof(*data));
    bool result = made != NULL && is_equal(made, hash);
    explicit_bzero(data, sizeof(*data));
    free(data);
    return result;
}
