// SPDX-License-Identifier: MIT
// A new token is written beside its place and moved there, so that nobody ever reads half of one.
#include "token.h"

#include "hark/control.h"
#include "hark/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_BYTES ((size_t)TOKEN_LENGTH / 2)

static bool has_shape(const char *text, size_t length)
{
    return length >= TOKEN_LENGTH && strspn(text, "0123456789abcdef") == TOKEN_LENGTH;
}

// False if there is no usable token in the file.
static bool read_existing(const char *path, struct token *token)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    char text[TOKEN_LENGTH + 2] = {0};
    struct stat info;
    ssize_t length = read(fd, text, sizeof text - 1);
    // A token that others could read is no secret any more.
    bool is_usable = length > 0 && fstat(fd, &info) == 0 && (info.st_mode & 077) == 0 &&
                     info.st_uid == geteuid() && has_shape(text, (size_t)length);
    close(fd);
    if (is_usable)
        memcpy(token->text, text, TOKEN_LENGTH);
    return is_usable;
}

static void set_bytes(struct token *token, const unsigned char bytes[static TOKEN_BYTES])
{
    for (size_t i = 0; i < TOKEN_BYTES; i++)
        snprintf(token->text + 2 * i, 3, "%02x", bytes[i]);
}

static int make_random(struct token *token, struct err *err)
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return err_set(err, "control: random bytes for the token: %s", strerror(errno));
    set_bytes(token, bytes);
    return 0;
}

static int write_new(const char *path, const struct token *token, struct err *err)
{
    char *fresh = mem_printf("%s.new", path);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = -1;
    if (fd < 0 || dprintf(fd, "%s\n", token->text) != TOKEN_LENGTH + 1 || fsync(fd) < 0 ||
        rename(fresh, path) < 0)
        err_set(err, "control: write %s: %s", path, strerror(errno));
    else
        rc = 0;
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        unlink(fresh);
    free(fresh);
    return rc;
}

int token_load(const char *folder, struct token *token, struct err *err)
{
    *token = (struct token){0};
    char *path = mem_printf("%s/" CONTROL_TOKEN_NAME, folder);
    int rc = 0;
    if (!read_existing(path, token))
        rc = make_random(token, err) < 0 ? -1 : write_new(path, token, err);
    free(path);
    return rc;
}

bool token_is_same(const struct token *token, const char *text, size_t length)
{
    if (!text || length != TOKEN_LENGTH)
        return false;
    unsigned difference = 0;
    for (size_t i = 0; i < TOKEN_LENGTH; i++)
        difference |= (unsigned char)text[i] ^ (unsigned char)token->text[i];
    return difference == 0;
}

bool token_is_granted(const struct token *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    given += strspn(given, " ");
    return token_is_same(token, given, strlen(given));
}

struct token token_for_page(const struct token *token, const char *peer)
{
    struct token for_page;
    unsigned char bytes[TOKEN_BYTES];
    char *purpose = mem_printf("hark's page for %s", peer);
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, token->text, TOKEN_LENGTH, purpose, strlen(purpose),
                         bytes) != 0)
        abort(); // GnuTLS always has it
    free(purpose);
    set_bytes(&for_page, bytes);
    return for_page;
}

// A browser sends the cookies of all paths and ports of a host: one of that name may be another's.
bool token_is_in_cookie(const struct token *for_page, const char *cookie)
{
    static const char name[] = TOKEN_COOKIE "=";
    bool is_there = false;
    for (const char *at = cookie; at && *at; at += strspn(at, "; ")) {
        size_t length = strcspn(at, ";");
        size_t name_length = sizeof name - 1;
        if (length > name_length && strncmp(at, name, name_length) == 0)
            is_there |= token_is_same(for_page, at + name_length, length - name_length);
        at += length;
    }
    return is_there;
}
